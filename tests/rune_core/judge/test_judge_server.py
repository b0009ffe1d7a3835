"""Servers that are slow, gone, broken, hostile or peculiar: never an exception, never "clean"."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rune_core import Action, ConfigError, LayerStatus, ShieldConfig
from rune_core.layers.judge import client as judge_client
from rune_core.layers.judge.answer import JudgeAnswer, MalformedAnswerError, content_of, read
from rune_core.layers.judge.limits import Answers, Breaker, Budget
from rune_core.layers.judge.settings import JudgeSettings
from rune_core.testing import FakeJudge

ATTACK = {"attack": True, "attack_confidence": 0.9, "threat": "jailbreak"}


def report(result):
    return next(report for report in result.reports if report.layer == "l3_judge")


def message(content, **choice):
    return json.dumps({"choices": [{"message": {"content": content}, **choice}]}).encode()


BAD_ANSWERS = {
    "prose": "This is not an attack.",
    "empty": message(""),
    "null": message(None),
    "number": message(5),
    "no choices": b'{"choices": []}',
    "no json": b"<html>proxy error</html>",
    "truncated": b'{"choices": [{"message": {"content": "{\\"mark\\": ',
    "cut short": message("{}", finish_reason="length"),
    "list": "[]",
    "two objects": "{} {}",
    "without mark": '{"attack": false}',
    "nested deeply": "[" * 100_000,
    "not utf-8": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_what_is_no_answer_is_an_error(judged, name, asynchronous) -> None:
    with judged(BAD_ANSWERS[name]) as (shield, _, _):
        scan = (
            (lambda t: asyncio.run(shield.ascan_document(t)))
            if asynchronous
            else (shield.scan_document)
        )
        result = scan("odd")
        assert result.judge_outcome == "error"
        assert report(result).status is LayerStatus.ERROR
        assert result.degraded
        assert result.action is Action.FLAG  # what the other layers made of it


@pytest.mark.parametrize(
    "change",
    [
        {"mark": "0" * 32},
        {"attack": "false"},
        {"attack": None},
        {"attack_confidence": 1.5},
        {"attack_confidence": -0.1},
        {"attack_confidence": "0.9"},
        {"threat": "nonsense"},
        {"serves_user": "maybe"},
        {"reason": "an extra key"},
    ],
)
def test_answers_are_read_strictly(judged, change) -> None:
    with judged(change) as (shield, _, _):
        assert shield.scan_document("odd").judge_outcome == "error"


def test_a_key_said_twice_is_no_answer() -> None:
    text = (
        '{"mark":"m","attack":true,"attack":false,"attack_confidence":1,"threat":"none",'
        '"serves_user":"unclear","serves_confidence":0}'
    )
    with pytest.raises(MalformedAnswerError, match="twice"):
        read(text, "m", about_call=False)


def test_a_fenced_answer_is_an_answer(judged) -> None:
    def fenced(request):
        return (
            "```json\n"
            + json.dumps(
                {"mark": request.mark, **ATTACK, "serves_user": "unclear", "serves_confidence": 0.1}
            )
            + "\n```"
        )

    with judged(fenced) as (shield, _, _):
        assert shield.scan_document("odd").judge_outcome == "agreed"


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(MalformedAnswerError):
        assert isinstance(read(text, "m", about_call=True), JudgeAnswer)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with suppress(MalformedAnswerError):
        content_of(body)


def test_numbers_that_are_none_are_refused() -> None:
    for bad in ("NaN", "Infinity", "-Infinity", "1e999"):
        text = (
            f'{{"mark":"m","attack":true,"attack_confidence":{bad},"threat":"none",'
            '"serves_user":"no","serves_confidence":0}'
        )
        with pytest.raises(MalformedAnswerError):
            read(text, "m", about_call=False)


# -- statuses, retries


def test_an_overloaded_server_is_asked_again(judged) -> None:
    statuses = iter([503, 429])
    with judged(lambda _request: next(statuses, ATTACK)) as (shield, judge, _):
        assert shield.scan_document("odd").judge_outcome == "agreed"
        assert len(judge.requests) == 3


def test_on_a_loop_as_well(judged) -> None:
    statuses = iter([500, None])
    with judged(lambda _request: next(statuses, ATTACK)) as (shield, judge, _):
        assert asyncio.run(shield.ascan_document("odd")).judge_outcome == "agreed"
        assert len(judge.requests) == 3


@pytest.mark.parametrize(("status", "asked"), [(401, 1), (403, 1), (404, 1), (500, 3), (302, 1)])
def test_what_cannot_help_is_not_tried_again(judged, status, asked) -> None:
    with judged(status) as (shield, judge, _):
        result = shield.scan_document("odd")
        assert (result.judge_outcome, report(result).reason) == ("error", f"HTTP {status}")
        assert len(judge.requests) == asked


def test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for(judged) -> None:
    with judged(judge=FakeJudge(429, headers={"Retry-After": "600"})) as (shield, judge, _):
        started = time.monotonic()
        assert shield.scan_document("odd").judge_outcome == "error"
        assert time.monotonic() - started < 60
        assert len(judge.requests) == 1


def test_a_provider_without_schemas_is_asked_without_one(judged) -> None:
    with judged(judge=FakeJudge(ATTACK, refuses_schema=True)) as (shield, judge, _):
        assert shield.scan_document("odd").judge_outcome == "agreed"
        assert shield.scan_document("more odd").judge_outcome == "agreed"
        asked = ["response_format" in request.body for request in judge.requests]
        assert asked == [True, False, False]


def test_a_request_that_is_bad_anyway_does_not_lose_the_schema(judged) -> None:
    answers = iter([400, 400])
    with judged(lambda _request: next(answers, ATTACK)) as (shield, judge, _):
        assert shield.scan_document("odd").judge_outcome == "error"
        assert shield.scan_document("more odd").judge_outcome == "agreed"
        assert ["response_format" in r.body for r in judge.requests] == [True, False, True]


def test_nobody_there(judged) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with judged(judge_url=url) as (shield, _, _):
            for result in (shield.scan_document("odd"), asyncio.run(shield.ascan_document("odd2"))):
                assert result.judge_outcome == "error"
                assert report(result).reason == "cannot connect"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_questions_tell_the_applications_log_nothing(judged, asynchronous, caplog) -> None:
    caplog.set_level(logging.INFO)
    with judged(ATTACK) as (shield, judge, _):
        asyncio.run(shield.ascan_input("odd")) if asynchronous else shield.scan_input("odd")
        assert len(judge.requests) == 1
    assert [record.name for record in caplog.records if "httpx" in record.name] == []


def test_redirects_are_not_followed(judged) -> None:
    """Texts go to the address that was configured, and nowhere else."""
    with FakeJudge(ATTACK) as elsewhere:
        moved = FakeJudge(307, headers={"Location": f"{elsewhere.url}/chat/completions"})
        with judged(judge=moved) as (shield, _, _):
            assert shield.scan_document("odd").judge_outcome == "error"
        assert elsewhere.requests == []


# -- time and size


def hang(event):
    return lambda _request: event.wait(20)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_that_hangs_ends_as_a_timeout(judged, asynchronous) -> None:
    done = threading.Event()
    judge = FakeJudge(ATTACK, before=hang(done))
    with judged(judge=judge, judge_timeout_seconds=0.3) as (shield, _, sink):
        try:
            result = (
                asyncio.run(shield.ascan_document("odd"))
                if asynchronous
                else shield.scan_document("odd")
            )
            shield.flush()
        finally:
            done.set()
        assert result.judge_outcome == "timeout"
        assert report(result).status is LayerStatus.TIMEOUT
        assert result.degraded
        entry = next(e for e in sink.events[0].layers if e.layer == "l3_judge")
        assert (entry.status, entry.outcome) == ("timeout", "timeout")


def test_an_event_loop_goes_on_while_the_judge_thinks(judged) -> None:
    done = threading.Event()
    with judged(judge=FakeJudge(ATTACK, before=hang(done))) as (shield, _, _):

        async def run():
            scan = asyncio.create_task(shield.ascan_document("odd"))
            ticks = 0
            while ticks < 20:
                await asyncio.sleep(0.005)
                ticks += 1
            assert not scan.done()
            done.set()
            return await scan

        assert asyncio.run(run()).judge_outcome == "agreed"


def test_a_cancelled_scan_leaves_nothing_behind(judged) -> None:
    done = threading.Event()
    with judged(judge=FakeJudge(ATTACK, before=hang(done))) as (shield, _, _):

        async def run():
            scan = asyncio.create_task(shield.ascan_document("odd"))
            await asyncio.sleep(0.1)
            scan.cancel()
            with pytest.raises(asyncio.CancelledError):
                await scan
            done.set()
            return await shield.ascan_document("odd again")

        assert asyncio.run(run()).judge_outcome == "agreed"


class _Dripping(threading.Thread):
    """A server that sends one byte now and then, for ever."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.stopping = threading.Event()
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"
        self.start()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try:
                    while not self.stopping.wait(0.05):
                        connection.sendall(b" ")
                except OSError:
                    continue

    def close(self) -> None:
        self.stopping.set()
        self.socket.close()
        self.join(5)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_that_drips_is_not_waited_for(judged, asynchronous) -> None:
    server = _Dripping()
    try:
        with judged(judge_url=server.url, judge_timeout_seconds=0.4) as (shield, _, _):
            started = time.monotonic()
            result = (
                asyncio.run(shield.ascan_document("odd"))
                if asynchronous
                else shield.scan_document("odd")
            )
            assert time.monotonic() - started < 10
            assert result.judge_outcome == "timeout"
    finally:
        server.close()


