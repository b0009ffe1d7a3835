"""Asked after the fact: the call does not wait, an alert follows when the judge agrees."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from rune_core import Action
from rune_core.layers.judge import later
from rune_core.testing import FakeJudge

ATTACK = {"attack": True, "attack_confidence": 0.9, "threat": "prompt_injection"}


def test_the_call_does_not_wait_and_an_alert_follows(judged) -> None:
    done = threading.Event()
    judge = FakeJudge(ATTACK, before=lambda _request: done.wait(20))
    with judged(judge=judge, judge_later=True) as (shield, _, sink):
        result = shield.scan_document("odd", agent_id="billing")
        assert (result.action, result.judge_outcome) == (Action.FLAG, "later")
        assert not result.degraded
        assert not shield.flush(0.05)
        done.set()
        assert shield.flush(10)
        first, alert = sink.events
        assert (first.event_type, first.layers[-1].outcome) == ("scan", "later")
        assert (alert.event_type, alert.rule) == ("alert", "l3-judge")
        assert alert.layers[-1].outcome == "agreed"
        assert alert.decision_id == first.decision_id
        assert alert.agent_id == "billing"
        assert "l3-attack" in alert.detectors
        assert alert.risk_score > first.risk_score
        assert alert.action == "flag"  # what was decided stays decided
        assert shield.stats.judge_outcomes == {"later": 1, "agreed": 1}


def test_without_agreement_there_is_a_count_and_no_alert(judged) -> None:
    with judged(judge_later=True) as (shield, judge, sink):
        asyncio.run(shield.ascan_document("odd"))
        assert shield.flush(10)
        assert [event.event_type for event in sink.events] == ["scan"]
        assert shield.stats.judge_outcomes == {"later": 1, "disagreed": 1}
        judge.answer = 500
        shield.scan_document("odd again")
        assert shield.flush(20)
        assert shield.stats.judge_outcomes == {"later": 2, "disagreed": 1, "error": 1}


def test_questions_that_wait_are_bounded(judged, monkeypatch) -> None:
    monkeypatch.setattr(later, "MAX_WAITING", 2)
    done = threading.Event()
    judge = FakeJudge(before=lambda _request: done.wait(20))
    with judged(judge=judge, judge_later=True) as (shield, _, _):
        for n in range(8):
            shield.scan_document(f"odd {n}")
        counted = shield.stats.judge_outcomes
        assert counted["later"] == 8
        assert counted["over_budget"] >= 5
        done.set()
        assert shield.flush(10)
        assert sum(shield.stats.judge_outcomes.values()) == 16


def test_closing_asks_what_waits_within_its_time(judged) -> None:
    asked, done = threading.Event(), threading.Event()

    def hold(_request: object) -> bool:
        asked.set()
        return done.wait(60)

    with judged(judge=FakeJudge(before=hold), judge_later=True) as (shield, _, _):
        for n in range(3):
            shield.scan_document(f"odd {n}")
        assert asked.wait(20)
        started = time.monotonic()
        shield.close(0.4)
        assert time.monotonic() - started < 40
        done.set()
        assert shield.stats.judge_outcomes["not_asked"] == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_a_fork_asks_for_itself(judged) -> None:
    with judged(ATTACK, judge_later=True) as (shield, judge, _):
        shield.scan_document("odd in the parent")
        assert shield.flush(10)
        child = os.fork()
        if child == 0:
            shield.scan_document("odd in the child")
            os._exit(0 if shield.flush(10) else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert [request.text for request in judge.requests] == [
            "odd in the parent",
            "odd in the child",
        ]
