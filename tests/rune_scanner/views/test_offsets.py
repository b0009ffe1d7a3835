"""Spans: inside the text, exact where characters correspond, for every view there is."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_scanner.views import OffsetMap, View, build_views

# Pieces that trip decoders, mixed with anything at all.
_PIECES = st.sampled_from(
    [
        *(
            "ignore all ",
            "ﬁ",
            "İ",
            "ß",
            "e\u0301",
            "a\u0316\u0301",
            "\u200b",
            "а",
            "pаss",
            "Ｉ",
            "ⓘ",
        ),
        *(
            "%41",
            "%D0%BF",
            "%ff",
            "&#65;",
            "&lt;",
            "&amp;",
            "\\n",
            "\\u0041",
            "\\ud83d\\ude00",
            "\\x41",
        ),
        *(
            "<b>",
            "</b>",
            "<!-- x -->",
            '<p style="display:none">',
            "</p>",
            '<img alt="y">',
            "<",
            ">",
        ),
        *(
            "**",
            "[a](b 'c d')",
            "1gn0r3",
            "i g n o r e ",
            "vtaber ",
            "erongi ",
            "\U000e0041",
            "\n",
            " ",
        ),
        *(
            "aWdub3JlIGFsbCBvZiBpdA==",
            "69676e6f726520616c6c206f66",
            "=\n=41",
            "\ud800",
            "가\u11a8",
            "ﷺ",
        ),
        *(
            '"ig" + "nore"',
            "xn--80ak6aa92e.com",
            "\ufe00\ufe01\ufe02",
            "\u200b\u200c" * 8,
            "\x1b[31m",
        ),
    ]
)
_TEXTS = st.lists(_PIECES | st.text(max_size=8), max_size=14).map("".join)


@given(_TEXTS, st.data())
def test_every_range_of_every_view_lies_in_the_text(text: str, data: st.DataObject) -> None:
    for view in build_views(text).views:
        for reading, offsets in ((view.text, view.offsets), (view.folded, view.folded_offsets)):
            start = data.draw(st.integers(0, len(reading)))
            end = data.draw(st.integers(start, len(reading)))
            span = offsets.to_original(start, end)
            assert 0 <= span.start <= span.end <= len(text)
            if reading[start:end].strip():
                assert span.start < span.end


@given(_TEXTS, st.data())
def test_a_longer_range_maps_to_a_range_that_holds_the_shorter_one(
    text: str, data: st.DataObject
) -> None:
    for view in build_views(text).views:
        start = data.draw(st.integers(0, len(view.folded)))
        middle = data.draw(st.integers(start, len(view.folded)))
        end = data.draw(st.integers(middle, len(view.folded)))
        if start == middle:
            continue
        inner = view.folded_offsets.to_original(start, middle)
        outer = view.folded_offsets.to_original(start, end)
        assert outer.start <= inner.start
        assert inner.end <= outer.end


@given(_TEXTS)
def test_folding_what_a_character_came_from_gives_the_character(text: str) -> None:
    raw = build_views(text).views[0]
    assert len(raw.text) == len(text)
    for at, char in enumerate(raw.folded):
        span = raw.folded_offsets.to_original(at, at + 1)
        again = build_views(text[span.start : span.end]).views[0].folded
        # Alone, a letter may be of one script and its word of two; and a sigma may be final.
        assert char in again or len(again) == len(char) or char == "ς" or not char.isascii()


@given(_TEXTS)
def test_unchanged_characters_map_to_themselves(text: str) -> None:
    for view in build_views(text).views:
        if view.name not in {"html", "escape", "url", "entity", "markdown", "tags"}:
            continue
        for at, char in enumerate(view.text):
            span = view.offsets.to_original(at, at + 1)
            source = text[span.start : span.end]
            if len(source) == 1 and view.name != "tags":
                assert source == char or "\ud800" <= source <= "\udfff"


@given(_TEXTS)
def test_views_can_be_encoded_and_say_something_new(text: str) -> None:
    views = build_views(text).views
    assert views[0].name == "raw"
    for view in views:
        view.text.encode()
        view.folded.encode()
    texts = [view.text for view in views]
    assert len(set(texts)) == len(texts)


@given(st.binary(max_size=400))
def test_bytes_read_as_latin_1_are_just_another_text(data: bytes) -> None:
    assert build_views(data.decode("latin-1")).views[0].text == data.decode("latin-1")


def test_lone_surrogates_are_replaced_one_for_one() -> None:
    raw = build_views("a\ud800b\udfffc").views[0]
    assert raw.text == "a\ufffdb\ufffdc"
    assert raw.offsets.to_original(2, 3) == (2, 3)


def test_pieces_of_every_stride_map_exactly() -> None:
    #   view 0-3 unchanged, 3-5 from %41%42, 5-6 from &lt;, 6-9 backwards
    offsets = OffsetMap([(0, 10, 13, 1), (3, 13, 19, 3), (5, 19, 23, 0), (6, 23, 26, -1)], 9)
    assert offsets.to_original(1, 2) == (11, 12)
    assert offsets.to_original(2, 4) == (12, 16)
    assert offsets.to_original(4, 5) == (16, 19)
    assert offsets.to_original(5, 6) == (19, 23)
    assert offsets.to_original(6, 7) == (25, 26)
    assert offsets.to_original(7, 9) == (23, 25)
    assert offsets.to_original(0, 9) == (10, 26)


def test_pieces_out_of_order_map_to_the_range_around_them() -> None:
    offsets = OffsetMap([(0, 20, 25, 1), (5, 3, 8, 1), (10, 40, 41, 1)], 11)
    assert offsets.to_original(4, 6) == (3, 25)
    assert offsets.to_original(0, 11) == (3, 41)


def test_a_map_on_a_map_goes_all_the_way_back() -> None:
    base = OffsetMap([(0, 100, 110, 1), (10, 110, 140, 3)], 20)
    assert OffsetMap([(0, 9, 12, 1)], 3, base).to_original(0, 3) == (109, 116)


def test_positions_outside_the_view_are_moved_into_it() -> None:
    assert OffsetMap.identity(5, 10).to_original(-3, 99) == (10, 15)
    assert OffsetMap([], 0).to_original(0, 4) == (0, 0)


def _joins(char: str) -> bool:
    return unicodedata.category(char)[0] == "M" or unicodedata.combining(char) != 0


@pytest.mark.parametrize("plane", [0, 1, 2, 3])
def test_every_character_folds_with_a_map_that_fits(plane: int) -> None:
    codes = range(plane * 0x10000, min((plane + 1) * 0x10000, sys.maxunicode + 1))
    text = "".join(f"{chr(code)} " for code in codes if not 0xD800 <= code < 0xE000)
    raw = build_views(text).views[0]
    assert raw.folded_offsets.to_original(len(raw.folded) - 1, len(raw.folded))[1] == len(text)
    middle = len(raw.folded) // 2
    for at in range(middle, min(middle + 2_000, len(raw.folded))):
        span = raw.folded_offsets.to_original(at, at + 1)
        assert span.end - span.start in {1, 2}


def spans(text: str, view: View, needle: str) -> str:
    """What ``needle``, found in a view's folded text, came from."""
    at = view.folded.index(needle)
    span = view.folded_offsets.to_original(at, at + len(needle))
    return text[span.start : span.end]


