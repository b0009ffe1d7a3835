"""What is read off a pattern: refusals, widths and keywords, and the two engines' dialect."""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rune_scanner import builtin_rules
from rune_scanner.rules import patterns, required

RULES = tuple(builtin_rules())


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("foo(?=bar)", "looks ahead or behind, which RE2 cannot do"),
        ("foo(?!bar)", "looks ahead or behind, which RE2 cannot do"),
        ("(?<=a)foo", "looks ahead or behind, which RE2 cannot do"),
        ("(?<!a)foo", "looks ahead or behind, which RE2 cannot do"),
        (r"(a|b)\1", "refers back to a group, which RE2 cannot do"),
        ("(?P<q>a)(?P=q)", "refers back to a group, which RE2 cannot do"),
        ("(a)?b(?(1)c|d)", "refers back to a group, which RE2 cannot do"),
        ("(?>ab)c", "has an atomic group or possessive repeat, which RE2 cannot do"),
        ("a{1,3}+b", "has an atomic group or possessive repeat, which RE2 cannot do"),
        ("a*b", "has an unbounded repeat (*, + or {n,}); write {0,40} or the like"),
        ("a+b", "has an unbounded repeat (*, + or {n,}); write {0,40} or the like"),
        ("a{3,}b", "has an unbounded repeat (*, + or {n,}); write {0,40} or the like"),
        ("a+?b", "has an unbounded repeat (*, + or {n,}); write {0,40} or the like"),
        (r"\Aab", r"uses \A or \Z, which views make meaningless; use ^, $ or \b"),
        (r"ab\Z", r"uses \A or \Z, which views make meaningless; use ^, $ or \b"),
        ("(?i)abc", "has inline flags, which the two engines read differently"),
        ("a(?i:b)c", "has inline flags, which the two engines read differently"),
        ("(?:a|(?s:b.){1,2})c", "has inline flags, which the two engines read differently"),
        ("a{0,1001}b", "repeats 1001 times with its nesting; RE2 allows 1000"),
        ("(?:a{1,30}b){1,40}c", "repeats 1200 times with its nesting; RE2 allows 1000"),
        ("a?", "can match nothing at all; give it at least one required character"),
        (r"a[^\S\n]b", r"has \S inside a class, which the two engines read differently"),
        ("a(b", "is not a regular expression: missing ), unterminated subpattern at position 1"),
    ],
)
def test_refusals(pattern: str, problem: str) -> None:
    assert problem in patterns.analyse(pattern).problems


def test_too_wide_a_pattern_is_refused() -> None:
    pattern = "(?:" + "[a-y]" * 10 + "){1,1000}z"
    assert any("can match 10001 characters; 8192" in p for p in patterns.analyse(pattern).problems)


def test_costly_backtracking_is_refused() -> None:
    for pattern in ("(?:a{1,9}){1,9}b", "[a-z ]{0,300}[a-z]{0,300}[ a-z]{0,300}x", "(?:a|ab){9}c"):
        assert any("ways at one place" in p for p in patterns.analyse(pattern).problems) is (
            pattern != "(?:a|ab){9}c"
        )


@pytest.mark.parametrize("pattern", [r"\(?sleep", r"[(?i]x", r"\(\?i\)", "a?b", "[*+]a", r"a\*b"])
def test_lookalikes_are_not_refused(pattern: str) -> None:
    assert patterns.analyse(pattern).problems == ()


@pytest.mark.parametrize(
    ("pattern", "low", "high"),
    [("abc", 3, 3), ("a{2,5}b?", 2, 6), ("(?:ab|c){1,3}", 1, 6), (r"\bé\w{2}$", 3, 3)],
)
def test_widths(pattern: str, low: int, high: int) -> None:
    facts = patterns.analyse(pattern)
    assert (facts.min_width, facts.max_width) == (low, high)


@pytest.mark.parametrize(
    ("pattern", "keywords"),
    [
        ("ignore", {"ignore"}),
        ("(?:ignore|forget) the", None),
        (r"[a-z]{1,9}webhook\.site", {"webhook.site"}),
        (r"gr[ae]y\d", {"gray", "grey"}),
        (r"\d{4}-\d{2}", set()),
        (r"colou?r", {"color", "colour"}),
        (r"(?:abcd|[0-9])x", set()),
    ],
)
def test_keywords(pattern: str, keywords: set[str] | None) -> None:
    found = set(patterns.analyse(pattern).keywords)
    if keywords is None:
        assert found
    else:
        assert found == keywords


