"""What an adapter asks of the shield, and what it hears back.

Everything that walks through messages, tools, documents and streams is a generator that yields a
``Check`` (sent back a ``Ruling``) or a ``Feed`` (sent back the text that may be shown).
``AdapterGuard`` carries them out, synchronously or not, so that no walk is written twice.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from rune_core.gate import StreamGate
    from rune_core.result import ScanResult
    from rune_scanner.finding import Surface

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Check:
    """One text or value that may not pass unseen. Answered with a ``Ruling``.

    Attributes:
        surface: Where it was met.
        value: A text, or a value with texts in it; for a tool call, its arguments.
        tool: The tool that is called, defined or that answered.
        definition_hash: Stands for the definition of ``tool``, so that drift shows.
        remember: True for texts of a conversation, which come by again with every model call: a
            text that was ruled on under the policy in force is not ruled on again.
        planned: True for a call that stands in a model's answer. An adapter may let the guarded
            tool that is about to make it go by this ruling.
        call_id: The id of the call, where the framework gives one.
        approved: True for a call that a person approved of in the framework's own way, where an
            adapter puts the policy's questions there.
    """

    surface: Surface
    value: Any = field(repr=False)
    tool: str | None = None
    definition_hash: str | None = None
    remember: bool = False
    planned: bool = False
    call_id: str | None = None
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """What to do about a ``Check``.

    Attributes:
        value: What to use: the value itself, the value with parts cut out, or, when it is stopped,
            a short neutral message.
        result: What the shield said; None for a text that was found clean before.
        stopped: True when it may not pass.
        changed: True when ``value`` is not the value that was checked.
    """

    value: Any = field(repr=False)
    result: ScanResult | None
    stopped: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Feed:
    """A piece for a stream gate. Answered with the text that may be shown.

    Attributes:
        gate: Holds the stream's text back.
        delta: The piece; None for the end of the text.
    """

    gate: StreamGate
    delta: str | None = field(repr=False)


Walk: TypeAlias = Generator["Check | Feed", Any, _T]


class Stopped(Exception):  # noqa: N818 - ends a walk, never reaches a user
    """Ends a walk: what it walks through may not pass at all.

    Attributes:
        result: What the shield said.
        neutral: A short message to use in its place.
    """

    def __init__(self, result: ScanResult, neutral: str) -> None:
        super().__init__(result.explanation)
        self.result = result
        self.neutral = neutral


def must_pass(check: Check) -> Walk[Any]:
    """The value to use.

    Raises:
        Stopped: There is none.
    """
    ruling: Ruling = yield check
    if ruling.stopped:
        assert ruling.result is not None
        raise Stopped(ruling.result, ruling.value)
    return ruling.value


def each(walks: Iterable[Walk[_T]]) -> Walk[list[_T]]:
    """Go through walks one after the other."""
    done: list[_T] = []
    for walk in walks:
        done.append((yield from walk))  # noqa: PERF401 - a comprehension cannot yield
    return done


def as_it_is(value: _T) -> Walk[_T]:
    """A walk through what needs no check."""
    yield from ()
    return value


def same(before: Iterable[Any], after: Iterable[Any]) -> bool:
    """Whether two sequences of one length hold the very same objects."""
    return all(old is new for old, new in zip(before, after, strict=True))


def has_text(value: Any) -> bool:
    """Whether there is a text anywhere in a plain value."""
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, dict):
        return any(map(has_text, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(has_text, value))
    return not (value is None or isinstance(value, bool | int | float))
