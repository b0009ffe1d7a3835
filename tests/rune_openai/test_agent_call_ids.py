"""Agents whose models number their calls alike: runs that share ids stay apart."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, function_tool, set_trace_processors, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call
from hijack import CLEAN, MAIL, QUESTION, READ, SEND, WISH, run

from rune_core.testing import shield_for_tests
from rune_openai import shield_agent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rune_core import Shield

set_tracing_disabled(True)


@pytest.fixture
def shield() -> Iterator[Shield]:
    with shield_for_tests(l1=True) as shield:
        yield shield


@pytest.fixture
def sent() -> list[str]:
    """The mail behind each e-mail that was sent."""
    return []


def agent_of(
    shield: Shield, mail: str, sent: list[str], meet: Callable[[], Any], before: Any = False
) -> Agent[Any]:
    @function_tool
    async def read_mail(mail_id: str) -> str:
        """Read a mail."""
        await meet()
        return mail

    @function_tool(needs_approval=before)
    async def send_email(to: str, body: str) -> str:
        """Send an e-mail."""
        sent.append(mail)
        return "sent"

    # The SDK itself takes no id twice in one run.
    steps = [
        function_call(name, json.loads(args), call_id=f"call_{number}")
        for number, (name, args) in enumerate((READ, SEND))
    ]
    model = ScriptedModel([*([step] for step in steps), [assistant_message("Done.")]])
    return shield_agent(Agent(name="desk", model=model, tools=[read_mail, send_email]), shield)


async def nothing() -> None:
    """Nobody to wait for."""


@pytest.mark.parametrize("streams", [False, True])
async def test_runs_in_one_loop(shield: Shield, sent: list[str], streams: bool) -> None:
    both = asyncio.Barrier(2)
    hijacked, honest = await asyncio.gather(
        run(agent_of(shield, MAIL, sent, both.wait), QUESTION, streams),
        run(agent_of(shield, CLEAN, sent, both.wait), WISH, streams),
    )
    assert MAIL not in sent
    assert len(hijacked.interruptions) == 1
    # An equal call, which nobody has to be asked about.
    assert sent == [CLEAN]
    assert honest.final_output == "Done."


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("traced", [False, True])
async def test_many_runs_of_one_question(
    shield: Shield, sent: list[str], streams: bool, traced: bool
) -> None:
    """Where nothing differs but what a tool said, too: it was cut before the model was told."""
    both = asyncio.Barrier(16)
    set_trace_processors([])
    set_tracing_disabled(not traced)
    try:
        done = await asyncio.gather(
            *(run(agent_of(shield, MAIL, sent, both.wait), QUESTION, streams) for _ in range(8)),
            *(run(agent_of(shield, CLEAN, sent, both.wait), WISH, streams) for _ in range(8)),
        )
    finally:
        set_tracing_disabled(True)
    assert [len(result.interruptions) for result in done] == [1] * 8 + [0] * 8
    assert sent == [CLEAN] * 8


@pytest.mark.parametrize("streams", [False, True])
def test_runs_in_threads(shield: Shield, sent: list[str], streams: bool) -> None:
    first, second = Event(), Event()

    def thread(mail: str, said: str, mine: Event, other: Event) -> Any:
        async def meet() -> None:
            mine.set()
            assert await asyncio.to_thread(other.wait, 20)

        return asyncio.run(run(agent_of(shield, mail, sent, meet), said, streams))

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(thread, MAIL, QUESTION, first, second)
        two = pool.submit(thread, CLEAN, WISH, second, first)
        hijacked, honest = one.result(timeout=30), two.result(timeout=30)
    assert MAIL not in sent
    assert len(hijacked.interruptions) == 1
    assert sent == [CLEAN]
    assert honest.final_output == "Done."


async def test_a_question_is_not_lost_to_an_equal_call(shield: Shield, sent: list[str]) -> None:
    """Between the model's answer and its call, another run's model asks for the same."""

    async def other_run(_context: Any, _args: Any, _call_id: str) -> bool:
        await run(agent_of(shield, CLEAN, sent, nothing), WISH)
        return False

    result = await run(agent_of(shield, MAIL, sent, nothing, other_run), QUESTION)
    assert MAIL not in sent
    assert len(result.interruptions) == 1
