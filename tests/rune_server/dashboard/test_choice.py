"""What an address asks for: read, written again, and the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from rune_server.dashboard import choice
from rune_server.errors import InvalidError

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def read(query: str) -> choice.Choice:
    return choice.read(QueryParams(query), NOW)


def test_words_and_filters() -> None:
    found = read(
        'q=action:block+refund+tool:"send money"+agent:billing&agent=billing&threat=jailbreak'
    )
    assert found.search == "refund"
    assert found.pairs == (
        ("agent", "billing"),
        ("threat", "jailbreak"),
        ("action", "block"),
        ("tool", "send money"),
    )
    chosen = found.filter()
    assert (chosen.agents, chosen.actions, chosen.search) == (("billing",), ("block",), "refund")
    assert chosen.since == NOW - timedelta(hours=24)


def test_none_stands_for_events_without_one() -> None:
    assert read("tool=(none)").filter().tools == ("",)


def test_a_span_of_its_own() -> None:
    found = read("since=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z")
    assert (found.range, found.live) == ("custom", False)
    assert found.filter(open_end=True).until == datetime(2026, 11, 21, tzinfo=UTC)
    assert read("range=7d").filter(open_end=True).until is None


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=2026-11-21&until=2026-11-20",
        "&".join(f"agent=a{n}" for n in range(30)),
    ],
)
def test_what_makes_no_sense_is_said(query: str) -> None:
    with pytest.raises(InvalidError):
        read(query)


@pytest.mark.parametrize("risk", ["2", "-1", "nan", "much"])
def test_a_risk_is_a_share(risk: str) -> None:
    with pytest.raises(InvalidError):
        read(f"min_risk={risk}").filter()


names = st.sampled_from(sorted(choice.LISTS))
values = st.text(min_size=1, max_size=40).filter(lambda text: bool(text.strip()))


@given(
    pairs=st.lists(st.tuples(names, values), max_size=6, unique=True), search=st.text(max_size=40)
)
def test_an_address_means_the_same_when_read_again(
    pairs: list[tuple[str, str]], search: str
) -> None:
    words, found = choice.split_search(search)
    first = choice.Choice(tuple(dict.fromkeys([*pairs, *found])), words, "7d", NOW, NOW)
    query = first.address("/events").partition("?")[2]
    second = read(query)
    assert set(second.pairs) >= set(first.pairs)
    third = read(second.address("/events").partition("?")[2])
    assert third.all_pairs == second.all_pairs


@given(text=st.text(max_size=200))
def test_any_search_is_taken(text: str) -> None:
    words, found = choice.split_search(text)
    assert isinstance(words, str)
    assert all(name in choice.LISTS or name in choice.SINGLE for name, _ in found)
