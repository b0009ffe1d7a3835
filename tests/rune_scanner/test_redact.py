"""Redaction: nothing that a second scan would report is left, and JSON stays JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rune_scanner import (
    Finding,
    RedactionStyle,
    Scanner,
    Severity,
    Span,
    Surface,
    Threat,
    builtin_rules,
    redact,
)
from rune_scanner.rules.cases import Case, load_cases

CASES: tuple[Case, ...] = tuple(case for rule in builtin_rules() for case in load_cases(rule))
HITS = tuple(case for case in CASES if case.hit)
SCANNER = Scanner()
STYLES = list(RedactionStyle)


def finding(start: int, end: int, label: str = "EMAIL", confidence: float = 0.9) -> Finding:
    return Finding(
        rule_id="made-up",
        threat=Threat.PII_EXPOSURE,
        severity=Severity.HIGH,
        confidence=confidence,
        span=Span(start, end),
        surface=Surface.OUTPUT,
        label=label,
    )


def cleaned(text: str, surface: Surface, style: RedactionStyle) -> tuple[str, bool]:
    """``text`` after redaction with rescan, and whether it was withheld."""
    findings = SCANNER.scan(text, surface).findings
    done = redact(text, findings, style, rescan=lambda left: SCANNER.scan(left, surface).findings)
    return done.text, done.withheld


def shape(value: Any, *, keys: bool = True) -> Any:
    """Keys (or how many there are) and nesting of a JSON value, without the scalars."""
    if isinstance(value, dict):
        inside = {key: shape(inner, keys=keys) for key, inner in value.items()}
        return inside if keys else list(inside.values())
    if isinstance(value, list):
        return [shape(inner, keys=keys) for inner in value]
    return None


@pytest.mark.parametrize("style", STYLES)
def test_second_scan_finds_nothing_in_any_case_text(style: RedactionStyle) -> None:
    left = []
    withheld = 0
    # Each style takes its own quarter of the hits, so that together they take all of them.
    for case in HITS[STYLES.index(style) :: len(STYLES)]:
        text, held = cleaned(case.text, case.surface, style)
        withheld += held
        if SCANNER.scan(text, case.surface).findings:
            left.append(f"{case.rule_id} {case.name}")
    assert left == []
    assert withheld <= len(HITS) // 100


# Drawn by number: hypothesis would write all the cases into the strategy's repr.
HIT_TEXTS = st.integers(0, len(HITS) - 1).map(lambda index: HITS[index].text)
PLANTED = st.one_of(
    HIT_TEXTS,
    st.text(max_size=30),
    st.tuples(st.text(max_size=10), HIT_TEXTS, st.text(max_size=10)).map("".join),
)
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        PLANTED,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text("abc_", min_size=1, max_size=5), inner, max_size=4),
    ),
    max_leaves=6,
)


@given(
    st.one_of(
        st.lists(JSON_VALUES, max_size=3),
        st.dictionaries(st.text("abc_", min_size=1, max_size=5), JSON_VALUES, max_size=3),
    ),
    st.sampled_from(STYLES),
    st.booleans(),
    st.sampled_from([Surface.TOOL_RESULT, Surface.OUTPUT]),
)
@settings(max_examples=120, deadline=None)
def test_json_stays_json_with_the_same_keys(
    value: Any, style: RedactionStyle, ascii_only: bool, surface: Surface
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    done, withheld = cleaned(text, surface, style)
    after = json.loads(done)
    assert SCANNER.scan(done, surface).findings == ()
    if not withheld:
        assert shape(after) == shape(value)


@given(st.data(), st.sampled_from(STYLES))
@settings(max_examples=200, deadline=None)
def test_any_cut_of_json_leaves_json(data: st.DataObject, style: RedactionStyle) -> None:
    """Spans from anywhere: across quotes, through escapes, over numbers and brackets."""
    value = data.draw(st.lists(JSON_VALUES, min_size=1, max_size=3))
    text = json.dumps(value)
    bounds = st.integers(0, len(text))
    spans = data.draw(st.lists(st.tuples(bounds, bounds).map(sorted), max_size=4))
    done = redact(text, [finding(low, high) for low, high in spans], style)
    after = json.loads(done.text)
    keys = [match.span() for match in re.finditer(r'"[abc_]{1,5}"(?=: )', text)]
    merged = [(span.start, span.end) for span in done.spans]
    in_key = any(
        start <= low and high <= end and low < high for low, high in merged for start, end in keys
    )
    scalars = [
        match.span()
        for match in re.finditer(r'"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null', text)
        if text[match.end() : match.end() + 1] != ":"
    ]
    in_scalar = any(
        # An empty string has no characters to be cut.
        max(low, start + (text[start] == '"')) < min(high, end - (text[start] == '"'))
        for low, high in merged
        for start, end in scalars
    )
    if in_scalar and not in_key:
        assert shape(after) == shape(value)


def test_what_lies_in_a_key_is_cut_and_what_crosses_it_is_not() -> None:
    text = '{"bob@corp.example": {"note": "call bob"}}'
    assert redact(text, [finding(2, 18)]).text == '{"[EMAIL]": {"note": "call bob"}}'
    crossing = redact(text, [finding(22, 41)]).text
    assert json.loads(crossing) == {"bob@corp.example": {"note": "[EMAIL]"}}


def test_keys_are_cut_when_nothing_else_can_be() -> None:
    text = '{"user": {"$ne": {}}}'
    assert json.loads(redact(text, [finding(1, 15)]).text) != json.loads(text)


@given(st.text(), st.data(), st.sampled_from(STYLES))
def test_what_lies_outside_the_spans_is_kept(
    text: str, data: st.DataObject, style: RedactionStyle
) -> None:
    bounds = st.integers(0, len(text))
    spans = data.draw(st.lists(st.tuples(bounds, bounds).map(sorted), max_size=4))
    done = redact("#" + text, [finding(low + 1, high + 1) for low, high in spans], style)
    position = 0
    rest = "#" + text
    at = 0
    for span in done.spans:
        kept = rest[at : span.start]
        position = done.text.find(kept, position)
        assert position >= 0
        position += len(kept)
        at = span.end
    assert done.text.endswith(rest[at:])


def test_styles() -> None:
    text = "mail bob@corp.example now"
    cut = [finding(5, 21)]
    assert redact(text, cut, "label").text == "mail [EMAIL] now"
    assert redact(text, cut, "mask").text == "mail **** now"
    assert redact(text, cut, "remove").text == "mail  now"
    one = redact(text, cut, "hash", key=b"k").text
    assert one == redact(text, cut, "hash", key=b"k").text
    assert one != redact(text, cut, "hash", key=b"other").text
    assert one.startswith("mail [EMAIL:")


def test_overlapping_spans_take_the_surest_label() -> None:
    cut = [finding(0, 6, "WEAK", 0.5), finding(4, 10, "SURE", 0.9)]
    done = redact("0123456789ab", cut)
    assert done.text == "[SURE]ab"
    assert done.spans == (Span(0, 10),)


def test_numbers_become_strings() -> None:
    text = '{"card": 4111111111111111, "n": 1}'
    done = redact(text, [finding(10, 14)])
    assert json.loads(done.text) == {"card": "[EMAIL]", "n": 1}


def test_cut_through_an_escape_takes_the_escape() -> None:
    text = json.dumps({"a": "x\u00e9\n\U0001f600y"})
    for low in range(7, len(text) - 2):
        done = redact(text, [finding(low, low + 1)], "remove")
        assert set(json.loads(done.text)) == {"a"}


def test_cutting_without_end_withholds_the_text() -> None:
    always = lambda text: [finding(0, min(1, len(text)))]  # noqa: E731
    done = redact("secret", always("secret"), rescan=always)
    assert done.withheld
    assert "secret" not in done.text
    inside = redact('{"a": "secret"}', [finding(7, 8)], rescan=lambda _: [finding(7, 8)])
    assert inside.withheld
    json.loads(inside.text)


def test_repr_does_not_tell_the_text() -> None:
    assert "hidden" not in repr(redact("hidden text", [finding(8, 9)]))


def test_faults_are_said() -> None:
    with pytest.raises(ValueError, match="'blur' is not a redaction style; one of label"):
        redact("x", [], "blur")
    with pytest.raises(ValueError, match=r"span \(0, 9\) lies outside the text of 1"):
        redact("x", [finding(0, 9)])
