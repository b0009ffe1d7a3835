"""Letters standing apart are looked for only near one that stands alone; nothing is missed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rune_scanner.views import disguises

PIECES = ["a", "b", "é", "中", "1", " ", "  ", ".", "-", "\n", "foo", "x ", "i. ", "q_", '"', "*"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@settings(max_examples=500, deadline=None)
def test_every_run_of_letters_apart_is_found(text: str) -> None:
    whole = [found.span() for found in disguises._APART.finditer(text)]
    assert [found.span() for found in disguises._runs_apart(text)] == whole