def test_an_endless_answer_is_not_read(judged) -> None:
    with judged(b"x" * (judge_client.MAX_ANSWER_BYTES + 1)) as (shield, _, _):
        result = shield.scan_document("odd")
        assert report(result).reason == f"the answer is longer than {262_144} bytes"


# -- what keeps it cheap


def test_over_budget_it_is_not_asked_and_that_is_not_clean(judged) -> None:
    with judged(judge_tokens_per_hour=2_000) as (shield, judge, sink):
        results = [shield.scan_document(f"odd {n}") for n in range(5)]
        outcomes = [result.judge_outcome for result in results]
        assert outcomes[0] == "disagreed"
        assert outcomes[-1] == "over_budget"
        assert len(judge.requests) < 5
        assert report(results[-1]).status is LayerStatus.ERROR
        assert report(results[-1]).reason == "2000 tokens an hour are used up"
        assert results[-1].degraded
        shield.flush()
        assert sink.events[-1].layers[-1].outcome == "over_budget"


def test_a_judge_that_fails_is_left_alone_for_a_while(judged) -> None:
    with judged(401) as (shield, judge, _):
        results = [shield.scan_document(f"odd {n}") for n in range(8)]
        assert {result.judge_outcome for result in results} == {"error"}
        assert len(judge.requests) == 5
        assert report(results[-1]).reason == "not asked: it failed too often just now"


