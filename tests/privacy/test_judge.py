"""With a judge, content leaves by one way: its own request. In every way that the judge fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from test_core import exercise

from rune_core.testing import FakeJudge, FakeScanner, RecordingSink, shield_for_tests
from rune_scanner.finding import Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Callable

    from canary_watch import Watch

    from rune_core import Shield

THOROUGHLY = ("agrees", False)
POLICY = """
version: "1.0"
rules:
  - {name: all-calls, type: tool_call, when: "true", action: allow, judge: true}
"""


def quoting(request: Any) -> str:
    """A judge that quotes what it was shown where only its verdict belongs."""
    return request.text


def swearing(request: Any) -> bytes:
    return request.prompt.encode()


FAILURES: dict[str, Callable[[], FakeJudge]] = {
    "agrees": lambda: FakeJudge(
        {"attack": True, "attack_confidence": 0.9, "threat": "jailbreak", "serves_user": "no"}
    ),
    "disagrees": FakeJudge,
    "answers in words": lambda: FakeJudge(quoting),
    "answers with the prompt": lambda: FakeJudge(swearing),
    "adds a key": lambda: FakeJudge(lambda request: {"why": request.text}),
    "names a threat": lambda: FakeJudge(lambda request: {"threat": request.text}),
    "fails with the prompt": lambda: FakeJudge(swearing, status=500),
    "refuses with the prompt": lambda: FakeJudge(swearing, status=401),
    "refuses the schema": lambda: FakeJudge(refuses_schema=True),
    "breaks off": lambda: FakeJudge(lambda _request: None),
}


def exercise_shortly(shield: Shield, watch: Watch) -> None:
    """Both drivers on every surface, and a call whose user is known."""
    for surface in Surface:
        for name in ("scan", "ascan", "guard_text", "aguard_text"):
            text = watch.text(f"{name} {surface}")
            watch.attempt(name, lambda n=name, s=surface, t=text: getattr(shield, n)(s, t))
    with shield.session() as session:
        session.user(watch.text("what the user asked"))
        session.system(watch.canary("system prompt"))
        session.untrusted(watch.canary("retrieved"), watch.canary("source"))
        for name in ("validate_action", "avalidate_action", "guard_call", "aguard_call"):
            args = {"q": watch.text(f"{name} argument"), watch.text("argument name"): 1}
            watch.attempt(name, lambda n=name, a=args: getattr(shield, n)("pay", a))


@pytest.mark.parametrize(
    ("failure", "later"),
    [*((failure, False) for failure in FAILURES), ("agrees", True), ("breaks off", True)],
)
def test_only_the_judges_request_holds_content(
    watch: Watch, failure: str, later: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rune_core.layers.judge.client.ATTEMPTS", 2)
    sink = RecordingSink()
    watch.sink(sink)
    with FAILURES[failure]() as judge:
        shield = shield_for_tests(
            FakeScanner({"evil": Threat.PROMPT_INJECTION}, confidence=0.6),
            sink,
            policy=POLICY,
            events_to_file=True,
            debug=True,
            judge_later=later,
            judge_api_key=watch.canary("judge_api_key"),
            judge_timeout_seconds=1.0,
            **judge.settings,
        )
        with shield:
            (exercise if (failure, later) == THOROUGHLY else exercise_shortly)(shield, watch)
            shield.flush(20.0)
            for what, value in (
                ("shield", shield),
                ("config", shield.config),
                ("coverage", shield.coverage()),
                ("stats", shield.stats),
                ("judge", shield._engine.judge_layer.judge),
            ):
                watch.show(what, value)
        assert judge.requests, "nothing was asked: the test looked at nothing"
        sent = " ".join(request.prompt for request in judge.requests)
        assert any(canary in sent for canary in watch._planted)
    watch.check(planted=30)


def test_without_a_judge_nothing_is_sent(watch: Watch) -> None:
    with FakeJudge() as judge:
        with shield_for_tests(
            FakeScanner({"evil": Threat.PROMPT_INJECTION}, confidence=0.6), policy=POLICY
        ) as shield:
            exercise_shortly(shield, watch)
        with shield_for_tests(
            FakeScanner({"evil": Threat.PROMPT_INJECTION}, confidence=0.6),
            policy=POLICY,
            l3_enabled=False,
            **judge.settings,
        ) as shield:
            exercise_shortly(shield, watch)
        assert judge.requests == []
