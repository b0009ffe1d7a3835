"""Some servers number the calls of every answer alike: runs that share ids stay apart."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hijack import MAIL, QUESTION, READ, SEND, WISH
from openai import AsyncOpenAI, OpenAI

from rune_core.testing import shield_for_tests
from rune_openai import OpenAIBlockedError, shield_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server import Server

    from rune_core import Shield


@pytest.fixture
def shield() -> Iterator[Shield]:
    with shield_for_tests(l1=True) as shield:
        yield shield


class Run:
    """An application that keeps the history itself and asks twice.

    Attributes:
        history: What is sent.
        calls: The names of the calls that got through.
    """

    def __init__(self, said: str, mail: str, kind: str) -> None:
        self.history: list[Any] = [{"role": "user", "content": said}]
        self.mail, self.calls = mail, list[str]()
        self.responses, self.stream = kind.startswith("responses"), kind.endswith("stream")

    def asks(self, client: Any) -> Any:
        if self.responses:
            kept = {"input": self.history, "store": False}
            return client.responses.create(model="m", stream=self.stream, **kept)
        return client.chat.completions.create(model="m", messages=self.history, stream=self.stream)

    def takes(self, answer: Any) -> None:
        items = self._items(answer)
        for call in items:
            self.calls.append(call.name)
            if self.responses:
                plain = {"type": "function_call", "call_id": call.id, "name": call.name}
                self.history.append({**plain, "arguments": call.arguments})
                output = {"type": "function_call_output", "output": self.mail}
                self.history.append({**output, "call_id": call.id})
            else:
                made = {"name": call.name, "arguments": call.arguments}
                calls = [{"id": call.id, "type": "function", "function": made}]
                self.history.append({"role": "assistant", "content": None, "tool_calls": calls})
                self.history.append({"role": "tool", "tool_call_id": call.id, "content": self.mail})

    def _items(self, answer: Any) -> list[Any]:
        if self.responses:
            if self.stream:
                answer = next(e.response for e in answer if e.type == "response.completed")
            calls = [item for item in answer.output if item.type == "function_call"]
            return [
                SimpleNamespace(id=c.call_id, name=c.name, arguments=c.arguments) for c in calls
            ]
        if not self.stream:
            calls = answer.choices[0].message.tool_calls or []
        else:
            parts = [c for chunk in answer for c in chunk.choices[0].delta.tool_calls or ()]
            calls = parts[:1]
            for part in parts[1:]:
                calls[0].function.arguments += part.function.arguments or ""
        return [
            SimpleNamespace(id=c.id, name=c.function.name, arguments=c.function.arguments)
            for c in calls
        ]


def two_runs(kind: str) -> tuple[Run, Run]:
    return Run(QUESTION, MAIL, kind), Run(WISH, "The lorry arrives on Thursday.", kind)


KINDS = ["chat", "chat-stream", "responses", "responses-stream"]


@pytest.mark.parametrize("kind", KINDS)
def test_threads_that_share_a_client(server: Server, shield: Shield, kind: str) -> None:
    hijacked, honest = two_runs(kind)
    read, answered = Event(), Event()
    server.text, server.calls = "", [READ]
    client = shield_client(OpenAI(api_key="k", base_url=server.url), shield)

    def first() -> None:
        hijacked.takes(hijacked.asks(client))
        read.set()
        assert answered.wait(20)
        server.calls = [SEND]
        with pytest.raises(OpenAIBlockedError, match="hijacked-call"):
            hijacked.takes(hijacked.asks(client))
        read.set()

    def second() -> None:
        assert read.wait(20)
        read.clear()
        honest.takes(honest.asks(client))
        answered.set()
        assert read.wait(20)
        honest.takes(honest.asks(client))

    with client, ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result(timeout=30)
    assert (hijacked.calls, honest.calls) == (["read_mail"], ["read_mail", "send_email"])


@pytest.mark.parametrize("kind", KINDS)
async def test_tasks_that_share_a_client(server: Server, shield: Shield, kind: str) -> None:
    hijacked, honest = two_runs(kind)
    both = asyncio.Barrier(2)
    server.text, server.calls = "", [READ]
    client = shield_client(AsyncOpenAI(api_key="k", base_url=server.url), shield)

    async def turn(run: Run) -> None:
        answer = await run.asks(client)
        run.takes([chunk async for chunk in answer] if run.stream else answer)

    async def go(run: Run) -> None:
        await turn(run)
        await both.wait()
        server.calls = [SEND]
        await turn(run)

    async with client:
        done = await asyncio.gather(go(hijacked), go(honest), return_exceptions=True)
    assert isinstance(done[0], OpenAIBlockedError)
    assert done[1] is None
    assert (hijacked.calls, honest.calls) == (["read_mail"], ["read_mail", "send_email"])


def test_the_same_question_over_other_mails(server: Server, shield: Shield) -> None:
    """All that differs in these runs is what a tool said."""
    hijacked, honest = Run(QUESTION, MAIL, "chat"), Run(QUESTION, "The lorry is late.", "chat")
    server.text, server.calls = "", [READ]
    with shield_client(OpenAI(api_key="k", base_url=server.url), shield) as client:
        for run in (hijacked, honest):
            run.takes(run.asks(client))
        server.calls = [SEND]
        with pytest.raises(OpenAIBlockedError, match="hijacked-call"):
            hijacked.takes(hijacked.asks(client))
