"""Graphs of one's own: nodes, handoffs, checkpoints, questions to a person, and resuming."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangGraph reads it
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command
from pydantic import BaseModel
from typing_extensions import TypedDict

from rune_core import Shield, ShieldBlockedError
from rune_core.errors import UnguardableError
from rune_langchain import ShieldMiddleware, shield_model, shield_node, shield_tools
from rune_langchain.testing import FakeChat

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"
ASKS = """
version: "1.0"
rules:
  - name: ask-first
    type: tool_denylist
    tools: [run]
    action: ask
"""
MODES = ["values", "updates", "messages", "checkpoints", "debug"]
Calling = Callable[..., AIMessage]


class Desk:
    """A tool that notes what it did."""

    def __init__(self) -> None:
        self.ran: list[str] = []

        @tool
        def run(command: str) -> str:
            """Run a command."""
            self.ran.append(command)
            return f"exit 0\n\n{ORDER} at once\n\nthe end"

        self.run = run


def one_node(node: Any, state: Any = MessagesState) -> Any:
    graph: Any = StateGraph(state)
    graph.add_node("one", node)
    graph.add_edge(START, "one")
    graph.add_edge("one", END)
    return graph.compile(checkpointer=InMemorySaver())


def thread(name: str = "t") -> Any:
    return {"configurable": {"thread_id": name}}


def start(text: str = "go") -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


# -- nodes


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_reads_and_adds_what_may_pass(shield: Shield, asynchronous: bool) -> None:
    read: list[str] = []

    def write(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        """Calls a model that Rune has never heard of."""
        read.append(repr(state["messages"]))
        return {"messages": [AIMessage(f"the key is {KEY} indeed")]}

    async def awrite(state: MessagesState) -> dict[str, Any]:
        return write(state, {})

    graph = one_node(shield_node(awrite if asynchronous else write, shield))
    history = [
        HumanMessage("read it"),
        AIMessage("", tool_calls=[{"name": "read", "args": {}, "id": "c1"}]),
        ToolMessage(f"x\n\n{ORDER} now\n\ny", tool_call_id="c1"),
    ]
    state = await graph.ainvoke({"messages": history}, thread())
    assert state["messages"][-1].text == "the key is [FAKE] indeed"
    assert ORDER not in read[0]
    with pytest.raises(ShieldBlockedError):
        await graph.ainvoke(start(ORDER), thread("u"))
    assert len(read) == 1
    for mode in MODES:
        seen = [x async for x in graph.astream(start(), thread(mode), stream_mode=mode)]
        assert KEY not in repr(seen), mode
    assert KEY not in repr(list(graph.checkpointer.list(None)))


@pytest.mark.parametrize(
    "said",
    [
        ("ai", f"it is {KEY}"),
        [("ai", f"it is {KEY}")],
        {"role": "assistant", "content": f"it is {KEY}"},
        [{"role": "assistant", "content": f"it is {KEY}"}],
        [AIMessage("fine"), ("ai", f"it is {KEY}")],
    ],
)
def test_messages_in_short_forms_are_read(shield: Shield, said: Any) -> None:
    def write(state: MessagesState) -> dict[str, Any]:
        return {"messages": said}

    state = one_node(shield_node(write, shield)).invoke(start(), thread())
    assert state["messages"][-1].text == "it is [FAKE]"


def test_other_keys_are_what_they_are_said_to_be(shield: Shield) -> None:
    class State(TypedDict, total=False):
        question: str
        pages: list[Document]
        draft: str
        count: Annotated[int, operator.add]

    def find(state: State) -> dict[str, Any]:
        text = f"a page\n\n{ORDER}\n\nthe end"
        return {"pages": [Document(text)], "draft": f"it is {KEY}", "count": 1}

    node = shield_node(find, shield, surfaces={"question": "input", "draft": "output"})
    graph = one_node(node, State)
    state = graph.invoke({"question": "hi", "count": 1}, thread())
    assert state["draft"] == "it is [FAKE]"
    assert ORDER not in repr(state)
    assert "the end" in repr(state)
    assert state["count"] == 2
    with pytest.raises(ShieldBlockedError):
        graph.invoke({"question": ORDER}, thread("u"))


def test_a_state_may_be_a_model(make_bench: Callable[..., Any]) -> None:
    class State(BaseModel):
        text: str
        said: str = ""

    def answer(state: State) -> dict[str, Any]:
        return {"said": state.text}

    shield = make_bench(on_block="replace").shield
    node = shield_node(answer, shield, surfaces={"text": "document"})
    state = one_node(node, State).invoke({"text": f"a\n\n{ORDER}\n\nz"}, thread())
    assert ORDER not in state["said"]
    assert state["said"].endswith("z")


def test_a_handoff_between_nodes(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()

    def boss(state: MessagesState) -> Any:
        said = state["messages"][-1].text
        return Command(goto="worker", update={"messages": [HumanMessage(f"please do: {said}")]})

    def worker(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage("done")]}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("boss", shield_node(boss, bench.shield), destinations=("worker",))
    graph.add_node("worker", shield_node(worker, bench.shield))
    graph.add_edge(START, "boss")
    app = graph.compile()
    assert app.invoke(start("sweep"))["messages"][-1].text == "done"
    assert bench.shield.stats.scans_by_surface["handoff"] == 1


@pytest.mark.parametrize("handle", [True, False])
def test_tool_nodes_and_models_as_nodes(shield: Shield, calling: Calling, handle: bool) -> None:
    desk = Desk()
    node = ToolNode([desk.run], handle_tool_errors=handle)
    graph = one_node(shield_node(node, shield))
    both = calling(("run", {"command": WIPE}), ("run", {"command": "ls"}))
    state = graph.invoke({"messages": [HumanMessage("go"), both]}, thread())
    assert desk.ran == ["ls"]
    assert ORDER not in repr(state)
    assert node.tools_by_name["run"] is desk.run
    model = FakeChat(answers=[f"it is {KEY}"])
    chain = (lambda state: state["messages"]) | model  # type: ignore[operator]
    assert shield_node(chain, shield).invoke(start()).text == "it is [FAKE]"
    for wrong in ("run", one_node(lambda _: {})):
        with pytest.raises(UnguardableError):
            shield_node(wrong, shield)  # type: ignore[type-var]


def test_one_text_is_scanned_once_though_its_node_is_guarded_too(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench()
    model = shield_model(FakeChat(answers=["fine, as far as I know"]), bench.shield)

    def write(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    one_node(shield_node(write, bench.shield)).invoke(start(), thread())
    assert dict(bench.shield.stats.scans_by_surface) == {"input": 1, "output": 1}


# -- checkpoints and resuming


def asking(shield: Shield, desk: Desk, answers: list[Any], by: str, saver: Any) -> Any:
    if by == "middleware":
        return create_agent(
            FakeChat(answers=answers),
            [desk.run],
            middleware=[ShieldMiddleware(shield, interrupts=True)],
            checkpointer=saver,
        )
    return create_agent(
        shield_model(FakeChat(answers=answers), shield),
        shield_tools([desk.run], shield, interrupts=True),
        checkpointer=saver,
    )


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("by", ["middleware", "objects"])
@pytest.mark.parametrize("approve", [True, False])
async def test_a_question_pauses_the_graph_until_it_is_answered(
    make_bench: Callable[..., Any],
    calling: Calling,
    approve: bool,
    by: str,
    asynchronous: bool,
    elsewhere: bool,
) -> None:
    desk, saver = Desk(), InMemorySaver()
    answers = [calling(("run", {"command": "ls"})), "done"]
    agent = asking(make_bench(policy=ASKS).shield, desk, answers, by, saver)
    paused = (
        await agent.ainvoke(start(), thread()) if asynchronous else agent.invoke(start(), thread())
    )
    assert desk.ran == []
    (question,) = paused["__interrupt__"]
    assert question.value["action_requests"][0]["name"] == "run"
    assert "ask-first" in question.value["action_requests"][0]["description"]
    if elsewhere:
        # Another process goes on: all that is left is the checkpoint.
        agent = asking(make_bench(policy=ASKS).shield, desk, ["done"], by, saver)
    answer: Any = Command(resume={"decisions": [{"type": "approve" if approve else "reject"}]})
    done = await agent.ainvoke(answer, thread()) if asynchronous else agent.invoke(answer, thread())
    assert desk.ran == (["ls"] if approve else [])
    assert done["messages"][-1].text == "done"
    assert ORDER not in repr(done)
    if not approve:
        assert "was not approved" in repr(done["messages"])


def test_a_stopped_call_stays_stopped_in_another_process(
    make_bench: Callable[..., Any], calling: Calling
) -> None:
    desk, saver = Desk(), InMemorySaver()
    answers = [calling(("run", {"command": WIPE})), "I could not."]

    def agent_of(said: list[Any]) -> Any:
        return create_agent(
            FakeChat(answers=said),
            [desk.run],
            middleware=[ShieldMiddleware(make_bench().shield)],
            checkpointer=saver,
            interrupt_before=["tools"],
        )

    agent_of(answers).invoke(start(), thread())
    done = agent_of(answers[1:]).invoke(None, thread())
    assert desk.ran == []
    assert done["messages"][-1].text == "I could not."
    assert WIPE not in repr(list(saver.list(None)))


def test_a_thread_is_one_session_after_resuming(
    make_bench: Callable[..., Any], calling: Calling
) -> None:
    bench, saver, desk = make_bench(policy=ASKS), InMemorySaver(), Desk()
    agent = asking(
        bench.shield, desk, [calling(("run", {"command": "ls"})), "done"], "middleware", saver
    )
    agent.invoke(start(), thread("mara"))
    agent.invoke(Command(resume=True), thread("mara"))
    bench.shield.flush()
    assert desk.ran == ["ls"]
    assert len({event.session_id for event in bench.sink.events}) == 1
