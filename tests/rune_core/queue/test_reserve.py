"""What stands in for the spool: bounded, in order, and nothing leaves it uncounted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rune_core.queue.reserve import Reserve
from rune_core.queue.rows import Row


def row(number: int, priority: int = 0, category: str = "scan") -> Row:
    return Row(f"e{number}", category, priority, b"{}")


def test_what_comes_back_is_older_than_what_is_there():
    reserve = Reserve(3, 1000)
    reserve.put([row(1), row(2)])
    taken = reserve.drain()
    assert len(reserve) == 2  # still on its way
    reserve.put([row(3), row(4)])
    assert sum(loss.count for loss in reserve.put(taken, oldest=True)) == 1
    reserve.moved(taken)
    assert [held.event_id for held in reserve.claim(9, 1000)] == ["e2", "e3", "e4"]


def test_categories_and_bytes():
    reserve = Reserve(9, 1000)
    reserve.put([row(1), row(2, category="alert"), row(3)])
    assert [held.event_id for held in reserve.claim(9, 1000, ("scan",))] == ["e2"]
    assert len(reserve.claim(9, 1)) == 1
    assert len(reserve.claim(9, 1000)) == 1


@given(st.lists(st.sampled_from(["put", "claim", "done", "back", "drain"]), max_size=50))
def test_whatever_happens_every_event_is_somewhere(steps):
    reserve, put, done, lost, held = Reserve(6, 1000), 0, 0, 0, []
    for number, step in enumerate(steps):
        if step == "put":
            put += 1
            lost += len(reserve.put([row(number, number % 3)]))
        elif step == "claim":
            held += reserve.claim(2, 1000)
        elif step == "done" and held:
            done += len(reserve.done([held.pop().id]))
        elif step == "back" and held:
            reserve.back([held.pop().id])
        elif step == "drain":
            rows = reserve.drain()
            lost += len(reserve.put(rows, oldest=True))
            reserve.moved(rows)
    assert put == done + lost + len(reserve)
    assert len(reserve.claim(99, 9999)) + len(held) == len(reserve)
