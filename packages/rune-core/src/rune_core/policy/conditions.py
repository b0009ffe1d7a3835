"""Conditions of ``tool_call`` rules: CEL, checked when a policy loads, evaluated in microseconds.

What a condition may name:

==================  ==========  ==================================================================
name                type        what it is
==================  ==========  ==================================================================
``tool``            string      the tool's name
``risk``            string      ``low``, ``medium`` or ``high``
``capabilities``    list        ``read``, ``fetch``, ``write``, ``send``, ``spend``, ``delete``, …
``args``            map         by argument: ``args.to.value`` and ``args.to.origins``
``origins``         list        the origins of all arguments; each has ``kind``, ``tool``, ``part``,
                                ``instruction`` (0 to 1) and ``asked``
``hijacked``        bool        the call shows the marks of being wanted by a text, not the user
``asked_by_user``   bool        the user's words ask for this kind of call
``asked_by_text``   bool        a text the agent read asks for this kind of call
``delegated``       bool        the user told the agent to do what some text says
``instruction``     double      how much the places the arguments came from read as instructions
``findings``        list        what was found in the call: ``rule``, ``threat``, ``confidence``
``session``         map         counts before the call: ``calls``, ``same_tool``, ``refused``,
                                ``untrusted``, ``flagged`` and ``tokens``
``agent``           string      the agent's id; "" when unnamed
``tags``            list        the agent's tags
==================  ==========  ==================================================================

The binding is Google's own implementation of CEL: names and types are checked at load.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from rune_core.policy.plain import Failed, Unsure, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_core.session.call import CallFacts
    from rune_core.tool_risk import Capability
    from rune_scanner.finding import Finding

MAX_LENGTH: Final = 4_000
_NAMES: Final = {
    "tool": "text",
    "risk": "text",
    "capabilities": "texts",
    "args": "map",
    "origins": "list",
    "hijacked": "bool",
    "asked_by_user": "bool",
    "asked_by_text": "bool",
    "delegated": "bool",
    "instruction": "number",
    "findings": "list",
    "session": "map",
    "agent": "text",
    "tags": "texts",
}
CONDITION_TYPES: Final[Mapping[str, str]] = MappingProxyType(_NAMES)
"""What a condition may name, and its type: text, texts, bool, number, list or map."""
CONDITION_NAMES: Final = ", ".join(_NAMES)
"""The names, for error messages."""
_MAX_DEPTH: Final = 16
_MOST_TOGETHER: Final = 32
_WORD: Final = re.compile(r"[a-z_]+")
_POSITION: Final = re.compile(r"<input>:\d+:(\d+): ([^\n]*)")


class ConditionError(ValueError):
    """A condition that cannot be used.

    Attributes:
        column: 1-based column in the condition; 0 when it is the whole.
        message: What is wrong.
    """

    def __init__(self, message: str, column: int = 0) -> None:
        self.message = message
        self.column = column
        super().__init__(f"column {column}: {message}" if column else message)


class Condition:
    """One compiled condition. Safe to share by threads.

    Args:
        source: The expression; it must give a bool.

    Raises:
        ConditionError: It does not parse, names something unknown, mixes types, or gives
            something else than a bool.
    """

    __slots__ = ("_expression", "names", "plain", "source")

    def __init__(self, source: str) -> None:
        if len(source) > MAX_LENGTH:
            raise ConditionError(f"is longer than {MAX_LENGTH} characters")
        self.source = source
        # A word in a quoted string may add a name that is not read; that costs time, no more.
        self.names = frozenset(_WORD.findall(source)) & _NAMES.keys()
        try:
            self._expression = _environment().compile(source)
        except RuntimeError as error:
            raise _explained(str(error)) from None
        kind = self._expression.return_type().name()
        if kind not in ("BOOL", "bool", "DYN", "dyn"):
            raise ConditionError(f"gives {kind.lower()}, not true or false")
        self.plain = plain(source, _NAMES.keys())

    def holds(self, activation: Activation) -> bool:
        """Whether it is true of a call.

        Raises:
            ConditionError: It cannot be told, as when it names an argument the call lacks. The
                message holds no content.
        """
        if self.plain is not None and activation.is_whole:
            found = self.plain(activation)
            if found is Failed:
                raise ConditionError("cannot be evaluated on this call")
            if found is not Unsure:
                return bool(found)
        return self.asked(activation)

    def answer(self, activation: Activation) -> object:
        """What the engine answers: a value, or a text that says what is wrong.

        Either may hold content: it must not leave the process.
        """
        return self._expression.eval(activation.compiled(self.names)).value()

    def asked(self, activation: Activation) -> bool:
        """The same as :meth:`holds`, as the engine sees it."""
        value = self.answer(activation)
        if value is True or value is False:
            return bool(value)
        # The binding's message may quote argument names or values: neither leaves from here.
        raise ConditionError("cannot be evaluated on this call")


class ConditionBatch:
    """Several conditions held against a call in one go.

    What is plain is told here; for the engine, most of the cost is in going there, so it is asked
    about all others together.

    Args:
        conditions: The conditions.
    """

    __slots__ = ("_conditions", "_parts")

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = tuple(conditions)
        others = [condition for condition in conditions if condition.plain is None]
        self._parts = tuple(
            _Together(others[start : start + _MOST_TOGETHER])
            for start in range(0, len(others), _MOST_TOGETHER)
        )

    def hold(self, activation: Activation) -> list[bool | None]:
        """Of each condition whether it is true of the call; None where it cannot be told."""
        if not activation.is_whole:
            return [_told(condition, activation) for condition in self._conditions]
        others = iter([told for part in self._parts for told in part.hold(activation)])
        return [
            next(others)
            if condition.plain is None
            else _engine_told(condition, activation)
            if (found := condition.plain(activation)) is Unsure
            else None
            if found is Failed
            else found
            for condition in self._conditions
        ]


class _Together:
    """So many conditions that one number holds a bit for each."""

    __slots__ = ("_conditions", "_expression", "_names")

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = tuple(conditions)
        self._names = frozenset().union(*(condition.names for condition in conditions))
        # A number is handed back at once; a list costs as much again as the conditions.
        source = " + ".join(
            f"(({condition.source}\n) ? {1 << bit} : 0)" for bit, condition in enumerate(conditions)
        )
        self._expression: Any = None
        # Together they may be more than the engine takes; then each goes by itself.
        with suppress(RuntimeError):
            self._expression = _environment().compile(source)

    def hold(self, activation: Activation) -> list[bool | None]:
        if self._expression is not None:
            bits = self._expression.eval(activation.compiled(self._names)).value()
            # One that cannot be told makes the whole an error.
            if type(bits) is int:
                if not bits:
                    return [False] * len(self._conditions)
                return [bits >> bit & 1 == 1 for bit in range(len(self._conditions))]
        return [_told(condition, activation) for condition in self._conditions]


def _told(condition: Condition, activation: Activation) -> bool | None:
    try:
        return condition.holds(activation)
    except ConditionError:
        return None


def _engine_told(condition: Condition, activation: Activation) -> bool | None:
    try:
        return condition.asked(activation)
    except ConditionError:
        return None


class Activation:
    """The values that conditions see for one call; built once, whatever the number of rules.

    Args:
        facts: What is known about the call.
        arguments: The call's arguments by name.
        findings: What was found in them.
        agent_id: The agent.
        tags: The agent's tags.
    """

    is_whole = True
    """Whether every value is known."""

    __slots__ = (
        "_agent",
        "_arguments",
        "_by_argument",
        "_by_name",
        "_compiled",
        "_data",
        "_facts",
        "_findings",
        "_tags",
    )

    def __init__(
        self,
        facts: CallFacts,
        arguments: Mapping[str, object],
        findings: Sequence[Finding] = (),
        agent_id: str | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        self._facts = facts
        self._arguments = arguments
        self._findings = findings
        self._agent = agent_id
        self._tags = tags
        self._data: dict[str, object] = {}
        self._by_argument: dict[str, list[dict[str, object]]] | None = None
        self._by_name: dict[str, dict[str, object]] = {}
        self._compiled: Any = None

    def compiled(self, names: frozenset[str]) -> Any:
        """The values in the form the engine reads; those not asked for so far may be left out.

        Handing values to the engine costs more than most conditions do, so only those that some
        condition reads are handed over.
        """
        if self._compiled is None or not names <= self._data.keys():
            for name in names:
                self.read(name)
            self._compiled = _environment().Activation(self._data)
        return self._compiled

    def read(self, name: str) -> object:
        """:meth:`value`, kept for the next who asks."""
        if name not in self._data:
            self._data[name] = self.value(name)
        return self._data[name]

    def argument(self, name: str) -> object:
        """What ``args`` holds under ``name``; None if it holds nothing."""
        known = self._by_name.get(name)
        if known is None:
            if name in self._arguments:
                known = {
                    "value": _plain(self._arguments[name]),
                    "origins": self._origins().get(name, []),
                }
            else:
                # Keys that are no texts, or that are written differently, are texts to a condition.
                all_of_them: Any = self.read("args")
                if name not in all_of_them:
                    return None
                known = all_of_them[name]
            self._by_name[name] = known
        return known

    def value(self, name: str) -> object:
        """What a condition reads under ``name``, one of :data:`CONDITION_NAMES`."""
        facts = self._facts
        match name:
            case "tool":
                return _text(facts.profile.tool)
            case "risk":
                return facts.profile.risk.value
            case "capabilities":
                return _capabilities(facts.profile.capabilities)
            case "args":
                origins = self._origins()
                return {
                    _text(name): {"value": _plain(value), "origins": origins.get(str(name), [])}
                    for name, value in self._arguments.items()
                }
            case "origins":
                return [origin for origins in self._origins().values() for origin in origins]
            case "findings":
                return [
                    {
                        "rule": finding.rule_id,
                        "threat": finding.threat.value,
                        "confidence": finding.confidence,
                    }
                    for finding in self._findings
                ]
            case "agent":
                return _text(self._agent or "")
            case "tags":
                return sorted(map(_text, self._tags))
            case _:
                # The rest are facts by their own names.
                value: object = getattr(facts, name)
                return value

    def _origins(self) -> dict[str, list[dict[str, object]]]:
        if self._by_argument is None:
            self._by_argument = {}
            for traced in self._facts.traced:
                name = traced.path.partition(".")[0].partition("[")[0]
                self._by_argument.setdefault(name, []).extend(
                    {
                        "kind": origin.kind.value,
                        "tool": _text(origin.tool or ""),
                        "part": origin.part.value if origin.part else "",
                        "instruction": origin.instruction,
                        "asked": origin.asked,
                    }
                    for origin in traced.origins
                )
        return self._by_argument


class PartialActivation(Activation):
    """The values that conditions see when only some are known, as from an event's metadata.

    A condition that depends on another value cannot be evaluated: ``holds`` raises. One that is
    true or false whatever the others are is.

    Args:
        known: Values by name, of the types in the table above.
    """

    is_whole = False

    __slots__ = ("_known",)

    def __init__(self, known: Mapping[str, object]) -> None:
        self._known = known
        self._compiled = None

    def compiled(self, names: frozenset[str]) -> Any:
        del names
        if self._compiled is None:
            self._compiled = _environment().Activation(dict(self._known))
        return self._compiled

    def value(self, name: str) -> object:
        return self._known[name]


def _plain(value: object, depth: int = 0) -> object:
    """``value`` with nothing in it that CEL has no type for."""
    if type(value) is str:
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        # CEL's int has 64 bits; what does not fit is compared as a double.
        return int(value) if -(2**63) <= value < 2**63 else float(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else 0.0
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {_text(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    return _text(value)


def _text(value: object) -> str:
    # The binding takes UTF-8, and ends a string at NUL.
    text = str(value)
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


@lru_cache(maxsize=256)
def _capabilities(capabilities: frozenset[Capability]) -> list[str]:
    return sorted(capability.value for capability in capabilities)


@cache
def _environment() -> Any:
    # Imported here: the engine is 50 MB, and only policies with conditions need it.
    from cel_expr_python import cel

    kinds = cel.Type
    types = {
        "text": kinds.STRING,
        "bool": kinds.BOOL,
        "number": kinds.DOUBLE,
        "texts": kinds.List(kinds.STRING),
        "list": kinds.List(kinds.DYN),
        "map": kinds.Map(kinds.STRING, kinds.DYN),
    }
    return cel.NewEnv(variables={name: types[kind] for name, kind in _NAMES.items()})


def _explained(raw: str) -> ConditionError:
    found = _POSITION.search(raw)
    if found is None:
        return ConditionError("is not a condition")
    message = re.sub(r" \(in container '[^']*'\)", "", found[2])
    return ConditionError(message, int(found[1]))
