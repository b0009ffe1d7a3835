"""The organisation's own pages: keys, members, audit log, settings."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from rune_server import audit, rights
from rune_server.accounts import invitations, members, organisations, plans
from rune_server.actor import SDK_PERMISSIONS, Permission, Role
from rune_server.auth import keys
from rune_server.dashboard.people import names
from rune_server.dashboard.view import Page
from rune_server.errors import NotFoundError, ProblemError, UnprocessableError

if TYPE_CHECKING:
    from starlette.responses import Response

    from rune_server.accounts.invitations import NewInvitation
    from rune_server.auth.keys import NewKey
    from rune_server.dashboard.view import View

_AUDIT_ROWS = 100
_LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "without end"}


async def key_list(view: View) -> Response:
    """API keys."""
    return await _keys(view)


async def _keys(
    view: View, made: NewKey | None = None, error: ProblemError | None = None
) -> Response:
    rows = await keys.listed(view.platform, view.actor)
    return view.show(
        "pages/keys.html",
        status=200 if error is None else error.status,
        title="API keys",
        rows=rows,
        made=made,
        error=error,
        lifetimes=list(_LIFETIMES.items()),
        permissions=[
            (permission, permission in SDK_PERMISSIONS)
            for permission in Permission
            if permission in SDK_PERMISSIONS or view.actor.may(permission)
        ],
        people=await names(view, (row.created_by for row in rows)),
    )


async def create_key(view: View) -> Response:
    """Make a key. It is shown on this page alone."""
    days = await view.number("days")
    try:
        chosen = frozenset(Permission(one) for one in await view.texts("permissions"))
        made = await keys.create(
            view.platform,
            view.actor,
            name=await view.text("name"),
            permissions=chosen,
            expires_at=view.now + timedelta(days=days) if days else None,
        )
    except ProblemError as error:
        return await _keys(view, error=error)
    except (ValueError, OverflowError):
        raise UnprocessableError("a permission or the lifetime makes no sense") from None
    return await _keys(view, made)


async def revoke_key(view: View) -> Response:
    """End a key."""
    await keys.revoke(view.platform, view.actor, uuid_of(view, "key_id"))
    return view.go("/keys", "The key was revoked. It is refused everywhere within a second.")


async def member_list(view: View) -> Response:
    """Members and invitations."""
    return await _members(view)


async def _members(
    view: View, made: NewInvitation | None = None, error: ProblemError | None = None
) -> Response:
    waiting = await invitations.listed(view.platform, view.actor)
    return view.show(
        "pages/members.html",
        status=200 if error is None else error.status,
        title="Members",
        rows=await members.listed(view.platform, view.actor),
        invitations=waiting,
        made=made,
        error=error,
        roles=[role.value for role in Role],
        people=await names(view, (row.invited_by for row in waiting)),
    )


async def invite(view: View) -> Response:
    """Invite somebody. Without a mail server the link is shown, to hand on."""
    try:
        made = await invitations.invite(
            view.platform, view.actor, email=await view.text("email"), role=await _role(view)
        )
    except ProblemError as error:
        return await _members(view, error=error)
    if made.link is not None:
        return await _members(view, made)
    return view.go("/members", f"{made.info.email} was invited by mail.")


async def take_back(view: View) -> Response:
    """Take an invitation back."""
    await invitations.take_back(view.platform, view.actor, uuid_of(view, "invitation_id"))
    return view.go("/members", "The invitation was taken back.")


async def set_role(view: View) -> Response:
    """Give a member another role."""
    await members.set_role(view.platform, view.actor, uuid_of(view, "user_id"), await _role(view))
    return view.go("/members", "The role was changed.")


async def remove_member(view: View) -> Response:
    """Remove a member, or leave."""
    user_id = uuid_of(view, "user_id")
    await members.remove(view.platform, view.actor, user_id)
    if user_id == view.person.user_id:
        return view.go("/", "You left the organisation.")
    return view.go("/members", "The member was removed.")


async def _role(view: View) -> Role:
    try:
        return Role(await view.text("role"))
    except ValueError:
        raise UnprocessableError("role: must be owner, admin, member or viewer") from None


async def audit_log(view: View) -> Response:
    """Who did what."""
    before = view.parameter("before")
    action = view.parameter("action")
    rows = await audit.entries(
        view.platform,
        view.actor,
        before=int(before) if before.isdecimal() and len(before) < 12 else None,
        limit=_AUDIT_ROWS,
        action=action or None,
    )
    return view.show(
        "pages/audit.html",
        title="Audit log",
        rows=[(row, json.dumps(row.details, ensure_ascii=False)) for row in rows],
        action=action,
        full=len(rows) == _AUDIT_ROWS,
        people=await names(view, (row.actor_id for row in rows)),
    )


async def settings(view: View) -> Response:
    """Name, retention, second factor; plan and region; export and deletion."""
    return await _settings(view)


async def _settings(view: View, error: ProblemError | None = None) -> Response:
    found = await organisations.get(view.platform, view.actor)
    usage = await view.analytics.usage(view.actor.organisation_id, view.now)
    return view.show(
        "pages/settings.html",
        status=200 if error is None else error.status,
        title="Settings",
        organisation=found,
        erasures=await rights.erasures(view.platform, view.actor)
        if view.may(Permission.DATA_ERASE)
        else [],
        plan=plans.PLANS[found.plan],
        usage=usage,
        used=sum(day.events for day in usage),
        scanned=sum(day.characters for day in usage),
        error=error,
    )


async def change(view: View) -> Response:
    """Keep changed settings."""
    try:
        await organisations.change(
            view.platform,
            view.actor,
            name=await view.text("name"),
            retention_days=await view.number("retention_days"),
            second_factor_required=bool(await view.text("second_factor_required")),
        )
    except ProblemError as error:
        return await _settings(view, error)
    return view.go("/settings", "Saved.")


async def erase_agent(view: View) -> Response:
    """Remove everything about one agent."""
    try:
        await rights.erase_agent(view.platform, view.actor, await view.text("agent_id"))
    except ProblemError as error:
        return await _settings(view, error)
    return view.go("/settings", "Erased. A second pass follows for what lay in a spool.")


async def erase_organisation(view: View) -> Response:
    """Remove the organisation and everything about it."""
    try:
        await rights.erase_organisation(
            view.platform, view.actor, confirm=await view.text("confirm")
        )
    except ProblemError as error:
        return await _settings(view, error)
    return view.go("/", "The organisation was deleted, with everything in it.")


def uuid_of(view: View, name: str) -> UUID:
    """An id from the path.

    Raises:
        NotFoundError: It is none.
    """
    try:
        return UUID(view.argument(name))
    except ValueError:
        raise NotFoundError("there is no such thing here") from None


PAGES = (
    Page("/keys", key_list, needs=Permission.KEYS_READ, section="keys"),
    Page("/keys", create_key, "POST", needs=Permission.KEYS_WRITE, section="keys"),
    Page("/keys/{key_id}/revoke", revoke_key, "POST", needs=Permission.KEYS_WRITE, section="keys"),
    Page("/members", member_list, needs=Permission.MEMBERS_READ, section="members"),
    Page("/members", invite, "POST", needs=Permission.MEMBERS_WRITE, section="members"),
    Page(
        "/members/invitations/{invitation_id}/take-back",
        take_back,
        "POST",
        needs=Permission.MEMBERS_WRITE,
        section="members",
    ),
    Page(
        "/members/{user_id}/role",
        set_role,
        "POST",
        needs=Permission.MEMBERS_WRITE,
        section="members",
    ),
    # Everybody may remove themselves: the service decides.
    Page("/members/{user_id}/remove", remove_member, "POST", section="members"),
    Page("/audit", audit_log, needs=Permission.AUDIT_READ, section="audit"),
    Page(
        "/settings/erase-agent",
        erase_agent,
        "POST",
        needs=Permission.DATA_ERASE,
        section="settings",
    ),
    Page(
        "/settings/delete",
        erase_organisation,
        "POST",
        needs=Permission.DATA_ERASE,
        section="settings",
    ),
    Page("/settings", settings, needs=Permission.ORGANISATION_READ, section="settings"),
    Page("/settings", change, "POST", needs=Permission.ORGANISATION_WRITE, section="settings"),
)
