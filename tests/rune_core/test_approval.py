"""Questions to a person: sync and async handlers, time-outs, approvals that are remembered."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from rune_core import Shield, ShieldConfig

if TYPE_CHECKING:
    from rune_core.effects import ApprovalRequest

ASKS = """\
version: "1.0"
rules:
  - {name: pay, type: tool_call, tools: [pay], action: ask%s}
"""


def shield(more: str = "", **settings: object) -> Shield:
    config = ShieldConfig(events_enabled=False, on_block="replace", **settings)  # type: ignore[arg-type]
    return Shield(config=config, policy=ASKS % more)


def answering(answer: object, asked: list[ApprovalRequest] | None = None):
    def handler(request: ApprovalRequest) -> object:
        if asked is not None:
            asked.append(request)
        return answer

    return handler


@pytest.mark.parametrize("answer", [True, False])
async def test_sync_and_async_handlers_answer(answer: bool) -> None:
    async def later(request: ApprovalRequest) -> bool:
        await asyncio.sleep(0)
        return answer

    class Object:
        async def __call__(self, request: ApprovalRequest) -> bool:
            return answer

    guard = shield()
    assert guard.guard_call("pay", {}, approve=answering(answer)).stopped is not answer
    for handler in (answering(answer), later, Object(), later):
        call = await guard.aguard_call("pay", {}, approve=handler)
        assert call.stopped is not answer
        assert call.result.decision.approval == ("approved" if answer else "denied")


async def test_a_handler_that_waits_does_not_stall_the_loop() -> None:
    turned = threading.Event()

    def waits(request: ApprovalRequest) -> bool:
        return turned.wait(20)  # for a loop that goes on

    async def turn() -> None:
        await asyncio.sleep(0)
        turned.set()

    call, _ = await asyncio.gather(shield().aguard_call("pay", {}, approve=waits), turn())
    assert not call.stopped


@pytest.mark.parametrize("more", [", timeout_seconds: 0.01", ""])
async def test_nobody_answers_in_time(more: str) -> None:
    guard = shield(more, approval_timeout_seconds=0.01 if not more else 100)
    hold = threading.Event()
    call = guard.guard_call("pay", {}, approve=lambda request: hold.wait(20))
    assert call.stopped
    assert call.result.decision.approval == "unavailable"
    assert call.result.explanation.endswith("Nobody answered within 0.01 s.")
    call = await guard.aguard_call("pay", {}, approve=lambda request: hold.wait(20))
    assert call.result.explanation.endswith("Nobody answered within 0.01 s.")

    async def never(request: ApprovalRequest) -> bool:
        await asyncio.sleep(20)
        return True

    call = await guard.aguard_call("pay", {}, approve=never)
    assert call.result.decision.approval == "unavailable"
    hold.set()


async def test_a_handler_that_breaks_is_no_approval() -> None:
    def breaks(request: ApprovalRequest) -> bool:
        raise TimeoutError("its own")

    for seconds in (0, 5):
        guard = shield(approval_timeout_seconds=seconds)
        assert guard.guard_call("pay", {}, approve=breaks).result.decision.approval == "unavailable"
        call = await guard.aguard_call("pay", {}, approve=breaks)
        assert call.stopped
        assert "Nobody" not in call.result.explanation


def test_an_approval_of_a_call_is_remembered_for_that_call() -> None:
    asked: list[ApprovalRequest] = []
    guard = shield(", remember: call")
    guard.approval_handler = answering(True, asked)  # type: ignore[assignment]
    with guard.session():
        for arguments in ({"to": "a", "n": 1}, {"n": 1, "to": "a"}, {"to": "b"}):
            assert not guard.guard_call("pay", arguments).stopped
        assert len(asked) == 2
        again = guard.guard_call("pay", {"to": "b"})
        assert again.result.decision.approval == "approved"
        assert "Approved before" in again.result.explanation
    with guard.session():
        guard.guard_call("pay", {"to": "b"})
    assert len(asked) == 3, "another session asks again"
    for _ in range(2):
        guard.guard_call("pay", {"to": "b"})
    assert len(asked) == 5, "outside a session nothing is remembered"


def test_an_approval_of_a_tool_is_remembered_for_the_tool_and_a_denial_is_not() -> None:
    asked: list[ApprovalRequest] = []
    guard = shield(", remember: tool")
    with guard.session():
        guard.guard_call("pay", {"to": "a"}, approve=answering(False, asked))
        guard.guard_call("pay", {"to": "a"}, approve=answering(True, asked))
        assert not guard.guard_call("pay", {"to": "b"}, approve=answering(False, asked)).stopped
        assert len(asked) == 2
        # The question alone, without a handler, says that it is answered.
        assert guard.guard_call("pay", {}, defer=True).result.decision.approval == "approved"
        assert guard.validate_action("pay", {}).decision.approval is None


def test_it_is_remembered_for_as_long_as_the_rule_says() -> None:
    asked: list[ApprovalRequest] = []
    guard = shield(", remember: tool, remember_seconds: 60")
    now = [0.0]
    guard._engine.use_clock(lambda: now[0])
    with guard.session():
        for now[0] in (0.0, 59.0, 61.0):
            guard.guard_call("pay", {}, approve=answering(True, asked))
    assert len(asked) == 2


def test_every_rule_that_asks_must_have_been_answered() -> None:
    asked: list[ApprovalRequest] = []
    guard = Shield(
        config=ShieldConfig(events_enabled=False, on_block="replace"),
        policy=ASKS % ", remember: tool"
        + "  - {name: large, type: tool_call, when: args.n.value > 5, action: ask}\n",
    )
    with guard.session():
        for number in (1, 2, 9, 9):
            guard.guard_call("pay", {"n": number}, approve=answering(True, asked))
    assert [request.content for request in asked] == [{"n": 1}, {"n": 9}, {"n": 9}]


def test_a_handler_sees_the_context_of_the_call() -> None:
    from contextvars import ContextVar

    user: ContextVar[str] = ContextVar("user")
    user.set("ann")
    guard = shield(approval_timeout_seconds=20)
    seen: list[object] = []

    def handler(request: ApprovalRequest) -> bool:
        seen.append((user.get(), threading.current_thread() is threading.main_thread()))
        return True

    started = time.monotonic()
    assert not guard.guard_call("pay", {}, approve=handler).stopped
    assert seen == [("ann", False)]
    assert time.monotonic() - started < 20
