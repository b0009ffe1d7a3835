"""Saved views: one's own and shared ones, never those of another organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rune_server.actor import Role, member
from rune_server.dashboard import saved_views
from rune_server.errors import ForbiddenError, NotFoundError, UnprocessableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rune_server.actor import Actor
    from rune_server.platform import Platform
    from rune_server.state.tables.organisations import Organisation


async def test_own_and_shared(
    platform: Platform,
    owner: Actor,
    viewer: Actor,
    new_organisation: Callable[[str], Awaitable[Organisation]],
) -> None:
    await saved_views.save(platform, owner, name="Mine", query="action=block")
    await saved_views.save(
        platform, owner, name="Ours", query="q=agent:billing&junk=1&range=7d", shared=True
    )
    assert [one.name for one in await saved_views.listed(platform, owner)] == ["Mine", "Ours"]
    (seen,) = await saved_views.listed(platform, viewer)
    assert (seen.name, seen.mine, seen.query) == ("Ours", False, "agent=billing&range=7d")
    with pytest.raises(NotFoundError):
        await saved_views.delete(platform, viewer, seen.id)
    other = await new_organisation("Other")
    stranger = member(other.id, owner.id, Role.OWNER)
    assert await saved_views.listed(platform, stranger) == []
    with pytest.raises(NotFoundError):
        await saved_views.delete(platform, stranger, seen.id)
    await saved_views.delete(platform, owner, seen.id)
    assert await saved_views.listed(platform, viewer) == []


async def test_saving_again_replaces(platform: Platform, owner: Actor) -> None:
    await saved_views.save(platform, owner, name="V", query="action=block")
    await saved_views.save(platform, owner, name="V", query="action=ask")
    (one,) = await saved_views.listed(platform, owner)
    assert one.query == "action=ask"


async def test_a_viewer_shares_nothing(platform: Platform, viewer: Actor) -> None:
    await saved_views.save(platform, viewer, name="mine", query="")
    with pytest.raises(ForbiddenError):
        await saved_views.save(platform, viewer, name="ours", query="", shared=True)
    with pytest.raises(UnprocessableError):
        await saved_views.save(platform, viewer, name=" ", query="")