def test_spaces_expand_outside_classes_and_escapes_only() -> None:
    assert patterns.expand_spaces(r"a b[ x]\ c") == rf"a{patterns.BETWEEN_WORDS}b[ x]\ c"
    assert patterns.expand_spaces("[] ]a b") == f"[] ]a{patterns.BETWEEN_WORDS}b"
    assert patterns.expand_spaces("[^] ] ") == f"[^] ]{patterns.BETWEEN_WORDS}"


def holds_at_edges(text: str, keyword: str) -> bool:
    """Whether ``text`` holds ``keyword``, with no letter or digit where its marks say so."""
    plain = required.plain(keyword)
    before = "(?<![A-Za-z0-9])" if keyword[0] == required.EDGE else ""
    behind = "(?![A-Za-z0-9])" if keyword[-1] == required.EDGE else ""
    return re.search(before + re.escape(plain) + behind, text) is not None


@pytest.mark.parametrize(
    ("pattern", "needs"),
    [
        (r"\bact as", {("<act as",)}),
        (r"\bact\s{1,4}as\b", {("<act>",), ("<as>",)}),
        (r"\b(?:dan|aim)s?\b", {("<aim>", "<aims>", "<dan>", "<dans>")}),
        (r"[^\w]key[=:]{1,2}\w", {("<key>",)}),
        (r"(?:^|\W)foo(?:bar)?-", {("foo-", "foobar-")}),
        (r"\b-x[0-9]", {("-x",)}),
        (r"sk_[a-z]{1,3}\b", {("sk_",)}),
    ],
)
def test_needs_say_where_words_end(pattern: str, needs: set[tuple[str, ...]]) -> None:
    found = {
        tuple(k.replace(required.EDGE, "<", 1) if k[0] == required.EDGE else k for k in keywords)
        for keywords in patterns.analyse(pattern).needs
    }
    assert {tuple(sorted(k.replace(required.EDGE, ">") for k in ks)) for ks in found} == {
        tuple(sorted(ks)) for ks in needs
    }


@pytest.mark.parametrize("index", range(0, len(RULES), max(1, len(RULES) // 40)))
def test_facts_hold_for_what_built_in_patterns_match(index: int) -> None:
    """Keywords stand in every match, and widths bound it."""
    rule = RULES[index]
    facts = rule.lint()
    assert facts.problems == ()
    compiled = re.compile(rule.compiled_source, patterns.FLAGS)
    # What asks whether a text is worth a look must not rule out one that matches.
    relaxed = None
    if find_spec("re2"):
        re2 = pytest.importorskip("re2")
        relaxed = re2.compile(f"(?m:{patterns.to_re2(patterns.relax(rule.compiled_source))})")

    @given(st.from_regex(compiled, fullmatch=True))
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def holds(text: str) -> None:
        assert facts.min_width <= len(text) <= facts.max_width
        if facts.keywords:
            assert any(keyword in text for keyword in facts.keywords)
        for needs in facts.needs:
            assert any(holds_at_edges(text, keyword) for keyword in needs)
        for sign, count in facts.signs:
            assert text.count(sign) >= count
        assert sum(map(text.count, "0123456789")) >= facts.min_digits
        assert not (facts.beyond_ascii and text.isascii())
        if relaxed is not None:
            assert relaxed.search(text) is not None

    holds()


def test_every_built_in_pattern_compiles_in_both_engines_with_one_value_group() -> None:
    re2 = pytest.importorskip("re2")
    options = re2.Options()
    options.log_errors = False
    for rule in RULES:
        groups = re.compile(rule.compiled_source, patterns.FLAGS).groupindex
        assert set(groups) <= {"value"}, rule.id
        re2.compile(f"(?m:{patterns.to_re2(rule.compiled_source)})".encode(), options)


@given(
    st.lists(
        st.sampled_from(
            [
                r"\s",
                r"\S",
                r"\w",
                r"\d",
                r"\b",
                ".",
                "[\\s*_]",
                "[^\\s>]",
                "[]x]",
                "a",
                "_",
                "$",
                "^",
            ]
        ),
        min_size=1,
        max_size=6,
    ),
    st.text("a_7 \t\n\x0b\x0c\r\x1c\x85\xa0\u2028é]>x", max_size=14),
)
@settings(max_examples=400, deadline=None)
def test_the_dialect_means_the_same_in_both_engines(parts: list[str], text: str) -> None:
    re2 = pytest.importorskip("re2")
    pattern = "".join(parts) + "[a_ ]"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = [m.span() for m in re.compile(pattern, patterns.FLAGS).finditer(text)]
    compiled = re2.compile(f"(?m:{patterns.to_re2(pattern)})")
    other = [m.span() for m in compiled.finditer(text)]
    assert one == other
