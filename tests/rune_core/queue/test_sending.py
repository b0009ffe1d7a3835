"""From a scan to a server over real sockets: nothing is lost, and nothing twice."""

from __future__ import annotations

import gzip
import json
import logging

import pytest
from local_rune_server import KEY, RuneServer
from waiting import EVENTS, delivered, posts, sink_of, spool_of, until

from rune_core.event.decode import decode
from rune_core.queue.spool import Spool
from rune_core.testing import RecordingSink


def test_events_arrive_whole_and_compressed(to_server, server):
    beside = RecordingSink()
    shield = to_server()
    shield._engine.emitter._worker._sinks += (beside,)
    shield.scan_input("hello")
    shield.validate_action("send_email", {"to": "bob"})
    assert shield.flush(10)
    [request] = posts(server)
    assert request.headers["x-rune-key"] == KEY
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["content-type"] == "application/json"
    sent = json.loads(gzip.decompress(request.body))
    assert list(sent) == ["events"]
    assert [decode(json.dumps(event)) for event in sent["events"]] == beside.events
    assert shield.stats.losses == {}
    assert spool_of(shield).figures().depth == 0
    assert sink_of(shield).delivery.delivered == 2


def test_one_that_stops_goes_at_once_and_the_others_wait_for_company(to_server, server):
    shield = to_server(event_flush_interval_seconds=600)
    shield.scan_input("x")
    until(lambda: spool_of(shield).figures().depth == 1)
    assert posts(server) == []
    shield.validate_action("danger", {})
    until(lambda: len(server.events) == 2)


def test_a_batch_is_as_large_as_configured_and_larger_while_many_wait(to_server, server):
    shield = to_server(event_batch_size=10, event_flush_interval_seconds=600)
    sender = sink_of(shield).sender
    with sender._sending:
        for _ in range(300):
            shield.scan_input("x")
        until(lambda: spool_of(shield).figures().depth == 300)
    assert shield.flush(10)
    sizes = [len(json.loads(gzip.decompress(r.body))["events"]) for r in posts(server)]
    assert sum(sizes) == 300 == len(server.events)
    assert sizes[0] == 10
    assert max(sizes) in range(80, 101)


def test_what_fills_no_batch_waits_for_company(to_server, server):
    shield = to_server(event_batch_size=10, event_flush_interval_seconds=600)
    for count in (10, 20):
        for _ in range(10):
            shield.scan_input("x")
        until(lambda count=count: len(server.events) == count)
    for _ in range(5):
        shield.scan_input("x")
    until(lambda: spool_of(shield).figures().depth == 5)
    shield.close()
    assert len(posts(server)) == 3  # the last one at the end
    assert len(server.events) == 25


def test_the_interval_is_the_longest_wait(to_server, server):
    shield = to_server(event_flush_interval_seconds=0.05)
    for count in (1, 2, 3):
        shield.scan_input("x")
        until(lambda count=count: len(server.events) == count)


def test_without_a_key_or_when_switched_off_nothing_is_sent(to_server, server, state):
    for settings in ({"api_key": None}, {"url": None}, {"events_to_server": False}):
        shield = to_server(**settings)
        shield.scan_input("x")
        shield.flush(5)
        shield.close()
    assert server.requests == []
    assert not (state / "spool").exists()


def test_what_one_process_left_the_next_one_sends(to_server, server, quick):
    server.faults[EVENTS] = (503, {}, b"")
    first = to_server()
    for _ in range(3):
        first.scan_input("x")
    assert not first.flush(5)
    first.close()
    assert server.events == {}
    server.faults.clear()
    second = to_server()
    second.scan_input("x")
    assert second.flush(10)
    assert len(server.events) == 4
    assert first.stats.losses == second.stats.losses == {}


def test_another_key_has_another_spool(to_server, server, quick):
    server.faults[EVENTS] = (503, {}, b"")
    first = to_server()
    first.scan_input("x")
    first.flush(5)
    other = to_server(api_key="rune_live_" + "u" * 43)
    other.scan_input("y")
    other.flush(5)
    assert spool_of(first).path != spool_of(other).path
    assert spool_of(first).figures().depth == spool_of(other).figures().depth == 1


