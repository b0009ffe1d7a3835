"""A judge beside a guarded client at the same address: its own traffic is never scanned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai import AsyncOpenAI, OpenAI

from rune_core.testing import FakeJudge, FakeScanner, RecordingSink, shield_for_tests
from rune_openai import shield_client
from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from rune_core.testing import JudgeRequest


def answer(request: JudgeRequest) -> object:
    """The model says something odd; the judge says that it is no attack."""
    return {} if request.mark else "something odd"


async def test_the_judges_traffic_is_not_scanned() -> None:
    sink = RecordingSink()
    scanner = FakeScanner({"odd": Threat.PROMPT_INJECTION}, confidence=0.6)
    with (
        FakeJudge(answer) as judge,
        shield_for_tests(scanner, sink, **judge.settings) as shield,
    ):
        messages = [{"role": "user", "content": "an odd question"}]
        with OpenAI(base_url=judge.url, api_key="x") as plain:
            client = shield_client(plain, shield=shield)
            client.chat.completions.create(model="m", messages=messages)
        async with AsyncOpenAI(base_url=judge.url, api_key="x") as plain_async:
            aclient = shield_client(plain_async, shield=shield)
            await aclient.chat.completions.create(model="m", messages=messages)
        shield.flush()
        asked = [request for request in judge.requests if request.mark]
        assert asked
        assert {layer.outcome for event in sink.events for layer in event.layers} >= {"disagreed"}
        # What the judge was told and what it said were seen by no scanner.
        assert not any("The mark of this question" in text for text in scanner.seen)
        assert not any("attack_confidence" in text for text in scanner.seen)
        assert {text for text in scanner.seen if "odd" in text} == {
            "an odd question",
            "something odd",
        }
