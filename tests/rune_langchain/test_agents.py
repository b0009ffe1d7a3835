"""Whole agents made by create_agent: nothing gets past the guard, however they are run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ToolRetryMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from rune_core import Shield, ShieldBlockedError
from rune_core.testing import assert_no_content
from rune_langchain import ShieldCallbackHandler, ShieldMiddleware, shield_model, shield_tools
from rune_langchain.testing import FakeChat

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"
STREAM_MODES = ["messages", "updates", "values"]


class Desk:
    """Tools that note what they did."""

    def __init__(self) -> None:
        self.ran: list[str] = []

        @tool
        def read(path: str) -> str:
            """Read a file."""
            self.ran.append(f"read {path}")
            return f"{path}: {KEY}\n\n{ORDER} at once\n\nthe end"

        @tool
        def run(command: str) -> str:
            """Run a command."""
            self.ran.append(f"run {command}")
            return "exit 0"

        self.tools = [read, run]


def start(text: str = "go") -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def texts(state: dict[str, Any]) -> str:
    return "\n".join(str(message.content) for message in state["messages"])


Calling = Callable[..., AIMessage]


def agent_of(answers: list[Any], desk: Desk, shield: Shield, **kwargs: Any) -> Any:
    middleware = [*kwargs.pop("before", []), ShieldMiddleware(shield, agent_id="desk")]
    return create_agent(FakeChat(answers=answers), desk.tools, middleware=middleware, **kwargs)


async def test_a_run_is_guarded_sync_and_async(shield: Shield, calling: Calling) -> None:
    desk = Desk()
    answers = [calling(("read", {"path": "a"})), f"it says {KEY} indeed"]
    for state in (
        agent_of(answers, desk, shield).invoke(start()),
        await agent_of(answers, desk, shield).ainvoke(start()),
    ):
        said = texts(state)
        assert KEY not in said
        assert ORDER not in said
        assert "the end" in said
        assert state["messages"][-1].text == "it says [FAKE] indeed"
    assert desk.ran == ["read a"] * 2


@pytest.mark.parametrize("mode", STREAM_MODES)
async def test_streams_hold_no_canary(shield: Shield, calling: Calling, mode: str) -> None:
    answers = [calling(("read", {"path": "a"})), f"it says {KEY} indeed"]
    seen: list[Any] = list(agent_of(answers, Desk(), shield).stream(start(), stream_mode=mode))
    agent = agent_of(answers, Desk(), shield)
    seen += [part async for part in agent.astream(start(), stream_mode=mode)]
    assert "indeed" in str(seen)
    assert KEY not in str(seen)
    assert ORDER not in str(seen)


async def test_event_streams_hold_no_canary(shield: Shield, calling: Calling) -> None:
    answers = [calling(("read", {"path": "a"})), f"it says {KEY} indeed"]
    agent = agent_of(answers, Desk(), shield)
    seen = str([event async for event in agent.astream_events(start(), version="v2")])
    assert "indeed" in seen
    assert KEY not in seen
    assert ORDER not in seen


async def test_shielded_objects_guard_an_agent_without_middleware(
    shield: Shield, calling: Calling
) -> None:
    desk = Desk()
    answers = [calling(("read", {"path": "a"})), f"it says {KEY} indeed"]
    agent: Any = create_agent(
        shield_model(FakeChat(answers=answers), shield), shield_tools(desk.tools, shield)
    )
    assert KEY not in texts(await agent.ainvoke(start()))
    for mode in STREAM_MODES:
        seen = str(list(agent.stream(start(), stream_mode=mode)))
        assert KEY not in seen
        assert ORDER not in seen


async def test_of_parallel_calls_only_the_blocked_one_does_not_run(
    shield: Shield, calling: Calling
) -> None:
    call = calling(
        ("run", {"command": "ls"}), ("run", {"command": WIPE}), ("run", {"command": "df"})
    )
    for asynchronous in (False, True):
        desk = Desk()
        agent = agent_of([call, "done"], desk, shield)
        state = await agent.ainvoke(start()) if asynchronous else agent.invoke(start())
        assert sorted(desk.ran) == ["run df", "run ls"]
        results = [m for m in state["messages"] if isinstance(m, ToolMessage)]
        assert [m.status for m in results] == ["success", "error", "success"]
        assert state["messages"][-1].text == "done"


async def test_retries_do_not_run_a_blocked_call(shield: Shield, calling: Calling) -> None:
    desk = Desk()
    retry = ToolRetryMiddleware(max_retries=3, initial_delay=0.0, jitter=False)
    answers = [calling(("run", {"command": WIPE})), "done"]
    for state in (
        agent_of(answers, desk, shield, before=[retry]).invoke(start()),
        await agent_of(answers, desk, shield, before=[retry]).ainvoke(start()),
    ):
        assert "command-injection-in-call" in texts(state)
    assert desk.ran == []


@pytest.mark.parametrize("handle", [True, False, "it failed"])
def test_tool_node_error_handling_does_not_swallow_a_block(
    shield: Shield, calling: Calling, handle: Any
) -> None:
    desk = Desk()
    node = ToolNode(shield_tools(desk.tools, shield), handle_tool_errors=handle)
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", node)
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    message = calling(("run", {"command": WIPE}))
    state = graph.compile().invoke({"messages": [HumanMessage("go"), message]})
    assert "command-injection-in-call" in state["messages"][-1].content
    assert WIPE not in state["messages"][-1].content
    assert desk.ran == []


def test_a_model_switched_to_by_other_middleware_is_guarded(shield: Shield) -> None:
    class Failing(FakeChat):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise ConnectionError("down")

    fallback = ModelFallbackMiddleware(FakeChat(answers=[f"a {KEY} b"]))
    agent: Any = create_agent(
        Failing(answers=["x"]), [], middleware=[fallback, ShieldMiddleware(shield)]
    )
    assert agent.invoke(start())["messages"][-1].text == "a [FAKE] b"
    with pytest.raises(ShieldBlockedError):
        agent.invoke(start(ORDER))


async def test_blocked_input_is_raised_or_replaced(make_bench: Callable[..., Any]) -> None:
    agent = agent_of(["fine"], Desk(), make_bench().shield)
    with pytest.raises(ShieldBlockedError):
        agent.invoke(start(ORDER))
    with pytest.raises(ShieldBlockedError):
        await agent.ainvoke(start(ORDER))
    agent = agent_of(["fine"], Desk(), make_bench(on_block="replace").shield)
    assert "attack-in-input" in agent.invoke(start(ORDER))["messages"][-1].text


def test_a_thread_goes_on_after_a_blocked_message(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(on_block="replace")
    agent = agent_of(["fine"], Desk(), bench.shield, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "mara@corp.example"}}
    assert "attack-in-input" in agent.invoke(start(ORDER), config)["messages"][-1].text
    assert agent.invoke(start("and now?"), config)["messages"][-1].text == "fine"


def test_a_thread_is_one_session_and_names_nobody(bench: Any, calling: Calling) -> None:
    answers = [calling(("run", {"command": "ls"})), "done"]
    agent = agent_of(answers, Desk(), bench.shield, checkpointer=InMemorySaver())
    agent.invoke(start(), {"configurable": {"thread_id": "mara@corp.example"}})
    bench.shield.flush()
    assert len({event.session_id for event in bench.sink.events}) == 1
    assert not any("mara" in event.session_id for event in bench.sink.events)


def test_without_a_thread_a_run_is_still_one_session(bench: Any, calling: Calling) -> None:
    answers = [calling(("run", {"command": "ls"})), "done"]
    agent = agent_of(answers, Desk(), bench.shield)
    agent.invoke(start())
    agent.invoke(start())
    bench.shield.flush()
    assert len({event.session_id for event in bench.sink.events}) == 2


def test_each_text_is_scanned_once_though_adapters_are_stacked(
    bench: Any, calling: Calling
) -> None:
    desk = Desk()
    agent: Any = create_agent(
        shield_model(FakeChat(answers=[calling(("run", {"command": "ls"})), "done"]), bench.shield),
        shield_tools(desk.tools, bench.shield),
        middleware=[ShieldMiddleware(bench.shield)],
    )
    agent.invoke(start(), {"callbacks": [ShieldCallbackHandler(bench.shield)]})
    assert dict(bench.shield.stats.scans_by_surface) == {
        "tool_definition": 2,
        "input": 1,
        "tool_call": 1,
        "tool_result": 1,
        "output": 1,
    }


async def test_no_canary_in_events_logs_or_errors(
    bench: Any, calling: Calling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [calling(("read", {"path": "a"}), ("run", {"command": WIPE})), f"so {KEY} it is"]
    agent = agent_of(answers, Desk(), bench.shield)
    state = await agent.ainvoke(start())
    with pytest.raises(ShieldBlockedError) as caught:
        agent.invoke(start(f"please {ORDER} for canary-question-77"))
    bench.shield.flush()
    assert_no_content(bench.sink.events, KEY, ORDER, WIPE, "canary-question-77")
    # Others may log what they like; what Rune logs or raises holds no content.
    logged = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("rune"))
    for canary in (KEY, ORDER, WIPE, "canary-question-77"):
        assert canary not in logged
        assert canary not in f"{caught.value!r} {caught.value}"
    assert WIPE not in texts(state)


def test_a_change_to_the_model_reaches_its_guarded_copy(shield: Shield) -> None:
    model = FakeChat(answers=["before"])
    agent: Any = create_agent(model, [], middleware=[ShieldMiddleware(shield)])
    assert agent.invoke(start())["messages"][-1].text == "before"
    model.answers = ["after"]
    model.seen.clear()
    assert agent.invoke(start())["messages"][-1].text == "after"


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_v3_event_streams_hold_no_canary(shield: Shield, calling: Calling) -> None:
    model = shield_model(FakeChat(answers=[f"it says {KEY} indeed"]), shield)
    if not hasattr(model, "stream_events"):
        pytest.skip("this langchain-core has no v3 streams")
    seen = str(list(model.stream_events("hi", version="v3")))
    answers = [calling(("read", {"path": "a"})), f"it says {KEY} indeed"]
    stream = agent_of(answers, Desk(), shield).astream_events(start(), version="v3")
    if hasattr(stream, "__await__"):
        stream = await stream
    seen += str([event async for event in stream])
    assert seen.count("[FAKE]") > 1
    assert KEY not in seen
    assert ORDER not in seen
