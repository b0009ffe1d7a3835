"""Reading in windows says of every character where it is, exactly once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rune_core.cli.windows import Position, windows

texts = st.text(st.sampled_from("ab\n\r é😀\u202e"), max_size=200)
sizes = st.integers(1, 40)


def place(text: str, index: int) -> Position:
    before = text[:index]
    return Position(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


@given(text=texts, size=sizes, overlap=st.integers(1, 20), cut=st.integers(1, 30))
def test_each_character_is_owned_by_one_window_that_knows_its_place(
    text: str, size: int, overlap: int, cut: int
) -> None:
    pieces = [text[start : start + cut] for start in range(0, len(text), cut)]
    owned: list[int] = []
    for window in windows(pieces, size=size, overlap=overlap):
        assert text[window.offset : window.offset + len(window.text)] == window.text
        for index in range(len(window.text)):
            if window.owns(index):
                owned.append(window.offset + index)
            if index >= window.start:
                assert window.position(index) == place(text, window.offset + index)
    assert owned == list(range(len(text)))


@given(text=texts, size=sizes, overlap=st.integers(1, 20))
def test_what_a_window_owns_has_context_on_both_sides(text: str, size: int, overlap: int) -> None:
    for window in windows([text], size=size, overlap=overlap):
        assert window.offset == 0 or window.start >= overlap or window.start == window.offset
        if not window.last:
            assert len(window.text) >= min(window.end + overlap, len(text) - window.offset)


def test_an_empty_text_is_one_window() -> None:
    (only,) = windows([])
    assert (only.text, only.last) == ("", True)
