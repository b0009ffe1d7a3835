"""Who sends a request: an API key, or a person signed in to the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from rune_server import actor as actors
from rune_server.accounts import organisations
from rune_server.actor import Actor, Permission
from rune_server.api.bounds import NETWORK, require
from rune_server.auth import csrf, sessions
from rune_server.errors import ForbiddenError, InvalidError, UnauthenticatedError
from rune_server.limits import Limit
from rune_server.platform import Platform

ORGANISATION_HEADER = "X-Rune-Organisation"
_key = APIKeyHeader(
    name="X-Rune-Key", auto_error=False, scheme_name="key", description="An API key: rune_live_…"
)
_bearer = HTTPBearer(
    auto_error=False, scheme_name="bearer", description="The same API key as a bearer token."
)
_session = APIKeyCookie(
    name=sessions.SESSION_COOKIE,
    auto_error=False,
    scheme_name="session",
    description="The dashboard's session. Changes also need X-CSRF-Token.",
)


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks, and what answers.

    Attributes:
        platform: The platform.
        actor: The key or the member, in one organisation.
        signed_in: The person; None for a key.
    """

    platform: Platform
    actor: Actor
    signed_in: sessions.SignedIn | None = None


async def who(
    request: Request,
    key: Annotated[str | None, Security(_key)] = None,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
    _cookie: Annotated[str | None, Security(_session)] = None,
    organisation: Annotated[
        UUID | None,
        Header(
            alias=ORGANISATION_HEADER,
            description="For people in several organisations: which one. Keys belong to one.",
        ),
    ] = None,
) -> Who:
    """The caller.

    Raises:
        UnauthenticatedError: Nobody known.
        ForbiddenError: A person of no organisation, or without the CSRF token.
        InvalidError: A person of several organisations, who must say which.
    """
    platform: Platform = request.app.state.platform
    # A proxy may put an Authorization of its own on the way: what is ours by name comes first.
    raw = key if key is not None else bearer.credentials if bearer is not None else None
    if raw is not None:
        grant = await platform.keys.grant(raw)
        if grant is None:
            wrong = _wrong_keys(platform.settings.ip_requests_per_second)
            taken = platform.limits.take_here(f"bad key:{request.scope[NETWORK]}", wrong)
            require(taken, "bad_keys", "too many wrong keys from this address")
            raise UnauthenticatedError(
                "the API key is unknown, expired or revoked",
                code="key_unknown",
                headers=[("www-authenticate", "Bearer")],
            )
        if organisation is not None and organisation != grant.organisation_id:
            raise ForbiddenError("the key belongs to another organisation")
        rate = platform.settings.key_requests_per_second
        taken = platform.limits.take_here(f"key:{grant.key_id}", Limit(rate, 2 * rate))
        require(taken, "key", "too many requests with this key")
        return Who(platform, actors.key(grant))
    signed_in = sessions.current(request)
    if signed_in is None:
        raise UnauthenticatedError(
            "send an API key as X-Rune-Key, or sign in", headers=[("www-authenticate", "Bearer")]
        )
    if request.method not in csrf.SAFE_METHODS:
        csrf.check(platform, signed_in, request.headers.get(csrf.HEADER))
    if organisation is None:
        organisation = await _only_one(platform, signed_in)
    actor = await organisations.actor_for(platform, signed_in, organisation)
    return Who(platform, actor, signed_in)


def _wrong_keys(requests_per_second: int) -> Limit:
    """How many wrong keys an address may try: by default one a second, after the first thirty."""
    share = requests_per_second / 200
    return Limit(per_second=share, burst=max(1.0, 30 * share))


async def _only_one(platform: Platform, signed_in: sessions.SignedIn) -> UUID:
    belongs = await organisations.of_user(platform, signed_in.user_id)
    if not belongs:
        raise ForbiddenError("you belong to no organisation")
    if len(belongs) > 1:
        raise InvalidError(f"{ORGANISATION_HEADER}: say which of your organisations")
    return belongs[0].organisation.id


Caller = Annotated[Who, Depends(who)]


def operation(
    name: str, permission: Permission | None, *, problems: tuple[int, ...] = (), **more: Any
) -> dict[str, Any]:
    """What every operation declares: its name, the permission it needs, and its problems.

    Args:
        name: The operation's id: a verb and a noun.
        permission: What the caller needs; None for anybody who is known.
        problems: Statuses besides those that every operation has.
        more: Further arguments of FastAPI's decorators.
    """
    with_body = (408,) if 413 in problems else ()
    statuses = sorted({400, 401, 403, 422, 429, 503, *problems, *with_body})
    extra = {} if permission is None else {"x-permission": str(permission)}
    return {
        "operation_id": name,
        "openapi_extra": extra,
        "responses": {
            status: {
                "description": _PROBLEMS[status],
                "content": {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                },
            }
            for status in statuses
        },
        **more,
    }


_PROBLEMS = {
    400: "Malformed.",
    401: "No valid key or session.",
    403: "Known, but not allowed.",
    404: "Nothing of this id in the caller's organisation.",
    408: "The body came too slowly.",
    409: "Does not fit with what is there.",
    412: "Changed since it was read.",
    413: "Too large.",
    415: "Not JSON.",
    422: "Well-formed, but does not make sense; `errors` says where.",
    428: "Does not say, in If-Match, which version it is based on.",
    429: "Too many requests; Retry-After says when to come again.",
    503: "A store does not answer; Retry-After says when to come again.",
}
ITEM = (404,)
MADE = (409, 413, 415)
CHANGED = (404, 409, 412, 413, 415, 428)
DELETED = (404, 409, 412, 428)
