"""Organisations: made, listed, changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from rune_server import audit
from rune_server.accounts import plans
from rune_server.actor import Actor, Permission, Role, member
from rune_server.errors import ForbiddenError, NotFoundError, UnprocessableError
from rune_server.names import checked_name
from rune_server.settings import REGIONS
from rune_server.state.tables.organisations import Membership, Organisation

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.auth.sessions import SignedIn
    from rune_server.platform import Platform
    from rune_server.settings import Settings

MAX_OWNED = 20


@dataclass(frozen=True, slots=True)
class OrganisationInfo:
    """An organisation, as its members see it."""

    id: UUID
    name: str
    plan: str
    region: str
    retention_days: int
    second_factor_required: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Belongs:
    """One organisation of a person, and their role in it."""

    organisation: OrganisationInfo
    role: Role


async def of_user(platform: Platform, user_id: UUID) -> list[Belongs]:
    """The organisations that a person belongs to, by name."""
    query = (
        select(Organisation, Membership.role)
        .join(Membership, Membership.organisation_id == Organisation.id)
        .where(Membership.user_id == user_id)
        .order_by(Organisation.name, Organisation.id)
    )
    async with platform.state.read() as session:
        rows = (await session.execute(query)).all()
    return [Belongs(_info(organisation), Role(role)) for organisation, role in rows]


async def actor_for(platform: Platform, signed_in: SignedIn, organisation_id: UUID) -> Actor:
    """Who a signed-in person is in an organisation. Read anew for each request.

    Raises:
        NotFoundError: They do not belong to it.
        ForbiddenError: It insists on a second factor that they did not give
            (code ``second_factor_required``).
    """
    query = (
        select(Membership.role, Organisation.second_factor_required)
        .join(Organisation, Organisation.id == Membership.organisation_id)
        .where(
            Membership.user_id == signed_in.user_id, Membership.organisation_id == organisation_id
        )
    )
    async with platform.state.read() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("no such organisation")
    role, required = row
    if required and not signed_in.second_factor:
        raise ForbiddenError(
            "this organisation asks for a second factor: set one up and sign in with it",
            code="second_factor_required",
        )
    return member(organisation_id, str(signed_in.user_id), Role(role))


async def get(platform: Platform, actor: Actor) -> OrganisationInfo:
    """The actor's organisation."""
    actor.require(Permission.ORGANISATION_READ)
    async with platform.state.read() as session:
        return _info(await _own(session, actor))


async def create(platform: Platform, signed_in: SignedIn, name: str) -> OrganisationInfo:
    """Make an organisation that the person owns; only where the server takes registrations.

    Raises:
        ForbiddenError: It does not.
    """
    if not platform.settings.registration:
        raise ForbiddenError("new organisations are made by this server's operator")
    checked = checked_name(name)
    async with platform.state.begin() as session:
        owned = await session.scalar(
            select(func.count())
            .select_from(Membership)
            .where(Membership.user_id == signed_in.user_id, Membership.role == Role.OWNER)
        )
        if (owned or 0) >= MAX_OWNED:
            raise ForbiddenError(f"one person owns at most {MAX_OWNED} organisations")
        return _info(await insert(platform.settings, session, signed_in.user_id, checked))


async def insert(
    settings: Settings, session: AsyncSession, owner_id: UUID, name: str
) -> Organisation:
    """Make an organisation and its owner, in a transaction that is under way."""
    now = session.info["clock"].now()
    made = Organisation(
        name=name,
        plan=settings.default_plan,
        region=settings.region,
        created_at=now,
    )
    session.add(made)
    await session.flush()
    session.add(
        Membership(organisation_id=made.id, user_id=owner_id, role=Role.OWNER, created_at=now)
    )
    await session.flush()
    await audit.record(
        session,
        member(made.id, str(owner_id), Role.OWNER),
        action="organisation.created",
        target=f"organisation:{made.id}",
        details={"name": name, "plan": made.plan, "region": made.region},
    )
    return made


async def change(
    platform: Platform,
    actor: Actor,
    *,
    name: str | None = None,
    retention_days: int | None = None,
    second_factor_required: bool | None = None,
) -> OrganisationInfo:
    """Change what is given.

    Args:
        platform: The platform.
        actor: Needs ``organisation:write``.
        name: A new name.
        retention_days: 1 to what the plan allows. The next purge deletes what is older.
        second_factor_required: Whether members must sign in with a second factor.

    Raises:
        UnprocessableError: A value does not make sense.
    """
    actor.require(Permission.ORGANISATION_WRITE)
    changed: dict[str, object] = {}
    async with platform.state.begin() as session:
        row = await _own(session, actor)
        if name is not None:
            row.name = changed["name"] = checked_name(name)
        if retention_days is not None:
            most = plans.PLANS[row.plan].retention_days
            if not 1 <= retention_days <= most:
                raise UnprocessableError(
                    f"retention_days: must be 1 to {most} on the plan {row.plan}"
                )
            row.retention_days = changed["retention_days"] = retention_days
        if second_factor_required is not None:
            row.second_factor_required = second_factor_required
            changed["second_factor_required"] = second_factor_required
        if changed:
            await audit.record(
                session,
                actor,
                action="organisation.changed",
                target=f"organisation:{row.id}",
                details=changed,
            )
        found = _info(row)
    await _announce(platform)
    return found


async def set_plan(
    settings: Settings,
    session: AsyncSession,
    organisation_id: UUID,
    *,
    plan: str,
    region: str | None = None,
) -> OrganisationInfo:
    """Change an organisation's plan and region; for the operator's command line, not for members.

    Every process goes by it within half a minute. Events do not move: choose a region before the
    first event.

    Raises:
        UnprocessableError: There is no such plan, or it does not allow that region.
        NotFoundError: There is no such organisation.
    """
    if plan not in plans.PLANS:
        raise UnprocessableError(f"plan: must be one of {', '.join(plans.PLANS)}")
    if region is not None and region not in REGIONS:
        raise UnprocessableError(f"region: must be one of {', '.join(REGIONS)}")
    row = await session.get(Organisation, organisation_id)
    if row is None:
        raise NotFoundError("no such organisation")
    wanted = region or row.region
    if wanted != settings.region and not plans.PLANS[plan].regions:
        raise UnprocessableError(f"region: the plan {plan} is kept in the default region")
    row.plan, row.region = plan, wanted
    await audit.record(
        session,
        Actor(row.id, "system", "operator", frozenset()),
        action="organisation.plan_changed",
        target=f"organisation:{row.id}",
        details={"plan": plan, "region": wanted},
    )
    return _info(row)


async def _announce(platform: Platform) -> None:
    """What keys allow depends on plan and retention."""
    platform.keys.forget()
    await platform.bus.publish("keys", b"organisation")


async def _own(session: AsyncSession, actor: Actor) -> Organisation:
    row = await session.get(Organisation, actor.organisation_id)
    if row is None:
        raise NotFoundError("no such organisation")
    return row


def _info(row: Organisation) -> OrganisationInfo:
    return OrganisationInfo(
        row.id,
        row.name,
        row.plan,
        row.region,
        plans.retention_days(row),
        row.second_factor_required,
        row.created_at,
    )
