"""Who is asking, and what that may do. The only place that knows roles and permissions.

Every service function takes an ``Actor`` first and calls ``actor.require(...)`` before it reads or
writes; the API and the dashboard both go through these functions, so neither holds rules of its
own. An actor belongs to exactly one organisation, and services read nothing outside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from rune_server.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from rune_server.auth.keys import KeyGrant


class Permission(StrEnum):
    """What can be allowed. API keys carry a set of these; members have those of their role."""

    EVENTS_WRITE = "events:write"
    EVENTS_READ = "events:read"
    AGENTS_WRITE = "agents:write"
    POLICIES_READ = "policies:read"
    POLICIES_WRITE = "policies:write"
    ALERTS_READ = "alerts:read"
    ALERTS_WRITE = "alerts:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    ORGANISATION_READ = "organisation:read"
    ORGANISATION_WRITE = "organisation:write"
    AUDIT_READ = "audit:read"
    DATA_EXPORT = "data:export"
    DATA_ERASE = "data:erase"


class Role(StrEnum):
    """A member's role in an organisation, the strongest first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


_VIEWER = frozenset(
    (
        Permission.EVENTS_READ,
        Permission.POLICIES_READ,
        Permission.ALERTS_READ,
        Permission.MEMBERS_READ,
        Permission.ORGANISATION_READ,
    )
)
_MEMBER = _VIEWER | {
    Permission.AGENTS_WRITE,
    Permission.POLICIES_WRITE,
    Permission.ALERTS_WRITE,
    Permission.KEYS_READ,
}
_ADMIN = _MEMBER | {
    Permission.KEYS_WRITE,
    Permission.MEMBERS_WRITE,
    Permission.AUDIT_READ,
    Permission.DATA_EXPORT,
    Permission.ORGANISATION_WRITE,
}
_OWNER = _ADMIN | {Permission.DATA_ERASE}

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.MEMBER: _MEMBER,
    Role.ADMIN: _ADMIN,
    Role.OWNER: _OWNER,
}
"""What a role may do. Sending events is for API keys, not for people."""

SDK_PERMISSIONS = frozenset((Permission.EVENTS_WRITE, Permission.POLICIES_READ))
"""What an SDK's key needs."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone or something that acts inside one organisation.

    Attributes:
        organisation_id: The only organisation whose data it may touch.
        kind: ``user`` (a signed-in member), ``key`` (an API key) or ``system`` (a job of ours).
        id: The user's or key's id, or the job's name; written into the audit log.
        permissions: What it may do.
        role: A user's role; None for keys and jobs.
    """

    organisation_id: UUID
    kind: Literal["user", "key", "system"]
    id: str
    permissions: frozenset[Permission]
    role: Role | None = None

    def may(self, permission: Permission) -> bool:
        """Whether it holds ``permission``."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Go on only with ``permission``.

        Raises:
            ForbiddenError: It does not hold it.
        """
        if permission not in self.permissions:
            raise ForbiddenError(f"this needs the permission {permission}")


def member(organisation_id: UUID, user_id: str, role: Role) -> Actor:
    """A signed-in member."""
    return Actor(organisation_id, "user", user_id, ROLE_PERMISSIONS[role], role)


def job(organisation_id: UUID, name: str) -> Actor:
    """A job of the server itself, on behalf of one organisation."""
    return Actor(organisation_id, "system", name, frozenset(Permission))


def key(grant: KeyGrant) -> Actor:
    """An API key."""
    return Actor(grant.organisation_id, "key", str(grant.key_id), grant.permissions)
