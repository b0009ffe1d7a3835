"""Members, roles and invitations: who may do what to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.rune_server.auth.conftest import CLIENT, PASSWORD, Browser, make_user

from rune_server.accounts import invitations, members, organisations, plans
from rune_server.actor import ROLE_PERMISSIONS, Actor, Role, member
from rune_server.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnprocessableError,
)

if TYPE_CHECKING:
    from uuid import UUID

    from tests.rune_server.conftest import MovableClock

    from rune_server.platform import Platform


async def acme(platform: Platform) -> tuple[UUID, Actor]:
    """Acme and its owner."""
    user = await make_user(platform, "owner@example.com")
    [belongs] = await organisations.of_user(platform, user.id)
    return user.id, member(belongs.organisation.id, str(user.id), Role.OWNER)


async def joined(platform: Platform, owner: Actor, email: str, role: Role) -> UUID:
    new = await invitations.invite(platform, owner, email=email, role=role)
    assert new.link is not None
    token = new.link.rpartition("/")[2]
    return await invitations.accept_as_new(
        platform, token, name="New", password=PASSWORD, client=CLIENT
    )


async def test_an_invitation_is_accepted_once(platform: Platform, clock: MovableClock) -> None:
    _, owner = await acme(platform)
    new = await invitations.invite(platform, owner, email=" Bob@Example.com", role=Role.MEMBER)
    assert new.link is not None
    assert new.link not in repr(new)
    token = new.link.rpartition("/")[2]
    seen = await invitations.look(platform, token, CLIENT)
    assert (seen.organisation, seen.email, seen.role) == ("Acme", "bob@example.com", Role.MEMBER)
    assert not seen.has_account
    await invitations.accept_as_new(platform, token, name="Bob", password=PASSWORD, client=CLIENT)
    signed_in = await Browser(platform).sign_in("bob@example.com")
    actor = await organisations.actor_for(platform, signed_in, owner.organisation_id)
    assert actor.role is Role.MEMBER
    with pytest.raises(UnprocessableError):
        await invitations.look(platform, token, CLIENT)
    with pytest.raises(UnprocessableError):
        await invitations.accept(platform, token, signed_in, CLIENT)
    with pytest.raises(ConflictError):
        await invitations.invite(platform, owner, email="bob@example.com", role=Role.ADMIN)


async def test_invitations_run_out_and_are_taken_back(
    platform: Platform, clock: MovableClock
) -> None:
    _, owner = await acme(platform)
    late = await invitations.invite(platform, owner, email="a@example.com", role=Role.VIEWER)
    gone = await invitations.invite(platform, owner, email="b@example.com", role=Role.VIEWER)
    await invitations.take_back(platform, owner, gone.info.id)
    clock.forward(days=7)
    for new in (late, gone):
        assert new.link is not None
        with pytest.raises(UnprocessableError):
            await invitations.look(platform, new.link.rpartition("/")[2], CLIENT)
    assert await invitations.listed(platform, owner) == []


async def test_an_invitation_is_for_its_address(platform: Platform) -> None:
    _, owner = await acme(platform)
    await make_user(platform, "eve@example.com", organisation="Evil")
    await make_user(platform, "bob@example.com", organisation="Bob's")
    new = await invitations.invite(platform, owner, email="bob@example.com", role=Role.ADMIN)
    assert new.link is not None
    token = new.link.rpartition("/")[2]
    with pytest.raises(ForbiddenError):
        await invitations.accept(
            platform, token, await Browser(platform).sign_in("eve@example.com"), CLIENT
        )
    with pytest.raises(ConflictError):
        await invitations.accept_as_new(
            platform, token, name="Bob", password=PASSWORD, client=CLIENT
        )
    bob = await Browser(platform).sign_in("bob@example.com")
    assert await invitations.accept(platform, token, bob, CLIENT) == owner.organisation_id
    assert len(await organisations.of_user(platform, bob.user_id)) == 2


async def test_a_link_that_was_handed_on_proves_no_address(platform: Platform) -> None:
    _, owner = await acme(platform)
    await joined(platform, owner, "bob@example.com", Role.MEMBER)
    async with platform.state.read() as session:
        query = text("SELECT email_verified_at FROM users WHERE email = 'bob@example.com'")
        assert (await session.execute(query)).scalar_one() is None


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("wanted", list(Role))
async def test_nobody_gives_a_role_above_their_own(
    platform: Platform, role: Role, wanted: Role
) -> None:
    _, owner = await acme(platform)
    actor = member(owner.organisation_id, "x", role)
    allowed = role is Role.OWNER or (role is Role.ADMIN and wanted is not Role.OWNER)
    if allowed:
        await invitations.invite(platform, actor, email="n@example.com", role=wanted)
    else:
        with pytest.raises(ForbiddenError):
            await invitations.invite(platform, actor, email="n@example.com", role=wanted)


async def test_roles_change_at_once_and_only_downwards_from_ones_own(platform: Platform) -> None:
    owner_id, owner = await acme(platform)
    bob = await joined(platform, owner, "bob@example.com", Role.ADMIN)
    admin = member(owner.organisation_id, str(bob), Role.ADMIN)
    with pytest.raises(ForbiddenError):
        await members.set_role(platform, admin, bob, Role.OWNER)
    with pytest.raises(ForbiddenError):
        await members.set_role(platform, admin, owner_id, Role.VIEWER)
    with pytest.raises(ForbiddenError):
        await members.remove(platform, admin, owner_id)
    with pytest.raises(ConflictError):
        await members.set_role(platform, owner, owner_id, Role.ADMIN)
    with pytest.raises(ConflictError):
        await members.remove(platform, owner, owner_id)
    await members.set_role(platform, owner, bob, Role.VIEWER)
    signed_in = await Browser(platform).sign_in("bob@example.com")
    actor = await organisations.actor_for(platform, signed_in, owner.organisation_id)
    assert actor.permissions == ROLE_PERMISSIONS[Role.VIEWER]
    await members.remove(platform, actor, bob)  # everybody may leave
    with pytest.raises(NotFoundError):
        await organisations.actor_for(platform, signed_in, owner.organisation_id)


async def test_a_key_gives_no_role_that_has_more_than_itself(platform: Platform) -> None:
    _, owner = await acme(platform)
    key = Actor(owner.organisation_id, "key", "k", ROLE_PERMISSIONS[Role.ADMIN])
    await invitations.invite(platform, key, email="a@example.com", role=Role.ADMIN)
    with pytest.raises(ForbiddenError):
        await invitations.invite(platform, key, email="b@example.com", role=Role.OWNER)


async def test_organisations_see_nothing_of_each_other(platform: Platform) -> None:
    owner_id, owner = await acme(platform)
    other_user = await make_user(platform, "other@example.com", organisation="Other")
    [belongs] = await organisations.of_user(platform, other_user.id)
    other = member(belongs.organisation.id, str(other_user.id), Role.OWNER)
    waiting = await invitations.invite(platform, owner, email="a@example.com", role=Role.VIEWER)
    assert [one.email for one in await members.listed(platform, other)] == ["other@example.com"]
    assert await invitations.listed(platform, other) == []
    for attempt in (
        members.set_role(platform, other, owner_id, Role.VIEWER),
        members.remove(platform, other, owner_id),
        invitations.take_back(platform, other, waiting.info.id),
        organisations.actor_for(
            platform,
            await Browser(platform).sign_in("other@example.com"),
            owner.organisation_id,
        ),
    ):
        with pytest.raises(NotFoundError):
            await attempt


async def test_plans_bound_retention_and_regions(platform: Platform) -> None:
    _, owner = await acme(platform)
    kept = {name: plan.retention_days for name, plan in plans.PLANS.items()}
    assert kept == {"community": 30, "starter": 90, "pro": 180, "growth": 365}
    changed = await organisations.change(platform, owner, retention_days=100)
    assert changed.retention_days == 100
    await set_plan(platform, owner, "starter")
    assert (await organisations.get(platform, owner)).retention_days == 90
    for days in (0, 91, -1):
        with pytest.raises(UnprocessableError, match="1 to 90"):
            await organisations.change(platform, owner, retention_days=days)
    with pytest.raises(UnprocessableError, match="region"):
        await set_plan(platform, owner, "pro", "eu")
    with pytest.raises(UnprocessableError, match="plan"):
        await set_plan(platform, owner, "gold")
    await set_plan(platform, owner, "growth", "eu")
    assert (await organisations.get(platform, owner)).region == "eu"


async def set_plan(platform: Platform, owner: Actor, plan: str, region: str | None = None) -> None:
    async with platform.state.begin() as session:
        await organisations.set_plan(
            platform.settings, session, owner.organisation_id, plan=plan, region=region
        )
