"""What a tool can do, declared by the user or read off its name, description and schema.

A verb in the name decides; the description is asked only when the name holds none. What
cannot be told counts as ``medium``: a tool nobody understands is not harmless.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Capability(StrEnum):
    """What calling a tool can do."""

    READ = "read"
    """Returns data, changes nothing."""
    FETCH = "fetch"
    """Reads from an address the caller names: the address itself can carry data out."""
    WRITE = "write"
    """Changes data inside the user's own systems."""
    SEND = "send"
    """Hands data to other people or systems."""
    SPEND = "spend"
    """Moves money or orders things that cost."""
    DELETE = "delete"
    """Destroys data."""
    EXECUTE = "execute"
    """Runs code or commands."""
    ACCESS = "access"
    """Changes who may do what: passwords, members, permissions."""


class Risk(StrEnum):
    """How much a wrong call can hurt."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class ToolProfile:
    """What is known about a tool.

    Attributes:
        tool: Its name.
        capabilities: What it can do; empty when nothing could be told.
        risk: ``low`` for reading alone, ``medium`` for fetching, writing or unknown, else ``high``.
        evidence: What says so: ``declared``, ``name: send``, ``description: deletes`` or
            ``unknown``. Words of the tool's definition, no content.
    """

    tool: str
    capabilities: frozenset[Capability]
    risk: Risk
    evidence: str


_VERBS: Final[Mapping[Capability, str]] = {
    Capability.DELETE: (
        "delete remove drop destroy erase purge truncate wipe clear uninstall unlink rm "
        "cancel terminate "
    ),
    Capability.SPEND: (
        "pay buy purchase order checkout transfer spend charge refund withdraw deposit "
        "trade sell bid invest donate tip wire payment transaction payout money funds "
    ),
    Capability.EXECUTE: (
        "execute exec run eval shell bash terminal command cmd spawn launch deploy python "
        "interpreter subprocess repl "
    ),
    Capability.ACCESS: (
        "grant revoke invite authorize authorise permission permissions password "
        "credential credentials role roles token kick ban promote admin unlock enable "
        "disable login impersonate "
    ),
    Capability.SEND: (
        "send email mail message notify post publish tweet share forward reply upload "
        "broadcast dm sms call invite submit webhook push respond comment announce "
    ),
    Capability.WRITE: (
        "write create update set add edit modify change insert append save put patch "
        "rename move copy schedule reserve book register assign mark archive store upsert "
        "replace make draft enter toggle turn start stop open close lock rate review like "
    ),
    Capability.FETCH: (
        "fetch browse visit navigate crawl scrape request download curl http url webpage website "
    ),
    Capability.READ: (
        "get read list search find query show view lookup check describe count select "
        "retrieve summarize summarise translate calculate compute look see recommend "
        "filter analyze analyse inspect info status fetch load "
    ),
}
_BY_WORD: Final = {
    word: capability
    for capability, words in reversed(list(_VERBS.items()))
    for word in words.split()
}
_READING_FIRST: Final = frozenset(_VERBS[Capability.READ].split())
_HIGH: Final = frozenset(
    (Capability.SEND, Capability.SPEND, Capability.DELETE, Capability.EXECUTE, Capability.ACCESS)
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ADDRESS_PARAMETERS: Final = frozenset(
    ("url", "uri", "link", "href", "address", "endpoint", "webpage")
)


def infer(
    tool: str, description: str = "", schema: Mapping[str, object] | None = None
) -> ToolProfile:
    """Tell what a tool can do from its definition.

    Args:
        tool: Its name, in any casing: ``send_email``, ``sendEmail``, ``payments.refund``.
        description: What it says of itself. Asked only when the name holds no verb: a poisoned
            description must not make a tool look harmless.
        schema: Its parameters as JSON Schema.
    """
    words = [word.lower() for word in _WORD.findall(tool)]
    verbs = [word for word in words if word in _BY_WORD]
    capabilities: set[Capability] = set()
    evidence = "unknown"
    if verbs:
        evidence = f"name: {verbs[0]}"
        # `get_payment_status` reads; `delete_and_get` deletes: the first verb leads, and nouns
        # that double as verbs count only when nothing that reads stands before them.
        if verbs[0] in _READING_FIRST:
            capabilities.add(Capability.READ)
        else:
            capabilities.update(_BY_WORD[verb] for verb in verbs)
    elif description:
        said = [word.lower() for word in _WORD.findall(_first_sentence(description))]
        told = [_stem(word) for word in said if _stem(word) in _BY_WORD]
        if told:
            evidence = f"description: {told[0]}"
            capabilities.add(_BY_WORD[told[0]])
    if Capability.READ in capabilities and _takes_address(words, schema):
        capabilities.add(Capability.FETCH)
    if capabilities > {Capability.READ}:
        capabilities.discard(Capability.READ)
    return ToolProfile(tool, frozenset(capabilities), risk_of(capabilities), evidence)


def declared(tool: str, capabilities: frozenset[Capability]) -> ToolProfile:
    """The profile of a tool whose capabilities the user states."""
    return ToolProfile(tool, capabilities, risk_of(capabilities), "declared")


def risk_of(capabilities: set[Capability] | frozenset[Capability]) -> Risk:
    """The risk that follows from what a tool can do."""
    if not _HIGH.isdisjoint(capabilities):
        return Risk.HIGH
    return Risk.LOW if capabilities == {Capability.READ} else Risk.MEDIUM


def _first_sentence(description: str) -> str:
    return re.split(r"[.\n]", description.strip(), maxsplit=1)[0][:200]


def _stem(word: str) -> str:
    if word in _BY_WORD:
        return word
    for ending in ("es", "s", "ing", "ed"):
        stem = word.removesuffix(ending)
        for candidate in (stem, stem + "e"):
            if stem != word and candidate in _BY_WORD:
                return candidate
    return word


def _takes_address(words: list[str], schema: Mapping[str, object] | None) -> bool:
    if not _ADDRESS_PARAMETERS.isdisjoint(words):
        return True
    properties = schema.get("properties") if schema else None
    names = properties if isinstance(properties, Mapping) else schema or {}
    return any(str(name).lower() in _ADDRESS_PARAMETERS - {"address"} for name in names)