# -- what the server answers


@pytest.mark.parametrize(
    "fault",
    [
        (500, {}, b""),
        (502, {}, b"<html>"),
        (503, {}, b""),
        (200, {}, b"<html>"),
        (202, {}, b"<html>"),
        (202, {}, b'{"accepted": 1}'),
        (202, {}, b'{"accepted": 99, "duplicates": 0, "rejected": []}'),
        (202, {}, b'{"accepted": -1, "duplicates": 3, "rejected": []}'),
        (202, {}, b'{"accepted": 1, "duplicates": 0, "rejected": [{"index": 7}]}'),
        (202, {}, b'{"accepted": 0, "duplicates": 0, "rejected": [{"index": 0}, {"index": 0}]}'),
        (204, {}, b""),
        (302, {"Location": "/"}, b""),
        (400, {}, b"<html>nginx</html>"),
        (404, {}, b""),
        (401, {}, b""),
        (403, {}, b""),
        "garbage",
        "truncate",
        "close",
    ],
    ids=str,
)
def test_whatever_goes_wrong_events_wait_and_arrive_once(to_server, server, quick, fault):
    server.faults[EVENTS] = fault
    shield = to_server()
    for _ in range(2):
        shield.scan_input("x")
    assert not shield.flush(10)
    assert sink_of(shield).delivery.error
    assert any("cannot be delivered" in line for line in shield.coverage().warnings)
    figures = spool_of(shield).figures()
    assert (figures.depth, figures.dead_letters) == (2, 0)
    server.faults.clear()
    delivered(shield)
    assert len(server.events) == 2
    assert sink_of(shield).delivery.error == ""
    assert spool_of(shield).figures().depth == 0
    assert shield.stats.losses == {}


def test_an_answer_that_got_lost_doubles_nothing(to_server, server, quick):
    """The server took them, and its answer never came: it is told again and knows them."""
    answered = server.RequestHandlerClass._events

    def cut_off(handler, headers, body):
        if not server.events:
            write, handler.wfile.write = handler.wfile.write, lambda _: None
            answered(handler, headers, body)
            handler.wfile.write = write
            handler.close_connection = True
        else:
            answered(handler, headers, body)

    server.RequestHandlerClass = type("Cut", (server.RequestHandlerClass,), {"_events": cut_off})
    shield = to_server()
    shield.scan_input("x")
    until(lambda: shield.flush(5))
    assert len(server.events) == 1
    assert set(server.received.values()) == {2}
    assert spool_of(shield).figures().depth == 0


def test_a_refused_event_becomes_a_dead_letter_and_the_others_arrive(to_server, server):
    server.verdict = lambda event: ("schema", "no\nsuch field") if event["size"] == 3 else None
    shield = to_server()
    for text in ("x", "xxx", "xx"):
        shield.scan_input(text)
    assert shield.flush(10)
    assert sorted(event["size"] for event in server.events.values()) == [1, 2]
    [letter] = spool_of(shield).dead_letters()
    assert (letter.code, letter.reason) == ("schema", "no such field")
    assert json.loads(letter.body)["size"] == 3
    assert sink_of(shield).delivery.refused == 1
    server.verdict = lambda _: None
    spool_of(shield).revive()
    shield.scan_input("xxxx")
    assert shield.flush(10)
    assert len(server.events) == 4


def test_an_event_rejected_for_now_is_sent_again(to_server, server, quick):
    once = {"rate_limited", "unavailable"}

    def verdict(event):
        return (once.pop(), "later") if once else None

    server.verdict = verdict
    shield = to_server()
    shield.scan_input("x")
    shield.scan_input("x")
    until(lambda: len(server.events) == 2)
    until(lambda: spool_of(shield).figures().depth == 0)
    assert spool_of(shield).figures().dead_letters == 0


