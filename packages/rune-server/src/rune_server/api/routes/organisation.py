"""The organisation: its settings, members, invitations, API keys and audit log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field

from rune_server import audit
from rune_server.accounts import invitations, members, organisations
from rune_server.actor import Permission, Role
from rune_server.api.shapes import (
    AuditShape,
    Body,
    CallerShape,
    Cursor,
    InvitationShape,
    KeyShape,
    Limit,
    Listed,
    MemberShape,
    Moment,
    Name,
    NewInvitationShape,
    NewKeyShape,
    OrganisationShape,
    Shape,
    Text,
)
from rune_server.api.who import MADE, Caller, operation
from rune_server.auth import email, keys
from rune_server.auth.client import client_of
from rune_server.errors import ForbiddenError
from rune_server.paging import cursor_of, number_in, parts_of

router = APIRouter(prefix="/v1", tags=["organisation"])


class NewKeyBody(Body):
    """A key to be made."""

    name: Name
    permissions: Annotated[
        list[Permission], Field(min_length=1, max_length=50, description="At most your own.")
    ] = [Permission.EVENTS_WRITE, Permission.POLICIES_READ]
    expires_at: Moment | None = None


class RoleBody(Body):
    """A member's new role."""

    role: Role


class InvitationBody(Body):
    """Whom to invite."""

    email: Annotated[Text, Field(min_length=3, max_length=250)]
    role: Role = Role.MEMBER


class EmailBody(Body):
    """A new address for one's account."""

    email: Annotated[Text, Field(min_length=3, max_length=250)]
    password: Annotated[
        Text, Field(max_length=200, description="Yours; none where you have none.")
    ] = ""
    code: Annotated[
        Text, Field(max_length=64, description="Of your second factor, if you have one.")
    ] = ""


class EmailAsked(Shape):
    """A link is on its way."""

    sent_to: str


class OrganisationBody(Body):
    """What shall be different; what is left out stays."""

    name: Name | None = None
    retention_days: Annotated[int | None, Field(ge=1, le=3650)] = None
    second_factor_required: bool | None = None


@router.get("/me", **operation("get_caller", None))
async def get_caller(caller: Caller) -> CallerShape:
    """Who you are here, and what you may do."""
    actor = caller.actor
    return CallerShape(
        kind=actor.kind,
        id=actor.id,
        organisation_id=actor.organisation_id,
        role=actor.role.value if actor.role is not None else None,
        permissions=sorted(actor.permissions),
    )


@router.post("/me/email", **operation("change_email", None, problems=MADE, status_code=202))
async def change_email(caller: Caller, request: Request, body: EmailBody) -> EmailAsked:
    """Send a link to a new address of your own. For people: keys have none."""
    if caller.signed_in is None:
        raise ForbiddenError("an API key has no address: sign in")
    await email.ask(
        caller.platform,
        caller.signed_in,
        body.email,
        password=body.password,
        code=body.code,
        client=client_of(caller.platform.settings, request.scope),
    )
    return EmailAsked(sent_to=body.email)


@router.get("/organisation", **operation("get_organisation", Permission.ORGANISATION_READ))
async def get_organisation(caller: Caller) -> OrganisationShape:
    """Its name, plan, region and retention."""
    found = await organisations.get(caller.platform, caller.actor)
    return OrganisationShape.model_validate(found)


@router.patch(
    "/organisation",
    **operation("edit_organisation", Permission.ORGANISATION_WRITE, problems=MADE),
)
async def edit_organisation(caller: Caller, body: OrganisationBody) -> OrganisationShape:
    """Change its name, retention or whether members need a second factor."""
    found = await organisations.change(
        caller.platform,
        caller.actor,
        name=body.name,
        retention_days=body.retention_days,
        second_factor_required=body.second_factor_required,
    )
    return OrganisationShape.model_validate(found)


