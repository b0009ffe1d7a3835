from __future__ import annotations

import gc
import os
import signal
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.context import ScanContext
from rune_core.event.draft import draft
from rune_core.ids import keyed_hash
from rune_core.queue.front import CATEGORIES, Front
from rune_core.session.session import Session
from rune_core.testing import shield_for_tests
from rune_scanner.finding import Surface

CANARY = "canary-0d9c41f7"
POLICY = """
version: "1.0"
rules:
  - {name: refused, type: tool_denylist, tools: [danger], action: block}
"""


@pytest.fixture(scope="module")
def results():
    with shield_for_tests(policy=POLICY) as shield:
        return {
            "allow": shield.validate_action("fine", {"to": CANARY, "n": {"deep": [CANARY]}}),
            "block": shield.validate_action("danger", {"to": CANARY}),
        }


def draft_of(results, action, at=0):
    result = results[action]
    context = ScanContext(Surface.TOOL_CALL, Session(), tool="fine", source=CANARY)
    made = draft(result, context, "low", {"to": CANARY}, keyed_hash)
    made.at = at
    return made


@pytest.fixture
def of(results):
    return lambda action, at=0: draft_of(results, action, at)


def test_drafts_leave_in_the_order_of_their_times(of):
    front = Front(10, 5)
    for at in (3, 1, 2):
        assert front.put(of("block" if at == 1 else "allow", at)) is None
    assert [one.at for one in front.take(10)] == [1, 2, 3]
    assert len(front) == 0


def test_the_oldest_of_the_least_important_goes_first(of):
    front = Front(3, 5)
    for at, action in enumerate(("allow", "block", "allow")):
        front.put(of(action, at))
    assert front.put(of("block", 3)).at == 0
    assert front.put(of("block", 4)).at == 2
    refused = of("allow", 5)
    assert front.put(refused) is refused
    assert front.put(of("block", 6)).at == 1
    assert [one.at for one in front.take(9)] == [3, 4, 6]


@given(st.lists(st.sampled_from(["allow", "block", "take"]), max_size=60), st.integers(1, 8))
def test_whatever_happens_nothing_is_lost_uncounted_and_no_block_goes_before_an_allow(
    results, steps, limit
):
    front, gone, taken = Front(limit, 3), [], []
    for step in steps:
        if step == "take":
            taken += front.take(2)
            continue
        dropped = front.put(draft_of(results, step))
        if dropped is not None:
            gone.append(dropped)
            assert dropped.priority == 0 or all(one.priority == 2 for one in held(front))
        assert len(front) <= limit
    taken += front.take(limit)
    put = sum(step != "take" for step in steps)
    assert len(taken) + len(gone) == put == sum(front.put_so_far().values())
    assert len(front) == 0


def held(front):
    return [one for drafts in front._drafts for one in drafts]


def test_the_bell_rings_for_the_first_for_a_batch_and_for_what_is_urgent(of):
    front = Front(10, 3)
    assert not front.wait(0)
    front.put(of("allow"))
    assert front.wait(0)
    front.put(of("allow"))
    assert not front.wait(0)
    assert not front.ready
    front.put(of("allow"))
    assert front.wait(0)
    assert front.ready
    front.take(10)
    front.put(of("block"))
    assert front.wait(0)
    assert front.ready


def test_the_count_can_be_kept_elsewhere(of):
    front = Front(10, 3)
    front.put(of("allow"))
    counts = memoryview(bytearray(8 * len(CATEGORIES))).cast("Q")
    front.count_in(counts)
    front.put(of("allow"))
    assert list(counts) == [0, 2, 0]
    assert front.put_so_far() == {"scan": 0, "tool_call": 2, "alert": 0}


def test_a_draft_holds_no_content(of):
    """What waits in memory is metadata already: nothing reachable from it is a scanned text."""
    seen, stack = set(), [of("block")]
    while stack:
        one = stack.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        assert not (isinstance(one, str | bytes) and CANARY in str(one))
        fields = getattr(one, "__struct_fields__", ())
        stack += [getattr(one, name) for name in fields]
        stack += [item for item in gc.get_referents(one) if not hasattr(item, "__path__")]
    assert len(seen) > 20


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_a_signal_handler_may_queue_while_the_same_thread_does(of):
    front, handled = Front(100_000, 50), []
    one = of("block")

    def handler(*_):
        handled.append(front.put(one))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        put = 0
        while len(handled) < 50:
            front.put(one)
            put += 1
            if put % 1000 == 0:
                front.take(100_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert sum(front.put_so_far().values()) == put + len(handled)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_is_not_stopped_by_a_lock_that_a_thread_of_the_parent_holds():
    with shield_for_tests(policy=POLICY, events_enabled=True) as shield:
        shield.scan_input("x")
        emitter, tally = shield._engine.emitter, shield._engine.tally
        taken, leave = threading.Event(), threading.Event()

        def hold():
            with emitter._front._lock, emitter._losses._lock, tally._lock:
                taken.set()
                leave.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        taken.wait(30)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            shield.scan_input("y")
            os._exit(0 if shield.stats.scans_total == 2 else 1)
        leave.set()
        thread.join()
        assert os.waitpid(child, 0)[1] == 0