@pytest.mark.parametrize(
    ("text", "needle", "source"),
    [
        ("say ﬁnd it", "find", "ﬁnd"),
        ("say İstanbul now", "istanbul", "İstanbul"),
        ("die Straße da", "straße", "Straße"),
        ("x ｉｇｎｏｒｅ y", "ignore", "ｉｇｎｏｒｅ"),
        ("x 𝗶𝗴𝗻𝗼𝗿𝗲 y", "ignore", "𝗶𝗴𝗻𝗼𝗿𝗲"),
        ("x 🅘🅖🅝🅞🅡🅔 y", "ignore", "🅘🅖🅝🅞🅡🅔"),
        ("x ɪɢɴᴏʀᴇ y", "ignore", "ɪɢɴᴏʀᴇ"),
        ("x ig\u200bno\u00adre y", "ignore", "ig\u200bno\u00adre"),
        ("\u202ax ignore\u202c y", "ignore", "ignore"),
        ("x іgnоrе y", "ignore", "іgnоrе"),
        ("x re\u0301vision y", "révision", "re\u0301vision"),
        ("x \x1b[31mig\x1b[0mnore y", "ignore", "ig\x1b[0mnore"),
        ("x ig\x00nore y", "ignore", "ig\x00nore"),
    ],
)
def test_folded_words_map_to_their_own_characters(text: str, needle: str, source: str) -> None:
    assert spans(text, build_views(text).views[0], needle) == source
