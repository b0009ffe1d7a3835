"""The JSON Schema for editors is made from the loader and agrees with it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from rune_core.errors import PolicyLoadError
from rune_core.policy.call_rules import STEP_KEYS
from rune_core.policy.load import load_text
from rune_core.policy.schema import json_schema

ROOT = Path(__file__).parents[3]
DOCS = sorted((ROOT / "docs").glob("*.md"))
EXAMPLES = [
    ("default.yaml", ROOT / "packages/rune-core/src/rune_core/policy/default.yaml"),
    *(
        (path.name, path)
        for path in sorted((ROOT / "docs" / "cookbook").glob("*.yaml"))
        if not path.name.endswith(".cases.yaml")
    ),
]
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page.name}:{number}")
    for page in DOCS
    for number, block in enumerate(YAML_BLOCK.findall(page.read_text(encoding="utf-8")))
]
SCHEMA = json_schema()
KEYWORDS = {"$schema", "$defs", "title", "description", "then"}
IS = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return all(holds(word, told, value, schema) for word, told in schema.items())


def holds(word: str, told: Any, value: Any, schema: dict[str, Any]) -> bool:
    """One keyword of JSON Schema, as far as the schema of policies uses them."""
    table = value if isinstance(value, dict) else {}
    match word:
        case "type":
            return IS[told](value)
        case "enum":
            return any(same(value, item) for item in told)
        case "const":
            return same(value, told)
        case "properties":
            return all(fits(table[key], part) for key, part in told.items() if key in table)
        case "additionalProperties":
            assert told is False
            return table.keys() <= schema["properties"].keys()
        case "propertyNames":
            return all(fits(key, told) for key in table)
        case "required":
            return not isinstance(value, dict) or set(told) <= table.keys()
        case "dependentRequired":
            return all(set(keys) <= table.keys() for key, keys in told.items() if key in table)
        case "items":
            return not isinstance(value, list) or all(fits(item, told) for item in value)
        case "anyOf":
            return any(fits(value, part) for part in told)
        case "allOf":
            return all(fits(value, part) for part in told)
        case "not":
            return not fits(value, told)
        case "if":
            return not fits(value, told) or fits(value, schema["then"])
        case "$ref":
            return fits(value, SCHEMA["$defs"][told.removeprefix("#/$defs/")])
        case "minLength" | "minItems":
            return not isinstance(value, str | list) or len(value) >= told
        case "maxLength" | "maxItems":
            return not isinstance(value, str | list) or len(value) <= told
        case "minimum":
            return not IS["number"](value) or value >= told
        case "maximum":
            return not IS["number"](value) or value <= told
        case "exclusiveMinimum":
            return not IS["number"](value) or value > told
        case "pattern":
            return not isinstance(value, str) or re.search(told, value) is not None
        case _:
            assert word in KEYWORDS, word
            return True


def plain(value: Any) -> Any:
    """What an editor sees: dates are text to JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def valid(text: str) -> bool:
    return fits(plain(yaml.safe_load(text)), SCHEMA)


def test_the_schema_in_spec_is_current() -> None:
    """Write it anew with ``python -m rune_core.policy.schema > spec/policy.v1.json``."""
    text = (ROOT / "spec" / "policy.v1.json").read_text(encoding="utf-8")
    assert json.loads(text) == json.loads(json.dumps(json_schema()))


@pytest.mark.parametrize(("name", "path"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_example_policies_validate(name: str, path: Path) -> None:
    assert valid(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("block", BLOCKS)
def test_policies_in_the_documentation_validate(block: str) -> None:
    assert valid(block)


def test_steps_have_the_keys_that_the_loader_reads() -> None:
    steps = json_schema()["$defs"]["rule"]["properties"]["steps"]
    assert steps["items"]["properties"].keys() == STEP_KEYS


@pytest.mark.parametrize(
    "rule",
    [
        "{name: r, scanner: pii}",
        "{name: r, action: block}",
        "{scanner: pii, action: block}",
        "{name: r, scanner: pii, action: blok}",
        "{name: r, scanner: pii, action: block, when: hijacked}",
        "{name: r, scanner: pii, action: block, threshold: 2}",
        "{name: r, type: tool_call, action: ask}",
        "{name: r, type: tool_call, when: hijacked}",
        "{name: r, type: tool_denylist}",
        "{name: r, type: rate_limit, max_calls: 3}",
        "{name: r, type: budget}",
        "{name: r, type: budget, max_spend: 3, tools: [a]}",
        "{name: r, type: budget, max_calls: 1.5}",
        "{name: r, type: sequence, action: ask, steps: [{tools: [a]}]}",
        "{name: r, type: sequence, action: ask, tools: [a], steps: [{tools: a}, {tools: b}]}",
        "{name: r, type: data_protection}",
        "{name: r, type: nope, action: ask}",
    ],
)
def test_what_the_schema_refuses_the_loader_refuses_too(rule: str) -> None:
    text = f'version: "1.0"\nrules: [{rule}]\n'
    assert not valid(text)
    with pytest.raises(PolicyLoadError):
        load_text(text)


@pytest.mark.parametrize(
    "rule",
    [
        "{name: r, scanner: tool_access, allowed_tools: [a]}",
        "{name: r, scanner: [pii, secrets], action: alert, direction: output}",
        "{name: r, type: tool_allowlist, tools: []}",
        "{name: r, type: budget, max_repeats: 3}",
        "{name: r, type: data_protection, patterns: [email, {regex: 'X-[0-9]{2}', name: x}]}",
    ],
)
def test_older_spellings_and_defaults_are_in_the_schema(rule: str) -> None:
    text = f'version: "1.0"\nrules: [{rule}]\n'
    load_text(text)
    assert valid(text)
