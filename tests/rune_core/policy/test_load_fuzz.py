"""Whatever stands in a rule, it loads or is refused with the line: no other outcome."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rune_core.errors import PolicyError, PolicyLoadError
from rune_core.policy.cases import load_case
from rune_core.policy.compiled import CompiledPolicy
from rune_core.policy.load import load_text
from rune_core.policy.rules import COMMON_KEYS, KIND_KEYS

odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**6)
    | st.floats()
    | st.sampled_from(["", "a", "b_*", "amount", "hijacked", "args.x.value > 3", "block", "a..b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tools", "when", "regex", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
values = {
    "name": st.sampled_from(["r", "s", ""]) | odd,
    "action": st.sampled_from(["ask", "block", "alert"]) | odd,
    "tools": st.just(["a", "b_*"]) | odd,
    "when": st.just("hijacked") | odd,
    "steps": st.just([{"tools": "a"}, {"when": "hijacked"}]) | odd,
    "max_calls": st.integers(0, 9) | odd,
    "max_spend": st.integers(0, 9) | odd,
    "spend": st.just("amount") | odd,
}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, object]:
    kind = draw(st.sampled_from(sorted(KIND_KEYS)))
    keys = sorted(COMMON_KEYS | KIND_KEYS[kind])
    rule: dict[str, object] = {"type": kind}
    for key in draw(st.lists(st.sampled_from(keys), unique=True, max_size=8)):
        if key != "type":
            rule[key] = draw(values.get(key, odd))
    return rule


@settings(max_examples=150)
@given(st.lists(rules(), max_size=3))
def test_a_rule_loads_or_is_refused_with_its_line(made: list[dict[str, object]]) -> None:
    text = 'version: "1.0"\nrules: ' + json.dumps(made)
    faults: tuple[PolicyError, ...] = ()
    try:
        compiled = CompiledPolicy([load_text(text, path="p.yaml")], builtin=None)
        compiled.for_tool("a")
    except PolicyLoadError as error:
        faults = error.errors or (PolicyError("p.yaml", ""),)
    assert all(fault.line and fault.message for fault in faults)


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(["name", "given", "call", "args", "text", "action", "tags", "rule", "x"]),
        odd | st.lists(st.dictionaries(st.sampled_from(["user", "call", "times", "args"]), odd)),
    )
)
def test_a_case_loads_or_is_refused(made: dict[str, object]) -> None:
    with contextlib.suppress(PolicyLoadError):
        assert load_case(json.dumps(made), "case.json").given is not None


@pytest.mark.parametrize("text", ["", "[]", "- a", "{", "a: &x [*x]", "\0", "x: " + "[" * 50])
def test_what_is_no_case_is_refused(text: str) -> None:
    with pytest.raises(PolicyLoadError):
        load_case(text, "case.yaml")


def outcome(text: str) -> tuple[PolicyError, ...]:
    """The faults of a text; none when it is a policy, which then also compiles."""
    try:
        compiled = CompiledPolicy([load_text(text, path="p.yaml")], builtin=None)
    except PolicyLoadError as error:
        return error.errors or (PolicyError("p.yaml", ""),)
    compiled.for_tool("a")
    return ()


PIECES = st.sampled_from(
    [
        'version: "1.0"',
        "rules:",
        "- name: a",
        "  - {name: b, type: tool_denylist, tools: [x]}",
        "when: hijacked",
        "&a",
        "*a",
        "<<: *a",
        "!!python/object:os.system",
        "---",
        "...",
        "? ",
        "[",
        "]",
        "{",
        "}",
        "|",
        ">-",
        "%YAML 1.2",
        "\t",
        "\0",
        "\ufeff",
        "\u2028",
        "'",
        '"',
        "#",
        ": ",
        "1e999",
        "0x" + "f" * 50,
        "2026-13-45",
        "9" * 5000,
    ]
)


@settings(max_examples=300)
@given(st.lists(PIECES | st.text(max_size=12), max_size=12), st.sampled_from(["\n", " ", "\n  "]))
def test_any_yaml_is_a_policy_or_is_refused_with_the_place(parts: list[str], gap: str) -> None:
    for fault in outcome(gap.join(parts)):
        assert fault.path == "p.yaml"
        assert fault.message


LAUGHS = "a0: &a0 [lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, "anchors"),
        ("a: &x [*x]", "anchors"),
        ("a: *x", "aliases"),
        ("[" * 100_000, "nested deeper"),
        ("{a: " * 100_000, "nested deeper"),
        ("- " * 100_000, "nested deeper"),
        ("\n".join(" " * n + "a:" for n in range(1000)), "nested deeper"),
        ("? " * 50_000, "must be plain text"),
        ("a: !!binary x", "tags"),
        ("a: [" + "a," * 60_000 + "]", "more than"),
        ("\n".join(f"k{n}: 1" for n in range(50_001)), "more than"),
        ("a: " + "x" * 2_000_000, "larger than"),
        ("a: " + "9" * 900_000, "valid int"),
        ("a: 1\na: 2", "stands twice"),
        ("a: 1\n---\na: 2", "more than one document"),
        ("<<: {a: 1}", "merge keys"),
        ("{a: 1}: 2", "must be plain text"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_bombs_are_refused_without_going_off(text: str, says: str) -> None:
    faults = outcome(text)
    assert any(says in fault.message for fault in faults), faults
