"""Where each value in a tool call came from, found by matching it against what was really seen.

Nobody labels anything by hand. A value that the user typed is the user's, wherever else it
stands. One that stands only in a tool's result is untrusted, and the origin says which tool,
which span, how much that span reads as an instruction, and whether it asks for this very call.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rune_core.session.distinctive import (
    Part,
    PartKind,
    is_distinctive_number,
    number_key,
    parts_of,
    squash,
)
from rune_core.session.sources import Trust
from rune_scanner.finding import Threat
from rune_scanner.views import build_views

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.session.shelf import Sighting
    from rune_core.session.sources import Sources
    from rune_scanner.finding import Span

MAX_LEAVES: Final = 256
"""Leaves of one call that are traced; what lies beyond counts as ``untrusted``."""

_INSTRUCTING: Final = frozenset(
    (
        Threat.PROMPT_INJECTION,
        Threat.JAILBREAK,
        Threat.TOOL_MANIPULATION,
        Threat.PRIVILEGE_ESCALATION,
        Threat.SYSTEM_PROMPT_LEAK,
        Threat.DATA_EXFILTRATION,
    )
)
MODEL_PREFIX: Final = "l2-"
"""How the ids of what layer 2's model found begin."""
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_-]{12,4000}={0,2}")
_MAX_DECODED: Final = 16


class OriginKind(StrEnum):
    """Who a value came from."""

    USER = "user"
    SYSTEM = "system"
    UNTRUSTED = "untrusted"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Origin:
    """One place a value, or a distinctive part of it, came from.

    Attributes:
        kind: Who it came from. ``model`` means that nobody is known to have said it.
        tool: For untrusted: the tool (or other source) whose text held it; None if not known.
        source_id: For untrusted: the number of that text in the session; 0 if not known.
        span: For untrusted: where in that text.
        part: What kind of part was recognised; None for the value as a whole.
        instruction: How much that place reads as an instruction to the agent, 0 to 1: the
            highest confidence of a finding whose paragraph holds it.
        asked: Whether the sentence it stands in asks for a call of this tool.
    """

    kind: OriginKind
    tool: str | None = None
    source_id: int = 0
    span: Span | None = None
    part: PartKind | None = None
    instruction: float = 0.0
    asked: bool = False


_USER: Final = Origin(OriginKind.USER)
_SYSTEM: Final = Origin(OriginKind.SYSTEM)
_MODEL: Final = Origin(OriginKind.MODEL)
_UNKNOWN: Final = Origin(OriginKind.UNTRUSTED)


@dataclass(frozen=True, slots=True)
class TracedValue:
    """One leaf of a call's arguments and where it came from.

    Attributes:
        path: Where it stands: ``recipients[0].address``.
        origins: Where it came from, untrusted ones first; never empty.
    """

    path: str
    origins: tuple[Origin, ...]

    @property
    def untrusted(self) -> tuple[Origin, ...]:
        """The untrusted origins."""
        return tuple(origin for origin in self.origins if origin.kind is OriginKind.UNTRUSTED)


