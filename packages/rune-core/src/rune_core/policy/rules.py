"""Read the rules of a policy file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_core.action import Action
from rune_core.policy.call_rules import CallRuleReader
from rune_core.policy.model import (
    ALL_SURFACES,
    DEFAULT_ACT_THRESHOLD,
    DEFAULT_FLAG_THRESHOLD,
    EVERYBODY,
    TOOL_SURFACES,
    AllowlistMatch,
    Asking,
    Audience,
    DataProtectionMatch,
    DenylistMatch,
    Extent,
    Match,
    Mode,
    Remember,
    Rule,
    ScannerMatch,
)
from rune_core.policy.names import (
    ACTION_ALIASES,
    LATER_KINDS,
    label_of,
    looks_like_regex,
    pattern_problems,
    threats_named,
)
from rune_core.policy.reader import meant
from rune_core.policy.source import Node, Scalar, Table
from rune_scanner.finding import Severity, Threat

if TYPE_CHECKING:
    from rune_core.errors import PolicyError

COMMON_KEYS = frozenset(
    (
        "name",
        "type",
        "scanner",
        "action",
        "severity",
        "surface",
        "surfaces",
        "direction",
        "mode",
        "tools",
        "agents",
        "tags",
        "extent",
        "judge",
        "timeout_seconds",
        "remember",
        "remember_seconds",
        "description",
    )
)
KIND_KEYS = {
    "scanner": frozenset(("threshold", "rules", "except_rules")),
    "tool_allowlist": frozenset(("allowed_tools",)),
    "tool_denylist": frozenset(("denied_tools", "blocked_tools")),
    "rate_limit": frozenset(("max_calls", "window_seconds", "per")),
    "data_protection": frozenset(("patterns", "threshold")),
    "tool_call": frozenset(("when",)),
    "budget": frozenset(
        ("max_calls", "max_spend", "spend", "max_repeats", "max_tokens", "window_seconds", "per")
    ),
    "circuit_breaker": frozenset(
        ("max_refused", "max_repeats", "window_seconds", "cooldown_seconds", "per")
    ),
    "sequence": frozenset(("steps", "within_calls", "within_seconds")),
}
_CALL_KINDS = frozenset(
    (
        "tool_allowlist",
        "tool_denylist",
        "rate_limit",
        "tool_call",
        "budget",
        "sequence",
        "circuit_breaker",
    )
)
# Kinds whose tools: say what they count or allow, rather than narrow them.
_OWN_TOOLS = _CALL_KINDS - {"tool_call"}
_ASKING_KEYS = ("timeout_seconds", "remember", "remember_seconds")
DEFAULT_ACTION = {
    "tool_allowlist": Action.BLOCK,
    "tool_denylist": Action.BLOCK,
    "rate_limit": Action.BLOCK,
    "budget": Action.BLOCK,
    "circuit_breaker": Action.BLOCK,
    "data_protection": Action.REDACT,
}


class RuleReader(CallRuleReader):
    """Reads rules. ``mode``, ``agents`` and ``tags`` of the file hold for every rule in it."""

    def __init__(self, path: str, name: str, errors: list[PolicyError]) -> None:
        super().__init__(path, name, errors)
        self._mode = Mode.ENFORCE
        self._within: Audience = EVERYBODY

    def _rule(self, node: Node, key: str) -> Rule | None:
        if not isinstance(node, Table):
            self._fault(node.line, key, "must be a mapping", "- name: …")
            return None
        kind = self._kind(node, key)
        if kind is None:
            return None
        self._unknown_keys(node, key, COMMON_KEYS | KIND_KEYS[kind], of=f"a {kind} rule")
        name = self._text(node, key, "name")
        if not name:
            self._fault(node.line, f"{key}.name", "is missing", "every rule needs a name")
        action, alert = self._action(node, key, kind)
        surfaces = self._surfaces(node, key)
        if kind in _CALL_KINDS:
            if surfaces is not None and not surfaces & TOOL_SURFACES:
                self._fault(
                    node.line, f"{key}.surface", f"a {kind} rule applies to tool_call", "drop it"
                )
            surfaces = TOOL_SURFACES
        match = self._match(node, key, kind, action)
        if match is None:
            return None
        narrowing = () if kind in _OWN_TOOLS else self._texts(node, key, "tools")
        return Rule(
            name=name or key,
            match=match,
            action=action,
            severity=self._choice(node, key, "severity", Severity) or Severity.MEDIUM,
            surfaces=surfaces or ALL_SURFACES,
            mode=self._choice(node, key, "mode", Mode) or self._mode,
            tools=narrowing,
            agents=self._texts(node, key, "agents"),
            tags=self._texts(node, key, "tags"),
            within=self._within,
            extent=self._choice(node, key, "extent", Extent),
            asking=self._asking(node, key, action),
            alert=alert,
            judge=self._flag(node, key, "judge"),
            description=self._text(node, key, "description"),
            policy=self._name,
            path=self._path,
            line=node.line,
        )

    def _rest(self, node: Table, key: str) -> None:
        """Tell what else is wrong with a rule whose kind is not known."""
        self._unknown_keys(node, key, COMMON_KEYS.union(*KIND_KEYS.values()), of="a rule")
        if "action" in node.items:
            self._action(node, key, "scanner")

    def _kind(self, node: Table, key: str) -> str | None:
        kind_node, scanner = node.items.get("type"), node.items.get("scanner")
        if kind_node is None and scanner is None:
            self._fault(
                node.line,
                key,
                "has neither scanner nor type",
                f"scanner: a threat, or type: one of {', '.join(KIND_KEYS)}",
            )
            self._rest(node, key)
            return None
        if kind_node is None:
            named = str(scanner.value) if isinstance(scanner, Scalar) else ""
            if named == "tool_access":
                return "tool_allowlist"
            kind = named if named in LATER_KINDS or named in _CALL_KINDS else "scanner"
        else:
            kind = str(kind_node.value) if isinstance(kind_node, Scalar) else ""
        line = (kind_node or scanner or node).line
        if kind in LATER_KINDS:
            self._fault(
                line,
                f"{key}.{'type' if kind_node else 'scanner'}",
                f"{kind} rules are not supported by this version",
                "remove the rule; left in, it would look like protection that is not there",
            )
            return None
        if kind not in KIND_KEYS:
            self._fault(
                line,
                f"{key}.type",
                f"{kind!r} is not a kind of rule",
                f"{meant(kind, KIND_KEYS)}one of {', '.join(KIND_KEYS)}",
            )
            self._rest(node, key)
            return None
        return kind

    def _match(self, node: Table, key: str, kind: str, action: Action) -> Match | None:
        match kind:
            case "scanner":
                return self._scanner(node, key, action)
            case "tool_allowlist":
                tools = self._tool_list(node, key, ("tools", "allowed_tools"))
                return None if tools is None else AllowlistMatch(tools)
            case "tool_denylist":
                tools = self._tool_list(node, key, ("tools", "denied_tools", "blocked_tools"))
                return None if tools is None else DenylistMatch(tools)
            case "rate_limit":
                return self._rate_limit(node, key)
            case "tool_call":
                return self._tool_call(node, key)
            case "budget":
                return self._budget(node, key)
            case "sequence":
                return self._sequence(node, key)
            case "circuit_breaker":
                return self._circuit_breaker(node, key)
            case _:
                return self._data_protection(node, key, action)

    def _scanner(self, node: Table, key: str, action: Action) -> ScannerMatch | None:
        names = self._texts(node, key, "scanner")
        threats: set[Threat] = set()
        for name in names:
            named = threats_named(name)
            if not named:
                self._fault(
                    node.key_lines["scanner"],
                    f"{key}.scanner",
                    f"{name!r} is not a scanner",
                    f"one of {', '.join(Threat)}, pii, secrets, all",
                )
            threats |= named
        if not names:
            self._fault(node.line, f"{key}.scanner", "is missing", "name a threat")
        threshold = self._threshold(node, key, action)
        if not threats:
            return None
        return ScannerMatch(
            threats=frozenset(threats),
            threshold=threshold,
            detectors=self._texts(node, key, "rules"),
            except_detectors=self._texts(node, key, "except_rules"),
        )

    def _data_protection(self, node: Table, key: str, action: Action) -> DataProtectionMatch | None:
        names: list[str] = []
        threats: set[Threat] = set()
        regexes: list[tuple[str, str]] = []
        slug = "".join(c if c.isalnum() else "-" for c in self._text(node, key, "name").lower())
        for index, item in enumerate(self._list(node, key, "patterns", single=True)):
            where = f"{key}.patterns[{index}]"
            pattern = self._pattern_text(item, where)
            if pattern is None:
                continue
            text, is_regex, label = pattern
            if not is_regex:
                named = threats_named(text)
                threats |= named
                if not named:
                    known_as = label_of(text)
                    names += [text] if known_as is None else [text, known_as]
                continue
            problems = pattern_problems(text)
            for problem in problems:
                self._fault(item.line, where, problem)
            if not problems:
                regexes.append((f"policy-{slug}-{label or index + 1}", text))
        if "patterns" not in node.items:
            self._fault(node.line, f"{key}.patterns", "is missing", "list names or regexes")
            return None
        return DataProtectionMatch(
            names=tuple(names),
            threats=frozenset(threats),
            regexes=tuple(regexes),
            threshold=self._threshold(node, key, action),
        )

    def _pattern_text(self, item: Node, where: str) -> tuple[str, bool, str] | None:
        """The text of one pattern, whether it is a regex, and the name its author gave it."""
        if isinstance(item, Scalar) and isinstance(item.value, str) and item.value:
            return item.value, looks_like_regex(item.value), ""
        if isinstance(item, Table):
            self._unknown_keys(item, where, frozenset(("regex", "name")), of="a pattern")
            regex = self._text(item, where, "regex")
            if regex:
                return regex, True, self._text(item, where, "name")
        self._fault(item.line, where, "must be a name or a regex", 'email, or {regex: "…"}')
        return None

    def _asking(self, node: Table, key: str, action: Action) -> Asking:
        given = [name for name in _ASKING_KEYS if name in node.items]
        if given and action is not Action.ASK:
            self._fault(
                node.key_lines[given[0]],
                f"{key}.{given[0]}",
                "belongs to a rule that asks",
                "action: ask",
            )
        if "remember_seconds" in given and "remember" not in given:
            self._fault(
                node.key_lines["remember_seconds"],
                f"{key}.remember",
                "is missing beside remember_seconds",
                "remember: call",
            )
        return Asking(
            timeout_seconds=self._positive(node, key, "timeout_seconds"),
            remember=self._choice(node, key, "remember", Remember),
            remember_seconds=self._positive(node, key, "remember_seconds"),
        )

    def _threshold(self, node: Table, key: str, action: Action) -> float:
        given = self._number(node, key, "threshold")
        if given is None:
            mild = action.rank <= Action.FLAG.rank
            return DEFAULT_FLAG_THRESHOLD if mild else DEFAULT_ACT_THRESHOLD
        if not 0 < given <= 1:
            self._fault(
                node.key_lines["threshold"],
                f"{key}.threshold",
                "must be above 0 and at most 1",
                "0.75 is a strong suspicion, 0.9 practically certain",
            )
        return given

    def _action(self, node: Table, key: str, kind: str) -> tuple[Action, bool]:
        text = self._text(node, key, "action")
        if "action" not in node.items and kind in DEFAULT_ACTION:
            return DEFAULT_ACTION[kind], False
        if not text:
            self._fault(node.line, f"{key}.action", "is missing", f"one of {', '.join(Action)}")
            return Action.FLAG, False
        alias = ACTION_ALIASES.get(text)
        if alias is not None:
            return alias, text == "alert"
        try:
            return Action(text), False
        except ValueError:
            self._fault(
                node.key_lines["action"],
                f"{key}.action",
                f"{text!r} is unknown",
                f"one of {', '.join((*Action, *ACTION_ALIASES))}",
            )
            return Action.FLAG, False
