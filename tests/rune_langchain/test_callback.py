"""The callback handler stops input and calls, and says what it cannot do."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from rune_core import Shield, ShieldBlockedError
from rune_langchain import ShieldCallbackHandler
from rune_langchain.testing import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"


async def test_input_is_stopped_before_the_model_on_every_path(shield: Shield) -> None:
    fake = FakeChat(answers=["fine"])
    config: Any = {"callbacks": [ShieldCallbackHandler(shield)]}
    assert fake.invoke("hi", config).text == "fine"
    fake.seen.clear()
    for go in (fake.invoke, lambda *a: list(fake.stream(*a))):
        with pytest.raises(ShieldBlockedError):
            go(ORDER, config)
    with pytest.raises(ShieldBlockedError):
        await fake.ainvoke(ORDER, config)
    with pytest.raises(ShieldBlockedError):
        assert [chunk async for chunk in fake.astream(ORDER, config)]
    assert fake.seen == []


async def test_calls_are_stopped_before_the_tool_on_every_path(shield: Shield) -> None:
    ran: list[str] = []

    @tool
    def run(command: str) -> str:
        """Run a command."""
        ran.append(command)
        return "ok"

    config: Any = {"callbacks": [ShieldCallbackHandler(shield)]}
    assert run.invoke({"command": "ls"}, config) == "ok"
    with pytest.raises(ShieldBlockedError):
        run.invoke({"command": WIPE}, config)
    with pytest.raises(ShieldBlockedError):
        await run.ainvoke({"command": WIPE}, config)
    assert ran == ["ls"]


def test_what_would_have_to_be_cut_is_stopped(shield: Shield) -> None:
    fake = FakeChat(answers=["fine"])
    history = [
        HumanMessage("read"),
        AIMessage("", tool_calls=[{"name": "read", "args": {}, "id": "c1"}]),
        ToolMessage(f"a {KEY} b", tool_call_id="c1"),
    ]
    with pytest.raises(ShieldBlockedError):
        fake.invoke(history, {"callbacks": [ShieldCallbackHandler(shield)]})
    assert fake.seen == []


def test_text_models_are_guarded_too(shield: Shield) -> None:
    model = FakeListLLM(responses=["fine"])
    config: Any = {"callbacks": [ShieldCallbackHandler(shield)]}
    assert model.invoke("hi", config) == "fine"
    with pytest.raises(ShieldBlockedError):
        model.invoke(ORDER, config)


def test_log_lets_pass_and_replace_raises(make_bench: Callable[..., Any]) -> None:
    fake = FakeChat(answers=["fine"])
    logging = ShieldCallbackHandler(make_bench(on_block="log").shield)
    assert fake.invoke(ORDER, {"callbacks": [logging]}).text == "fine"
    replacing = ShieldCallbackHandler(make_bench(on_block="replace").shield)
    with pytest.raises(ShieldBlockedError):
        fake.invoke(ORDER, {"callbacks": [replacing]})


async def test_it_stops_an_agent(shield: Shield) -> None:
    agent: Any = create_agent(FakeChat(answers=["fine"]), [])
    config: Any = {"callbacks": [ShieldCallbackHandler(shield)]}
    with pytest.raises(ShieldBlockedError):
        agent.invoke({"messages": [HumanMessage(ORDER)]}, config)
    with pytest.raises(ShieldBlockedError):
        await agent.ainvoke({"messages": [HumanMessage(ORDER)]}, config)


def test_it_says_what_it_cannot_do() -> None:
    said = inspect.getdoc(ShieldCallbackHandler) or ""
    assert "cannot redact" in said
    assert "cannot unsend" in said