def trace_call(
    tool: str, arguments: Mapping[str, object], sources: Sources
) -> tuple[TracedValue, ...]:
    """Trace every leaf of a call's arguments.

    Args:
        tool: The tool's name; its words say what a sentence would have to ask for.
        arguments: The call's arguments, nested as they come.
        sources: What the session has read.

    Returns:
        One entry per leaf, in the arguments' order, at most :data:`MAX_LEAVES`; should there be
        more, one last entry with the path ``…`` stands for the rest and is ``untrusted``.
    """
    traced: list[TracedValue] = []
    expected = _is_expected(tool, sources)
    for path, value in leaves(arguments):
        if len(traced) == MAX_LEAVES:
            traced.append(TracedValue("…", (_UNKNOWN,)))
            break
        traced.append(TracedValue(path, trace_value(value, sources, tool, expected=expected)))
    return tuple(traced)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The scalar values inside ``value`` with their paths. Keys are not values."""
    stack: list[tuple[str, object]] = [(path, value)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend(
                (f"{path}.{key}" if path else str(key), item)
                for key, item in reversed(list(value.items()))
            )
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            stack.extend(
                (f"{path}[{index}]", item) for index, item in reversed(list(enumerate(value)))
            )
        else:
            yield path, value


def _is_expected(tool: str, sources: Sources) -> bool:
    """Whether the user asked for this kind of call, or told the agent to do what a text says."""
    return sources.user_delegates() or (bool(tool) and sources.user_asks_for(tool))


def trace_value(
    value: object, sources: Sources, tool: str = "", *, expected: bool = False
) -> tuple[Origin, ...]:
    """Where one scalar came from.

    Args:
        value: A string, number, bytes, boolean or None.
        sources: What the session has read.
        tool: The tool it is passed to, for ``Origin.asked``.
        expected: Whether the user's words led to expect such a call. Then it is no sign that layer
            2 finds orders in the text that it came from.
    """
    if value is None or isinstance(value, bool):
        return (_MODEL,)
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("utf-8", "replace")
    if isinstance(value, int | float):
        return _trace_number(
            format(value, "f") if isinstance(value, float) else str(value), sources, tool, expected
        )
    text = str(value)
    whole = squash(text)
    if not whole:
        return (_MODEL,)
    if sources.find_text(whole, Trust.USER):
        return (_USER,)
    origins: dict[tuple[OriginKind, int], Origin] = {}
    unknown = False
    for part in _parts_of_all_readings(text):
        origin = _trace_part(part, sources, tool, expected)
        if origin is None:
            # A phrase the model worded itself proves nothing about where its parts came from.
            unknown |= part.kind is not PartKind.PHRASE
            continue
        key = (origin.kind, origin.source_id)
        best = origins.get(key)
        if best is None or (origin.instruction, origin.asked) > (best.instruction, best.asked):
            origins[key] = origin
    if unknown and sources.evicted:
        origins.setdefault((OriginKind.UNTRUSTED, 0), _UNKNOWN)
    if not origins:
        return (_MODEL,)
    return tuple(
        sorted(origins.values(), key=lambda o: (o.kind is not OriginKind.UNTRUSTED, o.source_id))
    )


def _parts_of_all_readings(text: str) -> list[Part]:
    parts = dict.fromkeys(parts_of(text))
    for view in build_views(text).views[1:]:
        # An encoded value is traced by what it decodes to.
        parts.update(dict.fromkeys(parts_of(view.text)))
    for run in _ENCODED.findall(text)[:_MAX_DECODED]:
        # Views keep only what decodes to prose; an account number or address decodes to none.
        for decoded in _decodings(run):
            parts.update(dict.fromkeys(parts_of(decoded)))
    return list(parts)


def _decodings(run: str) -> Iterator[str]:
    for decode in (bytes.fromhex, _from_base64):
        try:
            data = decode(run)
        except ValueError:
            continue
        if data.isascii() and (decoded := data.decode()).isprintable():
            yield decoded


def _from_base64(run: str) -> bytes:
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _trace_number(text: str, sources: Sources, tool: str, expected: bool) -> tuple[Origin, ...]:
    key = number_key(text)
    if not key:
        return (_MODEL,)
    if sources.find_number(key, Trust.USER):
        return (_USER,)
    if not is_distinctive_number(key):
        return (_MODEL,)
    kind = PartKind.IDENTIFIER if len(key) >= 6 and "." not in key else PartKind.NUMBER
    for part in dict.fromkeys((Part(PartKind.NUMBER, key), Part(kind, key))):
        origin = _trace_part(part, sources, tool, expected)
        if origin is not None:
            return (origin,)
    return (_UNKNOWN,) if sources.evicted else (_MODEL,)


def _trace_part(part: Part, sources: Sources, tool: str, expected: bool) -> Origin | None:
    # The user's own words come first: what the user typed is never laid at a tool's door.
    if sources.find(part, Trust.USER):
        return _USER
    if sources.find(part, Trust.SYSTEM):
        return _SYSTEM
    sighting = sources.find(part, Trust.UNTRUSTED)
    if sighting is None:
        return None
    return Origin(
        kind=OriginKind.UNTRUSTED,
        tool=sighting.source.tool,
        source_id=sighting.source.id,
        span=sighting.span,
        part=part.kind,
        instruction=_instruction_at(sighting, expected=expected),
        asked=bool(tool) and sources.text_asks_for(tool, sighting),
    )


def _instruction_at(sighting: Sighting, *, expected: bool) -> float:
    # The model tells texts that ask for something. Bills and colleagues do so too, and where the
    # user asked for the very kind of call, that says little; the wording of attacks still counts.
    return max(
        (
            finding.confidence
            for finding in sighting.source.findings
            if finding.threat in _INSTRUCTING
            and not (expected and finding.rule_id.startswith(MODEL_PREFIX))
            and finding.span.start < sighting.span.end
            and finding.span.end > sighting.span.start
        ),
        default=0.0,
    )
