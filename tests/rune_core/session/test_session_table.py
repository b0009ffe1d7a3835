"""Sessions are kept by id, bounded in number and age; what went is known to have gone."""

from __future__ import annotations

from rune_core import Shield, ShieldConfig
from rune_core.session.session import Session, SessionTable


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_least_recently_used_goes_first() -> None:
    table = SessionTable(2)
    first, second, third = (Session(session_id=name) for name in "abc")
    table.add(first)
    table.add(second)
    assert table.get("a") is first
    table.add(third)
    assert (table.get("a"), table.get("b"), table.get("c")) == (first, None, third)
    assert table.add(Session(session_id="a")) is first


def test_what_was_not_used_for_long_goes_too() -> None:
    clock = Clock()
    table = SessionTable(10, idle_seconds=60, clock=clock)
    kept = table.add(Session(session_id="kept"))
    table.add(Session(session_id="idle"))
    clock.seconds = 50
    assert table.get("kept") is kept
    clock.seconds = 100
    assert table.get("idle") is None
    assert table.get("kept") is kept
    clock.seconds = 161
    assert table.get("kept") is None
    assert len(table) == 0


def test_one_that_comes_back_does_not_know_what_was_said() -> None:
    table = SessionTable(1)
    new = table.add(Session(session_id="a"))
    table.add(Session(session_id="b"))
    back = table.add(Session(session_id="a"))
    assert new.sources is not None
    assert back.sources is not None
    assert not new.sources.evicted
    assert back.sources.evicted


def test_many_ids_take_no_more_room_than_they_may() -> None:
    table = SessionTable(4)
    for number in range(1_000):
        table.add(Session(session_id=str(number)))
    assert len(table) == 4
    assert len(table._gone) <= 64


def test_after_its_session_went_an_address_from_nowhere_is_untrusted() -> None:
    config = ShieldConfig(events_enabled=False, max_sessions=1)
    with Shield(config=config) as shield:
        context = {"session_id": "s1"}
        shield.scan_input("Write to Ann", context)
        shield.scan_input("Hello", {"session_id": "s2"})
        again = shield.validate_action("send_email", {"to": "zoe99@nowhere.example"}, context)
        assert again.call is not None
        assert [origin.kind for origin in again.call.traced[0].origins] == ["untrusted"]
