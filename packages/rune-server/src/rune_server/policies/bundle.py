"""The bundle of one instance: every policy in force for it, as ``rune_core.bundle`` reads it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from sqlalchemy import select

from rune_core.bundle.model import SCHEMA, Bundle, Document, encode, revision_of
from rune_server.errors import ConflictError
from rune_server.policies.rollout import reaches
from rune_server.state.tables.policies import PolicyChannelRow, PolicyRevisionRow, PolicyRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.platform import Platform
    from rune_server.state import State

MAX_BUNDLE_BYTES: Final = 12 * 1024 * 1024
"""Agents read answers of up to 16 MiB."""
_MAX_ORGANISATIONS: Final = 256
_MAX_BODIES: Final = 64


@dataclass(frozen=True, slots=True)
class _InForce:
    """One policy: what instances have, and what some of them have instead."""

    policy_id: UUID
    published: Document | None
    staged: Document | None
    percent: int

    def document_for(self, instance: str) -> Document | None:
        staged = self.staged
        if staged is not None and reaches(self.policy_id, staged.revision, self.percent, instance):
            return staged
        return self.published


@dataclass(frozen=True, slots=True)
class _Channel:
    """What an organisation has in force, as of a version of its channel."""

    version: int
    policies: tuple[_InForce, ...]

    def documents_for(self, instance: str) -> tuple[Document, ...]:
        chosen = (policy.document_for(instance) for policy in self.policies)
        return tuple(document for document in chosen if document is not None)


class _Cache:
    """What was read last of each organisation, and bundles as bytes. One per state database."""

    def __init__(self) -> None:
        self.channels: OrderedDict[UUID, _Channel] = OrderedDict()
        self.bodies: OrderedDict[str, bytes] = OrderedDict()


_caches: WeakKeyDictionary[State, _Cache] = WeakKeyDictionary()


async def bundle_for(platform: Platform, organisation_id: UUID, instance: str = "") -> Bundle:
    """What an instance should have in force.

    One row is read to see whether anything changed, so every process of the server answers with
    what was last published, whether or not a message reached it.

    Args:
        platform: The platform.
        organisation_id: Whose policies.
        instance: The instance's id; empty when it did not say.
    """
    channel = await _channel(platform.state, organisation_id)
    documents = channel.documents_for(instance)
    return Bundle(schema=SCHEMA, revision=revision_of(documents), policies=documents)


async def revisions_for(
    platform: Platform, organisation_id: UUID, instances: Iterable[str]
) -> dict[str, str]:
    """The revision of the bundle that each of many instances should have in force."""
    channel = await _channel(platform.state, organisation_id)
    known: dict[tuple[Document, ...], str] = {}
    found: dict[str, str] = {}
    for instance in instances:
        documents = channel.documents_for(instance)
        if documents not in known:
            known[documents] = revision_of(documents)
        found[instance] = known[documents]
    return found


def body_of(platform: Platform, bundle: Bundle) -> bytes:
    """The bundle as JSON. The same bundle is encoded once."""
    bodies = _cache(platform.state).bodies
    body = bodies.get(bundle.revision)
    if body is None:
        body = bodies[bundle.revision] = encode(bundle)
        while len(bodies) > _MAX_BODIES:
            bodies.popitem(last=False)
    return body


async def check_size(session: AsyncSession, organisation_id: UUID) -> None:
    """Refuse to publish more than agents read in one answer.

    Raises:
        ConflictError: What is in force would be too large.
    """
    await session.flush()
    policies = await _read(session, organisation_id)
    both = (document for policy in policies for document in (policy.published, policy.staged))
    documents = tuple(document for document in both if document is not None)
    size = len(encode(Bundle(schema=SCHEMA, revision=revision_of(documents), policies=documents)))
    if size > MAX_BUNDLE_BYTES:
        raise ConflictError(
            f"all published policies together would be {size:,} bytes, and agents take "
            f"{MAX_BUNDLE_BYTES:,}: withdraw some",
            code="bundle_too_large",
        )


def _cache(state: State) -> _Cache:
    return _caches.setdefault(state, _Cache())


async def _channel(state: State, organisation_id: UUID) -> _Channel:
    channels = _cache(state).channels
    async with state.read() as session:
        version = (
            await session.scalar(
                select(PolicyChannelRow.version).where(
                    PolicyChannelRow.organisation_id == organisation_id
                )
            )
            or 0
        )
        known = channels.get(organisation_id)
        if known is not None and known.version == version:
            channels.move_to_end(organisation_id)
            return known
        # What is read after the version is at least as new; a change in between is read again.
        channel = _Channel(version, await _read(session, organisation_id))
    channels[organisation_id] = channel
    while len(channels) > _MAX_ORGANISATIONS:
        channels.popitem(last=False)
    return channel


async def _read(session: AsyncSession, organisation_id: UUID) -> tuple[_InForce, ...]:
    rows = await session.execute(
        select(PolicyRow, PolicyRevisionRow)
        .join(
            PolicyRevisionRow,
            (PolicyRevisionRow.policy_id == PolicyRow.id)
            & (
                (PolicyRevisionRow.number == PolicyRow.published_revision)
                | (PolicyRevisionRow.number == PolicyRow.staged_revision)
            ),
        )
        .where(PolicyRow.organisation_id == organisation_id, PolicyRow.archived_at.is_(None))
        .order_by(PolicyRow.name)
    )
    found: dict[UUID, _InForce] = {}
    for policy, revision in rows:
        document = Document(policy.name, revision.number, revision.sha256, revision.yaml)
        known = found.get(policy.id, _InForce(policy.id, None, None, policy.staged_percent))
        published, staged = known.published, known.staged
        if revision.number == policy.published_revision:
            published = document
        if revision.number == policy.staged_revision:
            staged = document
        found[policy.id] = _InForce(policy.id, published, staged, policy.staged_percent)
    return tuple(found.values())