def problem(status, code="invalid", **headers):
    body = {"type": "about:blank", "title": "no", "status": status, "code": code}
    return (
        status,
        {"Content-Type": "application/problem+json", **headers},
        json.dumps(body).encode(),
    )


def test_a_batch_that_is_too_large_is_split(to_server, server, quick):
    server.max_events = 3
    shield = to_server(event_batch_size=16)
    for _ in range(16):
        shield.scan_input("x")
    assert shield.flush(20)
    assert len(server.events) == 16
    assert set(server.received.values()) == {1}
    assert shield.stats.losses == {}


def test_one_event_that_is_too_large_alone_is_a_dead_letter(to_server, server, quick):
    server.max_events = 0
    shield = to_server()
    shield.scan_input("x")
    shield.scan_input("y")
    assert shield.flush(20)
    assert [letter.code for letter in spool_of(shield).dead_letters()] == ["too_large"] * 2


@pytest.mark.parametrize("status", [400, 422])
def test_of_a_request_that_is_refused_only_the_culprit_is_buried(to_server, server, quick, status):
    answered = server.RequestHandlerClass._events

    def picky(handler, headers, body):
        events = json.loads(gzip.decompress(body))["events"]
        if any(event["size"] == 5 for event in events):
            handler._answer(*problem(status, "bad_event"))
        else:
            answered(handler, headers, body)

    server.RequestHandlerClass = type("Picky", (server.RequestHandlerClass,), {"_events": picky})
    shield = to_server()
    for size in range(1, 9):
        shield.scan_input("x" * size)
    assert shield.flush(20)
    assert len(server.events) == 7
    [letter] = spool_of(shield).dead_letters()
    assert letter.code == "bad_event"
    assert json.loads(letter.body)["size"] == 5


def test_a_server_that_refuses_everything_does_not_empty_the_spool(
    to_server, server, quick, monkeypatch
):
    monkeypatch.setattr("rune_core.queue.sender.MAX_BURIED_IN_A_ROW", 3)
    server.faults[EVENTS] = problem(422)
    shield = to_server(event_batch_size=4)
    for _ in range(12):
        shield.scan_input("x")
    until(lambda: spool_of(shield).figures().dead_letters == 3)
    until(lambda: "422" in sink_of(shield).delivery.error)
    assert not shield.flush(5)
    figures = spool_of(shield).figures()
    assert (figures.dead_letters, figures.depth) == (3, 9)


def test_without_gzip_where_it_is_not_known(to_server, server):
    answered = server.RequestHandlerClass._events

    def plain(handler, headers, body):
        if "content-encoding" in headers:
            handler._answer(*problem(415))
        else:
            answered(handler, headers, body)

    server.RequestHandlerClass = type("Plain", (server.RequestHandlerClass,), {"_events": plain})
    shield = to_server()
    shield.scan_input("x")
    assert shield.flush(10)
    shield.scan_input("x")
    assert shield.flush(10)
    assert len(server.events) == 2
    assert len(posts(server)) == 3


# -- limits


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(to_server, server, quick, status):
    server.faults[EVENTS] = [(status, {"Retry-After": "1"}, b"")]
    shield = to_server()
    shield.scan_input("x")
    until(lambda: len(server.events) == 1)
    first, second = posts(server)
    assert second.at - first.at >= 1


def test_a_limit_of_one_category_lets_the_others_pass(to_server, server, quick):
    limits = {"X-Rune-Rate-Limits": "3600:tool_call;none-of-ours, x:scan"}
    server.faults[EVENTS] = [(429, {"Retry-After": "3600", **limits}, b"")]
    shield = to_server()
    shield.validate_action("t", {})
    assert not shield.flush(5)
    shield.scan_input("x")
    until(lambda: shield.flush(1) or server.events)
    assert [event["event_type"] for event in server.events.values()] == ["scan"]
    assert spool_of(shield).figures().by_category == {"tool_call": 1}