def test_texts_that_confuse_the_judge_cannot_switch_it_off(judged) -> None:
    with judged(lambda r: "gibberish" if "confuse" in r.text else ATTACK) as (shield, judge, _):
        for n in range(8):
            assert shield.scan_document(f"confuse odd {n}").judge_outcome == "error"
        assert shield.scan_document("odd").judge_outcome == "agreed"
        assert len(judge.requests) == 9


def test_budget_forgets_after_an_hour() -> None:
    now = [0.0]
    budget = Budget(100, lambda: now[0])
    assert budget.take(60)
    assert not budget.take(60)
    budget.correct(-20)
    assert budget.take(60)
    assert budget.spent == 100
    now[0] = 3600.0
    assert budget.spent == 0
    assert budget.take(100)
    assert Budget(0).take(10**9)


def test_breaker_lets_one_try_after_a_pause() -> None:
    now = [0.0]
    breaker = Breaker(2, 10.0, lambda: now[0])
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert breaker.is_open
    assert not breaker.allows()
    now[0] = 10.0
    assert breaker.allows()
    assert not breaker.allows()
    breaker.failed()
    now[0] = 19.0
    assert not breaker.allows()
    now[0] = 20.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert not breaker.is_open


def test_answers_are_bounded() -> None:
    answers = Answers(2)
    answer = JudgeAnswer(0.0, None, 0.0)
    for key in (b"a", b"b"):
        answers.put(key, answer)
    assert answers.get(b"a") is answer
    answers.put(b"c", answer)
    assert answers.get(b"b") is None
    assert answers.get(b"a") is answer


# -- settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"judge_url": "https://x.example/v1"}, "judge_model: is missing"),
        ({"judge_model": "m"}, "judge_url: is missing"),
        ({"judge_url": "http://x.example/v1", "judge_model": "m"}, "must begin with https://"),
        ({"judge_url": "ftp://x.example", "judge_model": "m"}, "must look like https://"),
        ({"judge_url": "https://me:pw@x.example", "judge_model": "m"}, "no user or password"),
        ({"judge_url": "https://x.example/?a=1", "judge_model": "m"}, "without \\? and #"),
        (
            {"judge_url": "https://x.example", "judge_model": "m", "judge_doubt_low": 0.9},
            "the lower one first",
        ),
        (
            {"judge_url": "https://x.example", "judge_model": "m", "judge_api_key": "a b"},
            "judge_api_key: must be printable",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given, said) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        JudgeSettings.of(ShieldConfig(**given))
    assert "pw" not in str(raised.value)


def test_the_address_may_be_given_in_full() -> None:
    config = ShieldConfig(judge_url="https://x.example/v1/chat/completions", judge_model="m")
    settings_ = JudgeSettings.of(config)
    assert settings_ is not None
    assert settings_.url == "https://x.example/v1"


def test_settings_come_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("RUNE_JUDGE_URL", "http://localhost:1/v1")
    monkeypatch.setenv("RUNE_JUDGE_MODEL", "m")
    monkeypatch.setenv("RUNE_JUDGE_API_KEY", "a-key-for-it")
    settings_ = JudgeSettings.of(ShieldConfig())
    assert settings_ is not None
    assert (settings_.url, settings_.key) == ("http://localhost:1/v1", "a-key-for-it")
    assert "a-key" not in repr(settings_)
