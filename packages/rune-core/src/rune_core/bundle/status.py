"""What a process tells the server about itself: metadata, in a closed schema.

    python -m rune_core.bundle.status > spec/status.v1.json

Names come from code and configuration; those that do not look like names are masked, as in events.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from rune_core.bundle.model import RefusalCode  # noqa: TC001 - msgspec reads the annotations
from rune_core.event.schema import portable
from rune_core.ids import MASKED_NAME, safe_name, safe_title

MAX_LISTED = 256

Id = Annotated[str, msgspec.Meta(max_length=128)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")]
RiskName = Literal["low", "medium", "high"]
SurfaceName = Literal[
    "input", "output", "tool_call", "tool_result", "document", "tool_definition", "handoff"
]
ReasonName = Literal[
    "disabled", "not_configured", "not_installed", "failing", "unavailable", "defaults_off"
]
_VERSION = re.compile(r"[A-Za-z0-9.+!\-]{0,64}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_.\[\]]{0,128}", re.ASCII)


class AdapterEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An adapter that this process has imported, and the framework it guards."""

    name: Id
    version: Id
    framework: Id = ""
    framework_version: Id = ""


class RefusedEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy that this process would not put in force."""

    name: Id
    revision: Count = 0
    line: Count = 0
    key: Id = ""
    code: RefusalCode


class PoliciesEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which bundle came, and which is in force: they differ while one is refused."""

    fetched: Digest = ""
    activated: Digest = ""
    refused: Annotated[tuple[RefusedEntry, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()


class CoverageEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is not guarded."""

    surface: SurfaceName
    what: Id
    """A layer's name, or ``policy``."""
    guarded: bool
    reason: ReasonName


class ToolEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool that an agent called."""

    agent_id: Id = ""
    name: Id
    risk: RiskName
    definition_hash: Id = ""


class QueueEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events on their way, and those that got lost, by reason."""

    depth: Count = 0
    oldest_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0
    dropped: dict[Id, Count] = {}
    dead_letters: Count = 0


class Status(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one process runs."""

    schema: Literal["1"] = "1"
    instance: Id
    sdk_version: Id
    adapters: Annotated[tuple[AdapterEntry, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    policies: PoliciesEntry
    coverage: Annotated[tuple[CoverageEntry, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    agents: Annotated[tuple[Id, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    """Ids of the agents that acted, whether they called a tool or not."""
    tools: Annotated[tuple[ToolEntry, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    queue: QueueEntry


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Status)


def encode(status: Status) -> bytes:
    """The status as JSON, masked.

    Raises:
        msgspec.ValidationError: It is not what the schema says; it must not leave.
    """
    body = _encoder.encode(mask(status))
    _decoder.decode(body)
    return body


def mask(status: Status) -> Status:
    """The status with everything that does not look like a name replaced."""
    policies = msgspec.structs.replace(
        status.policies,
        refused=tuple(
            msgspec.structs.replace(entry, name=_title(entry.name), key=_key(entry.key))
            for entry in status.policies.refused[:MAX_LISTED]
        ),
    )
    return msgspec.structs.replace(
        status,
        instance=_name(status.instance),
        sdk_version=_version(status.sdk_version),
        adapters=tuple(
            AdapterEntry(
                name=_name(entry.name),
                version=_version(entry.version),
                framework=_name(entry.framework),
                framework_version=_version(entry.framework_version),
            )
            for entry in status.adapters[:MAX_LISTED]
        ),
        policies=policies,
        coverage=tuple(
            msgspec.structs.replace(entry, what=_name(entry.what))
            for entry in status.coverage[:MAX_LISTED]
        ),
        agents=tuple(sorted({_title(agent) for agent in status.agents[:MAX_LISTED] if agent})),
        tools=tuple(
            msgspec.structs.replace(
                entry,
                agent_id=_title(entry.agent_id),
                name=_name(entry.name),
                definition_hash=_name(entry.definition_hash),
            )
            for entry in status.tools[:MAX_LISTED]
        ),
        queue=msgspec.structs.replace(
            status.queue,
            dropped={_name(reason): count for reason, count in status.queue.dropped.items()},
        ),
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a status."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rune status, version 1",
        **portable(msgspec.json.schema(Status)),
    }


def _name(name: str) -> str:
    return (safe_name(name) or MASKED_NAME) if name else ""


def _version(version: str) -> str:
    return version if _VERSION.fullmatch(version) else MASKED_NAME


def _title(name: str) -> str:
    return (safe_title(name) or MASKED_NAME) if name else ""


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) else MASKED_NAME


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
