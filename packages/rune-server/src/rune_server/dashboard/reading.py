"""Who reads a page: the signed-in person, and the organisation that this browser looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from rune_server import alerts
from rune_server.accounts import organisations
from rune_server.actor import Permission
from rune_server.auth import csrf
from rune_server.dashboard.frame import Named, Reading
from rune_server.errors import ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from starlette.requests import Request

    from rune_server.actor import Actor
    from rune_server.auth.sessions import SignedIn
    from rune_server.dashboard.site import Site

ORGANISATION_COOKIE = "__Host-rune_organisation"
"""Which of one's organisations this browser looks at. Grants nothing: membership is looked up."""


async def find_reading(site: Site, request: Request, signed_in: SignedIn) -> Reading | None:
    """The reader in the organisation that their browser looks at; their first one by default.

    None when they belong to no organisation.

    Raises:
        ForbiddenError: The organisation insists on a second factor (``second_factor_required``).
    """
    belongs = await organisations.of_user(site.platform, signed_in.user_id)
    if not belongs:
        return None
    known = {one.organisation.id: one.organisation for one in belongs}
    wanted = _wanted(request)
    chosen = known.get(wanted, belongs[0].organisation) if wanted else belongs[0].organisation
    actor = await organisations.actor_for(site.platform, signed_in, chosen.id)
    return Reading(
        actor=actor,
        user=Named(signed_in.user_id, signed_in.name, signed_in.email),
        organisation=Named(chosen.id, chosen.name),
        organisations=tuple(Named(one.id, one.name) for one in known.values()),
        csrf_token=csrf.token(site.platform, signed_in),
        open_alerts=await _open_alerts(site, actor),
    )


async def still_reads(site: Site, signed_in: SignedIn, organisation_id: UUID) -> bool:
    """Whether a session and a membership still stand, for streams; asked at most once a second."""

    async def look() -> bool:
        found = await site.platform.sessions.find(signed_in.session_id)
        if found is None:
            return False
        try:
            actor = await organisations.actor_for(site.platform, found, organisation_id)
        except (NotFoundError, ForbiddenError):
            return False
        return actor.may(Permission.EVENTS_READ)

    key = (organisation_id, "reads", signed_in.session_id)
    return await site.checks.get(key, look)


async def _open_alerts(site: Site, actor: Actor) -> int:
    if not actor.may(Permission.ALERTS_READ):
        return 0
    found = await site.answers.get(
        (actor.organisation_id, "alerts"), lambda: alerts.counts(site.platform, actor)
    )
    return found.get("open", 0)


def _wanted(request: Request) -> UUID | None:
    try:
        return UUID(request.cookies.get(ORGANISATION_COOKIE, ""))
    except ValueError:
        return None
