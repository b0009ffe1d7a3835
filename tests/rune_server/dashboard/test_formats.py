"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_server.dashboard import formats

AT = datetime(2026, 11, 3, 14, 3, 22, 45_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (947, "947"), (999.6, "1k"), (12_345, "12.3k"), (4_000_000, "4M"), (2.5e9, "2.5B")],
)
def test_compact(value: float, text: str) -> None:
    assert formats.compact(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.0001, "<0.1%"), (0.004, "0.4%"), (0.05, "5%"), (0.124, "12%"), (1, "100%")],
)
def test_percent(share: float, text: str) -> None:
    assert formats.percent(share) == text


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("clock", "15:03:22"),
        ("short", "3 Nov 15:03"),
        ("day", "3 Nov 2026"),
        ("full", "3 Nov 2026 15:03:22.045 CET"),
        ("ago", "3m ago"),
        ("row", "15:03:22"),
    ],
)
def test_moments(form: str, text: str) -> None:
    now = AT + timedelta(minutes=3)
    assert formats.moment(AT, form, ZoneInfo("Europe/Berlin"), now) == text


def test_a_row_of_another_day_says_which() -> None:
    now = AT + timedelta(days=1)
    assert formats.moment(AT, "row", ZoneInfo("UTC"), now) == "3 Nov 14:03"


@pytest.mark.parametrize("name", ["", None, "../../etc/passwd", "Nowhere/City", "UTC\n"])
def test_a_zone_that_is_none_is_utc(name: str | None) -> None:
    assert formats.zone(name).key == "UTC"


@given(st.lists(st.floats(0, 1e9), max_size=50))
def test_sparklines_stay_in_their_frame(values: list[float]) -> None:
    line, area = formats.spark_paths(values)
    for pair in line.removeprefix("M").split("L") if line else ():
        x, y = map(float, pair.split())
        assert -0.1 <= x <= 100.1
        assert 0.9 <= y <= 23.1
    assert bool(line) == bool(values)
    assert area.startswith(line)


@given(st.text(max_size=60))
def test_initials_of_anything(name: str) -> None:
    assert 1 <= len(formats.initials(name)) <= 6


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("payments.transfer", "payments.transfer"),
        ("W" * 128, "W" * 13 + "…"),
        ("a name that goes on and on and on", "a name that goes on and on…"),
        ("見積" * 40, "見積" * 6 + "…"),
        ("", ""),
    ],
)
def test_fitted(text: str, shown: str) -> None:
    assert formats.fitted(text, 25) == shown
