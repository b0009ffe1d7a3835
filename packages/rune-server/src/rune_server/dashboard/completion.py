"""What the policy editor completes: keys and values, out of core's own schema."""

from __future__ import annotations

from functools import cache
from typing import Any

from rune_core.policy.schema import json_schema

Keys = list[tuple[str, str, list[str]]]


@cache
def completions() -> dict[str, Keys]:
    """Per part of a policy (empty for the top, ``rules``, ``exceptions``): key, text, values."""
    schema = json_schema()
    return {
        "": _keys(schema),
        "rules": _keys(schema["$defs"]["rule"]),
        "exceptions": _keys(schema["$defs"]["exception"]),
    }


def _keys(table: dict[str, Any]) -> Keys:
    return [
        (name, one.get("description", ""), _values(one))
        for name, one in table["properties"].items()
        if "older spelling" not in one.get("description", "")
    ]


def _values(one: dict[str, Any]) -> list[str]:
    if "enum" in one:
        return [str(value) for value in one["enum"] if isinstance(value, str)]
    for part in one.get("anyOf", ()):
        if "enum" in part:
            return _values(part)
    return []