@router.get("/keys", **operation("list_keys", Permission.KEYS_READ))
async def list_keys(caller: Caller) -> Listed[KeyShape]:
    """API keys, the newest first, revoked ones included; never the keys themselves."""
    found = await keys.listed(caller.platform, caller.actor)
    return Listed(items=[KeyShape.model_validate(each) for each in found])


@router.post(
    "/keys", **operation("create_key", Permission.KEYS_WRITE, problems=MADE, status_code=201)
)
async def create_key(caller: Caller, body: NewKeyBody) -> NewKeyShape:
    """Make a key. It is in this answer and never shown again."""
    made = await keys.create(
        caller.platform,
        caller.actor,
        name=body.name,
        permissions=body.permissions,
        expires_at=body.expires_at,
    )
    return NewKeyShape(info=KeyShape.model_validate(made.info), key=made.key)


@router.delete(
    "/keys/{key_id}",
    **operation("revoke_key", Permission.KEYS_WRITE, problems=(404,), status_code=204),
)
async def revoke_key(caller: Caller, key_id: UUID) -> None:
    """End a key, everywhere within a second."""
    await keys.revoke(caller.platform, caller.actor, key_id)


@router.get("/members", **operation("list_members", Permission.MEMBERS_READ))
async def list_members(caller: Caller) -> Listed[MemberShape]:
    """The members, by address."""
    found = await members.listed(caller.platform, caller.actor)
    return Listed(items=[MemberShape.model_validate(each) for each in found])


@router.put(
    "/members/{user_id}",
    **operation(
        "set_member_role",
        Permission.MEMBERS_WRITE,
        problems=(404, 409, 413, 415),
        status_code=204,
    ),
)
async def set_member_role(caller: Caller, user_id: UUID, body: RoleBody) -> None:
    """Give a member another role, at most your own."""
    await members.set_role(caller.platform, caller.actor, user_id, body.role)


@router.delete(
    "/members/{user_id}",
    **operation("remove_member", None, problems=(404, 409), status_code=204),
)
async def remove_member(caller: Caller, user_id: UUID) -> None:
    """Remove a member (needs members:write), or leave."""
    await members.remove(caller.platform, caller.actor, user_id)


@router.get("/invitations", **operation("list_invitations", Permission.MEMBERS_READ))
async def list_invitations(caller: Caller) -> Listed[InvitationShape]:
    """Invitations that were not accepted yet."""
    found = await invitations.listed(caller.platform, caller.actor)
    return Listed(items=[InvitationShape.model_validate(each) for each in found])


@router.post(
    "/invitations",
    **operation("invite_member", Permission.MEMBERS_WRITE, problems=MADE, status_code=201),
)
async def invite_member(caller: Caller, body: InvitationBody) -> NewInvitationShape:
    """Invite somebody by mail, to a role at most your own."""
    made = await invitations.invite(caller.platform, caller.actor, email=body.email, role=body.role)
    return NewInvitationShape(info=InvitationShape.model_validate(made.info), link=made.link)


@router.delete(
    "/invitations/{invitation_id}",
    **operation("take_back_invitation", Permission.MEMBERS_WRITE, problems=(404,), status_code=204),
)
async def take_back_invitation(caller: Caller, invitation_id: UUID) -> None:
    """Make an invitation void."""
    await invitations.take_back(caller.platform, caller.actor, invitation_id)


@router.get("/audit", **operation("list_audit_entries", Permission.AUDIT_READ))
async def list_audit_entries(
    caller: Caller,
    action: Annotated[
        Text | None, Query(max_length=64, description="Such as `policy.published` or `policy.`.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Listed[AuditShape]:
    """What was done by whom, the newest first."""
    before = None if cursor is None else number_in(parts_of(cursor, 1)[0])
    found = await audit.entries(
        caller.platform, caller.actor, before=before, limit=limit, action=action
    )
    more = cursor_of(str(found[-1].number)) if len(found) == limit else None
    return Listed(items=[AuditShape.model_validate(each) for each in found], next_cursor=more)
