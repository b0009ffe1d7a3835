"""The JSON Schema of policy files, for editors, made from what the loader reads.

    python -m rune_core.policy.schema > spec/policy.v1.json

The loader is stricter: it also checks conditions, patterns and names across files.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from rune_core.action import Action
from rune_core.context import TOOL_RISKS
from rune_core.policy.call_rules import (
    MAX_RATE_CALLS,
    MAX_SPEND,
    MAX_STEPS,
    MAX_TOKENS,
    SCOPES,
)
from rune_core.policy.conditions import CONDITION_NAMES, MAX_LENGTH
from rune_core.policy.load import EXEMPTION_KEYS, FAIL_KEYS, TOP_KEYS, VERSION
from rune_core.policy.model import Extent, Mode, Remember
from rune_core.policy.names import ACTION_ALIASES, DIRECTIONS, THREAT_ALIASES
from rune_core.policy.rules import COMMON_KEYS, DEFAULT_ACTION, KIND_KEYS
from rune_core.tool_risk import Capability
from rune_scanner.finding import Severity, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA_ID: Final = "https://json-schema.org/draft/2020-12/schema"


def _some(items: dict[str, Any]) -> dict[str, Any]:
    """One, or a list."""
    return {"anyOf": [items, {"type": "array", "items": items}]}


def _one_of(values: Iterable[str]) -> dict[str, Any]:
    return {"enum": sorted(map(str, values))}


def _count(least: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": MAX_RATE_CALLS}


_TEXT: Final = {"type": "string"}
_NAME: Final = {"type": "string", "minLength": 1}
_TEXTS: Final = _some(_NAME)
_SHARE: Final = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_SECONDS: Final = {"type": "number", "exclusiveMinimum": 0}
_SURFACES: Final = _some(_one_of((*Surface, "all")))
_WHEN: Final = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}

_KEYS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "name": (_NAME, "Unique; what results and events say."),
    "description": (_TEXT, "For people; the reason given where a condition or count decides."),
    "type": (_one_of(KIND_KEYS), "What kind of rule it is."),
    "scanner": (
        _some(
            _one_of({*Threat, *THREAT_ALIASES, *KIND_KEYS, "all", "*", "tool_access"} - {"scanner"})
        ),
        "The threats it looks at.",
    ),
    "action": (_one_of((*Action, *ACTION_ALIASES)), "What it asks for; the strictest match wins."),
    "severity": (_one_of(Severity), "How bad a match is."),
    "surface": (_SURFACES, "Where it applies; everywhere when absent."),
    "surfaces": (_SURFACES, "The same as surface."),
    "direction": (_some(_one_of(DIRECTIONS)), "An older spelling of surface."),
    "mode": (_one_of(Mode), "monitor records and does not act."),
    "tools": (_TEXTS, "Globs of tool names."),
    "allowed_tools": (_TEXTS, "An older spelling of tools."),
    "denied_tools": (_TEXTS, "An older spelling of tools."),
    "blocked_tools": (_TEXTS, "An older spelling of tools."),
    "agents": (_TEXTS, "Globs of agent ids it is narrowed to."),
    "tags": (_TEXTS, "The agent must have one of these tags."),
    "extent": (_one_of(Extent), "How far redact cuts around what matched."),
    "judge": ({"type": "boolean"}, "Ask the judge, where one is configured, about a match."),
    "threshold": (_SHARE, "The score to reach."),
    "rules": (_TEXTS, "Globs over detector ids to count."),
    "except_rules": (_TEXTS, "Globs over detector ids not to count."),
    "max_calls": (_count(0), "Calls that may be made."),
    "window_seconds": (_SECONDS, "Length of the sliding window."),
    "per": (_one_of(SCOPES), "Whose calls are counted together."),
    "patterns": (
        _some(
            {
                "anyOf": [
                    _NAME,
                    {
                        "type": "object",
                        "properties": {"regex": _NAME, "name": _TEXT},
                        "required": ["regex"],
                        "additionalProperties": False,
                    },
                ]
            }
        ),
        "Names of data, globs over detector ids, or regular expressions.",
    ),
    "when": (_WHEN, f"A CEL condition. It may name {CONDITION_NAMES}."),
    "max_spend": (
        {"type": "number", "minimum": 0, "maximum": MAX_SPEND},
        "What the calls may spend together.",
    ),
    "spend": (_NAME, "The argument that says what a call spends, such as amount or order.total."),
    "max_tokens": (
        {"type": "integer", "minimum": 0, "maximum": MAX_TOKENS},
        "Tokens that the model may have used before.",
    ),
    "max_refused": (_count(1), "Calls that may be refused before the breaker opens."),
    "cooldown_seconds": (_SECONDS, "How long the breaker stays open."),
    "timeout_seconds": (_SECONDS, "How long a person has to answer."),
    "remember": (_one_of(Remember), "What an approval is remembered for, within its session."),
    "remember_seconds": (_SECONDS, "For how long."),
    "max_repeats": (_count(1), "How often a tool may be called with the same arguments."),
    "steps": (
        {
            "type": "array",
            "minItems": 2,
            "maxItems": MAX_STEPS,
            "items": {
                "type": "object",
                "properties": {"tools": _TEXTS, "when": _WHEN},
                "anyOf": [{"required": ["tools"]}, {"required": ["when"]}],
                "additionalProperties": False,
            },
        },
        "Calls made in this order; the rule matches the last.",
    ),
    "within_calls": (_count(1), "How many calls after the first step the last may come."),
    "within_seconds": (_SECONDS, "How many seconds after the first step the last may come."),
    "version": (
        {"enum": [VERSION, float(VERSION)]},
        "The version of the format.",
    ),
    "defaults": ({"enum": ["on", "off", True, False]}, "off drops the built-in policy."),
    "rule": (_NAME, "Glob over the names of the rules that are lifted."),
    "reason": (_NAME, "Why, for whoever reads it later."),
    "detector": (_TEXTS, "The same as detectors."),
    "detectors": (_TEXTS, "Globs over detector ids that are not counted here."),
    "tool": (_TEXTS, "The same as tools."),
    "until": (
        {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"},
        "Last day on which the exception holds.",
    ),
    "decision": (_TEXT, "The decision it was written for."),
    "layer": (_NAME, "Glob over layer names."),
    "tool_risk": (_some(_one_of(TOOL_RISKS)), "Risks of the tool it is for."),
    "then": ({"enum": ["open", "closed"]}, "Let pass, or block."),
}
_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "scanner": ("scanner",),
    "rate_limit": ("max_calls", "window_seconds"),
    "data_protection": ("patterns",),
    "sequence": ("steps",),
}
_ANY_OF: Final[dict[str, tuple[str, ...]]] = {
    "tool_call": ("tools", "when"),
    "budget": ("max_calls", "max_spend", "max_repeats", "max_tokens"),
    "circuit_breaker": ("max_refused", "max_repeats"),
    "tool_allowlist": ("tools", "allowed_tools"),
    "tool_denylist": ("tools", "denied_tools", "blocked_tools"),
}
_TOGETHER: Final = {
    "max_spend": ["spend", "tools"],
    "spend": ["max_spend", "tools"],
    "remember_seconds": ["remember"],
}


def json_schema() -> dict[str, Any]:
    """The schema of a policy file."""
    fail = _table(FAIL_KEYS, required=("then",))
    return {
        "$schema": SCHEMA_ID,
        "title": "Rune policy",
        "description": "What is done about texts and tool calls. See docs/policies.md.",
        **_table(
            TOP_KEYS,
            required=("version",),
            special={
                "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
                "exceptions": {"type": "array", "items": {"$ref": "#/$defs/exception"}},
                "tool_risk": {
                    "type": "object",
                    "properties": dict.fromkeys(TOOL_RISKS, _TEXTS),
                    "additionalProperties": False,
                    "description": "What a wrong call of a tool can do, by globs of tool names.",
                },
                "tool_capabilities": {
                    "type": "object",
                    "properties": dict.fromkeys(sorted(Capability), _TEXTS),
                    "additionalProperties": False,
                    "description": "What a call of a tool can do, by globs of tool names.",
                },
                "on_error": {
                    "anyOf": [_KEYS["then"][0], {"type": "array", "items": fail}],
                    "description": "What happens where a layer fails.",
                },
            },
        ),
        "$defs": {
            "rule": _rule(),
            "exception": _table(EXEMPTION_KEYS, required=("rule", "reason")),
        },
    }


def _rule() -> dict[str, Any]:
    keys = COMMON_KEYS.union(*KIND_KEYS.values())
    schema = _table(keys, required=("name",))
    schema["anyOf"] = [{"required": ["type"]}, {"required": ["scanner"]}]
    schema["dependentRequired"] = _TOGETHER
    schema["allOf"] = [_kind(kind) for kind in KIND_KEYS]
    return schema


def _kind(kind: str) -> dict[str, Any]:
    known = COMMON_KEYS | KIND_KEYS[kind]
    if kind == "sequence":
        known -= {"tools"}
    required = list(_REQUIRED.get(kind, ()))
    if kind not in DEFAULT_ACTION:
        required.append("action")
    then: dict[str, Any] = {"propertyNames": {"enum": sorted(known)}}
    if required:
        then["required"] = required
    if kind in _ANY_OF:
        then["anyOf"] = [{"required": [name]} for name in _ANY_OF[kind]]
    asked: dict[str, Any] = {"properties": {"type": {"const": kind}}, "required": ["type"]}
    if kind == "scanner":
        # Without type: a rule is a scanner rule, unless scanner: names another kind.
        others = sorted({*KIND_KEYS, "tool_access"} - {kind})
        unnamed = {
            "not": {"required": ["type"]},
            "properties": {"scanner": {"not": {"enum": others}}},
        }
        asked = {"anyOf": [asked, unnamed]}
    return {"if": asked, "then": then}


def _table(
    keys: Iterable[str],
    *,
    required: tuple[str, ...],
    special: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    properties = {}
    for key in sorted(keys):
        if special and key in special:
            properties[key] = special[key]
        else:
            schema, description = _KEYS[key]
            properties[key] = {**schema, "description": description}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
