"""Saved views: filters of the event list under a name, for oneself or for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sqlalchemy import func, or_, select
from starlette.datastructures import QueryParams

from rune_server import audit
from rune_server.actor import Permission
from rune_server.dashboard import choice
from rune_server.errors import ConflictError, NotFoundError, UnprocessableError
from rune_server.names import checked_name
from rune_server.state.tables.saved_views import SavedView

if TYPE_CHECKING:
    from uuid import UUID

    from rune_server.actor import Actor
    from rune_server.platform import Platform

MAX_VIEWS = 100
"""Of one person in one organisation."""
_MAX_QUERY = 2000


@dataclass(frozen=True, slots=True)
class View:
    """One saved view, for who asks."""

    id: UUID
    name: str
    query: str
    shared: bool
    mine: bool


async def listed(platform: Platform, actor: Actor) -> list[View]:
    """One's own views and those shared with everybody, by name."""
    actor.require(Permission.EVENTS_READ)
    query = (
        select(SavedView)
        .where(
            SavedView.organisation_id == actor.organisation_id,
            or_(SavedView.owner_id == actor.id, SavedView.shared),
        )
        .order_by(func.lower(SavedView.name), SavedView.id)
        .limit(MAX_VIEWS * 2)
    )
    async with platform.state.read() as session:
        return [
            View(row.id, row.name, row.query, row.shared, row.owner_id == actor.id)
            for row in await session.scalars(query)
        ]


async def save(
    platform: Platform, actor: Actor, *, name: str, query: str, shared: bool = False
) -> None:
    """Keep a view; one of one's own with the same name is replaced.

    Raises:
        ForbiddenError: The actor may not share views: that needs ``alerts:write``, as whoever may
            decide what others are alerted to may decide what others find in their menu.
        UnprocessableError: The name or the filters make no sense.
        ConflictError: There are too many.
    """
    actor.require(Permission.EVENTS_READ)
    if shared:
        actor.require(Permission.ALERTS_WRITE)
    name = checked_name(name)
    # Only what the list itself would write: nothing else gets into anybody's menu.
    pairs = choice.read(QueryParams(query), platform.clock.now()).all_pairs
    text = urlencode(pairs)
    if len(text) > _MAX_QUERY:
        raise UnprocessableError("the filters are too long to be saved")
    async with platform.state.begin() as session:
        mine = (
            SavedView.organisation_id == actor.organisation_id,
            SavedView.owner_id == actor.id,
        )
        found = await session.scalar(select(SavedView).where(*mine, SavedView.name == name))
        if found is not None:
            found.query, found.shared = text, shared
            return
        number = await session.scalar(select(func.count()).select_from(SavedView).where(*mine))
        if (number or 0) >= MAX_VIEWS:
            raise ConflictError(f"there are {MAX_VIEWS} views of yours: delete one first")
        session.add(
            SavedView(
                organisation_id=actor.organisation_id,
                owner_id=actor.id,
                name=name,
                query=text,
                shared=shared,
                created_at=platform.clock.now(),
            )
        )
        if shared:
            await audit.record(session, actor, action="view.shared", target=name)


async def delete(platform: Platform, actor: Actor, view_id: UUID) -> None:
    """Forget one of one's own views.

    Raises:
        NotFoundError: It is not there, or somebody else's.
    """
    actor.require(Permission.EVENTS_READ)
    async with platform.state.begin() as session:
        found = await session.get(SavedView, view_id)
        if (
            found is None
            or found.organisation_id != actor.organisation_id
            or found.owner_id != actor.id
        ):
            raise NotFoundError("there is no such view of yours")
        await session.delete(found)
