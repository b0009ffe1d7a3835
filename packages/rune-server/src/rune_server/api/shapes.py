"""What requests and answers look like, where the services' own types do not say it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from fastapi import Header, Path, Query, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from rune_server.errors import PreconditionFailedError
from rune_server.paging import DEFAULT_PAGE, MAX_PAGE, Page

T = TypeVar("T")
MAX_NUMBER = 2**31 - 1
MAX_CURSOR = 1_000


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain half of a surrogate pair") from None
    return text


Text = Annotated[
    str, AfterValidator(_storable), Field(json_schema_extra={"pattern": "^[^\\u0000]*$"})
]
"""Text that every store takes."""
Name = Annotated[Text, Field(min_length=1, max_length=128)]
Number = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Cursor = Annotated[
    Text | None,
    Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before."),
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items on a page, at most.")]
AgentFilter = Annotated[Text | None, Query(max_length=128, description="Only this agent.")]
RevisionNumber = Annotated[int, Path(ge=1, le=MAX_NUMBER)]
Days = Annotated[int, Query(ge=1, le=90, description="How far back.")]
IfMatch = Annotated[
    str,
    Header(
        alias="If-Match",
        pattern=r'^(\*|"[0-9]{1,9}")$',
        description="The ETag of what the change is based on, or * for whatever there is.",
    ),
]
PAGE = DEFAULT_PAGE


def _known_time(moment: datetime) -> datetime:
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError(f"must be from {_EARLIEST.year} to {_LATEST.year}")
    return moment


_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
Moment = Annotated[AwareDatetime, AfterValidator(_known_time)]
"""A time, with its time zone, that every store knows."""


class Body(BaseModel):
    """A request's body: nothing in it that is not known."""

    model_config = ConfigDict(extra="forbid")


class Shape(BaseModel):
    """A part of an answer, read off a service's value."""

    model_config = ConfigDict(from_attributes=True)


class Listed(BaseModel, Generic[T]):
    """A page of a listing."""

    items: list[T]
    next_cursor: Annotated[
        str | None, Field(description="Ask for the next page with it; null after the last.")
    ] = None


def listed(page: Page[T]) -> Listed[T]:
    """A page of a service as an answer."""
    return Listed(items=list(page.items), next_cursor=page.next_cursor)


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: Annotated[str, Field(description="Stable, for programs.")]
    detail: Annotated[str, Field(description="One sentence for a person.")] = ""
    errors: Annotated[
        list[dict[str, JsonValue]], Field(description="Where it is wrong, and how.")
    ] = []
    request_id: str = ""


def version_in(if_match: str) -> int | None:
    """The version that a change is based on; None for whichever there is.

    Raises:
        PreconditionFailedError: The tag is none of ours.
    """
    if if_match == "*":
        return None
    number = if_match.strip('"')
    if not (number.isascii() and number.isdigit()):
        raise PreconditionFailedError("If-Match: is not the ETag of anything here")
    return int(number)


def tagged(response: Response, version: int) -> None:
    """Say which version an answer shows."""
    response.headers["ETag"] = f'"{version}"'


class KeyShape(Shape):
    """An API key, without the key."""

    id: UUID
    name: str
    hint: Annotated[str, Field(description="Its first characters.")]
    permissions: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


class NewKeyShape(BaseModel):
    """A key that was just made."""

    info: KeyShape
    key: Annotated[str, Field(description="Shown now and never again.")]


class MemberShape(Shape):
    """A member of the organisation."""

    user_id: UUID
    email: str
    name: str
    role: Literal["owner", "admin", "member", "viewer"]
    second_factor: bool
    since: datetime


class InvitationShape(Shape):
    """An invitation that was not accepted yet."""

    id: UUID
    email: str
    role: Literal["owner", "admin", "member", "viewer"]
    invited_by: str
    created_at: datetime
    expires_at: datetime


class NewInvitationShape(BaseModel):
    """An invitation that was just made."""

    info: InvitationShape
    link: Annotated[
        str | None,
        Field(description="To hand over yourself, where the server sends no mail; else null."),
    ]


class OrganisationShape(Shape):
    """The organisation."""

    id: UUID
    name: str
    plan: str
    region: str
    retention_days: int
    second_factor_required: bool
    created_at: datetime


class AuditShape(Shape):
    """One entry of the audit log."""

    number: int
    at: datetime
    actor_kind: Literal["user", "key", "system"]
    actor_id: str
    action: str
    target: str
    details: dict[str, JsonValue]


class CallerShape(BaseModel):
    """Who asks."""

    kind: Literal["user", "key", "system"]
    id: str
    organisation_id: UUID
    role: Literal["owner", "admin", "member", "viewer"] | None
    permissions: list[str]


class EventShape(BaseModel):
    """An event as it was stored: the fields of event v1, and when it arrived."""

    model_config = ConfigDict(extra="allow")

    event_id: UUID
    timestamp: datetime
    received_at: datetime
    event_type: str
    surface: str
    action: str
    agent_id: str | None
    agent_tags: list[str]
    session_id: str | None
    sequence: int
    risk_score: float
    threat_type: str | None
    threats: list[str]
    severity: str | None
    detectors: list[str]
    decision_id: str
    policy: str | None
    policy_revision: str
    rule: str | None
    rules: list[dict[str, JsonValue]]
    layers: list[dict[str, JsonValue]]
    latency_ms: float
    degraded: bool
    tool: str | None
    arguments: list[dict[str, JsonValue]]


class SessionShape(Shape):
    """One run of an agent."""

    session_id: str
    agent_id: str | None
    began: datetime
    ended: datetime
    events: int
    tool_calls: int
    stopped: int
    max_risk: float
    threats: list[str]
    framework: str | None


class SeriesShape(Shape):
    """Counts over time."""

    times: list[datetime]
    lines: dict[str, list[int]]


class UsageShape(Shape):
    """Events that came in on one day."""

    day: date
    events: int
    characters: int


def encoded(value: object) -> Response:
    """A service's value as it is, structs and all: the quick way, for what there is much of."""
    return Response(msgspec.json.encode(value), media_type="application/json")