def test_limits_stand_on_good_answers_too(to_server, server, quick):
    server.answer_headers = {"RateLimit-Remaining": "0", "RateLimit-Reset": "3600"}
    shield = to_server()
    shield.scan_input("x")
    until(lambda: len(server.events) == 1)
    shield.flush(5)
    shield.scan_input("x")
    assert not shield.flush(5)
    assert len(posts(server)) == 1


def test_a_server_that_keeps_failing_is_left_alone(to_server, server, quick):
    server.faults[EVENTS] = (500, {}, b"")
    shield = to_server(event_flush_interval_seconds=0.01)
    shield.scan_input("x")
    until(lambda: sink_of(shield).delivery.is_open)
    asked = len(posts(server))
    assert asked <= 9
    for _ in range(20):
        shield.scan_input("x")
    until(lambda: spool_of(shield).figures().depth == 21)
    assert not shield.flush(1)
    assert len(posts(server)) == asked


def test_one_poisonous_event_does_not_hold_up_the_others(to_server, server, quick, monkeypatch):
    monkeypatch.setattr("rune_core.queue.breaker.FAILURES", 1000)
    answered = server.RequestHandlerClass._events

    def breaks(handler, headers, body):
        if b'"size":5,' in gzip.decompress(body):
            handler._answer(500, {}, b"")
        else:
            answered(handler, headers, body)

    server.RequestHandlerClass = type("Breaks", (server.RequestHandlerClass,), {"_events": breaks})
    shield = to_server(event_batch_size=8, event_flush_interval_seconds=0.01)
    for size in range(1, 31):
        shield.scan_input("x" * size)
    until(lambda: len(server.events) == 29)
    until(lambda: spool_of(shield).figures().depth == 1)


# -- what is said


def test_a_failure_is_logged_once_and_its_end_too(to_server, server, quick, caplog):
    caplog.set_level(logging.INFO, "rune_core.events")
    server.faults[EVENTS] = (500, {}, b"")
    shield = to_server(event_flush_interval_seconds=0.01)
    shield.scan_input("x")
    until(lambda: len(posts(server)) > 3)
    server.faults.clear()
    delivered(shield)
    said = [record.getMessage() for record in caplog.records]
    assert sum("cannot be delivered" in line for line in said) == 1
    assert "events are delivered again" in said
    assert KEY not in "".join(said)


def test_the_status_tells_how_the_queue_is(to_server, server, quick):
    server.faults[EVENTS] = (500, {}, b"")
    shield = to_server(policy_sync_interval_seconds=60)
    shield.scan_input("x")
    shield.flush(5)
    from rune_core.bundle.report import status_of
    from rune_core.bundle.sync import SyncState

    queue = status_of(shield._engine, SyncState()).queue
    assert queue.depth == 1
    assert queue.oldest_seconds >= 0
    assert queue.dead_letters == 0


def test_several_shields_of_one_process_share_a_spool(to_server, server):
    shields = [to_server() for _ in range(3)]
    for _ in range(20):
        for shield in shields:
            shield.scan_input("x")
    for shield in shields:
        shield.flush(20)
    until(lambda: len(server.events) == 60)
    assert len({spool_of(shield).path for shield in shields}) == 1


def test_closing_keeps_what_was_not_sent(to_server, server, state):
    server.faults[EVENTS] = "hang"
    shield = to_server()
    shield.scan_input("x")
    until(lambda: posts(server))
    shield.close(0.5)
    [file] = (state / "spool").glob("*.db")
    spool = Spool(file.parent, file.name.removesuffix(".v1.db"), max_rows=9, max_bytes=9999)
    until(lambda: spool.figures().depth == 1)
    spool.close()
    assert shield.stats.losses == {}


def test_a_server_that_comes_back_on_the_same_port(state, to_server, server, quick):
    with RuneServer() as first:
        port = first.server_port
        shield = to_server(url=first.url)
        shield.scan_input("x")
        assert shield.flush(10)
    shield.scan_input("x")
    assert not shield.flush(5)
    with RuneServer(port=port) as second:
        delivered(shield)
        assert len(second.events) == 1
        shield.close()
