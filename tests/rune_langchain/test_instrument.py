"""instrument() puts a handler on every run, and takes it off again."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool

from rune_core import Shield, ShieldBlockedError
from rune_core.errors import UnguardableError
from rune_langchain import ShieldMiddleware, instrument
from rune_langchain.testing import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"


class Shelf(BaseRetriever):
    """Finds one document."""

    text: str = "a page"

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(self.text)]


@tool
def run(command: str) -> str:
    """Run a command."""
    return f"it says {KEY}" if command == "keys" else "ok"


@pytest.fixture
def instrumented(shield: Shield) -> Iterator[Shield]:
    with instrument(shield, agent_id="desk"):
        yield shield


async def test_every_run_of_the_process_is_looked_at(instrumented: Shield) -> None:
    model = FakeChat(answers=["fine"])
    for go in (model.invoke, lambda said: list(model.stream(said))):
        with pytest.raises(ShieldBlockedError):
            go(ORDER)
    with pytest.raises(ShieldBlockedError):
        await model.ainvoke(ORDER)
    for bad in (WIPE, "keys"):
        with pytest.raises(ShieldBlockedError):
            run.invoke({"command": bad})
        with pytest.raises(ShieldBlockedError):
            await run.ainvoke({"command": bad})
    for shelf, query in ((Shelf(), ORDER), (Shelf(text=f"now {ORDER}"), "q")):
        with pytest.raises(ShieldBlockedError):
            shelf.invoke(query)
        with pytest.raises(ShieldBlockedError):
            await shelf.ainvoke(query)
    assert model.invoke("hi").text == "fine"
    assert run.invoke({"command": "ls"}) == "ok"
    assert Shelf().invoke("q")[0].page_content == "a page"


def test_other_threads_are_no_exception(instrumented: Shield) -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            FakeChat(answers=["fine"]).invoke(ORDER)
        except ShieldBlockedError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1


async def test_an_answer_and_a_stream_are_stopped() -> None:
    key = "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc"
    model = FakeChat(answers=[f"The key is {key}. " + "Keep it to yourself and say no more. " * 5])
    seen: list[str] = []
    with Shield() as shield, instrument(shield):
        with pytest.raises(ShieldBlockedError):
            model.invoke("hi")
        with pytest.raises(ShieldBlockedError):
            seen.extend(chunk.text for chunk in model.stream("hi"))
        with pytest.raises(ShieldBlockedError):
            seen.extend([chunk.text async for chunk in model.astream("hi")])
    assert "The key" in "".join(seen)
    assert "say no more. Keep" not in "".join(seen)


def test_it_is_off_before_and_after(shield: Shield) -> None:
    model = FakeChat(answers=["fine"])
    assert model.invoke(ORDER).text == "fine"
    switch = instrument(shield)
    with pytest.raises(ShieldBlockedError):
        model.invoke(ORDER)
    switch.stop()
    switch.stop()
    assert model.invoke(ORDER).text == "fine"


def test_a_second_shield_is_refused(instrumented: Shield, make_bench: Callable[..., Any]) -> None:
    assert instrument(instrumented).shield is instrumented
    with pytest.raises(UnguardableError, match="another shield"):
        instrument(make_bench().shield)


def test_guarded_objects_are_left_alone(make_bench: Callable[..., Any], calling: Any) -> None:
    bench = make_bench()
    with instrument(bench.shield):
        answers = [calling(("run", {"command": "keys"})), f"it is {KEY}"]
        agent: Any = create_agent(
            FakeChat(answers=answers), [run], middleware=[ShieldMiddleware(bench.shield)]
        )
        state = agent.invoke({"messages": [HumanMessage("go")]})
    assert state["messages"][-1].text == "it is [FAKE]"
    assert dict(bench.shield.stats.scans_by_surface) == {
        "tool_definition": 1,
        "input": 1,
        "tool_call": 1,
        "tool_result": 1,
        "output": 1,
    }


async def test_runs_side_by_side_keep_their_sessions(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()
    with instrument(bench.shield):
        model = FakeChat(answers=["fine"])
        await asyncio.gather(*(model.ainvoke(f"number {n}") for n in range(50)))
    owners = {
        text: context.session.id
        for text, context in zip(bench.scanner.seen, bench.scanner.contexts, strict=True)
        if text.startswith("number")
    }
    assert len(owners) == len(set(owners.values())) == 50
