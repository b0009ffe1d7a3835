"""LangChain: every adapter, sync, async and streamed, in every way that it can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langchain")

from canary_scenes import SCENES
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import StructuredTool

from rune_langchain import (
    ShieldCallbackHandler,
    ShieldMiddleware,
    shield_model,
    shield_retriever,
    shield_tools,
)
from rune_langchain.testing import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable

    from canary_watch import Watch

    from rune_core import Shield


class Shelf(BaseRetriever):
    """Finds what it was given."""

    found: list[Document]

    def _get_relevant_documents(self, _query: str, **_: Any) -> list[Document]:
        return self.found


class Broken(BaseRetriever):
    """Fails with what it was asked for."""

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        raise ValueError(query)


def tools_of(watch: Watch) -> list[StructuredTool]:
    told = watch.text("what a tool returns")
    raised = watch.text("what a tool raises")

    def lookup(q: str) -> str:
        """Look something up."""
        return told

    def aloud(q: str) -> str:
        """Fail."""
        raise ValueError(f"{raised} {q}")

    made = [StructuredTool.from_function(lookup), StructuredTool.from_function(aloud)]
    described = StructuredTool.from_function(lookup, name="described")
    described.description = watch.text("a tool's description")
    return [*made, described]


def calling(watch: Watch, name: str) -> AIMessage:
    args = {"q": watch.text(f"argument of {name}")}
    return AIMessage(content="", tool_calls=[tool_call(name=name, args=args, id=f"id-{name}")])


def history(watch: Watch) -> list[Any]:
    return [
        SystemMessage(watch.canary("system prompt")),
        HumanMessage(watch.text("user")),
        AIMessage(watch.text("earlier answer")),
        calling(watch, "lookup"),
        ToolMessage(watch.text("earlier tool result"), tool_call_id="id-lookup", name="lookup"),
        HumanMessage([{"type": "text", "text": watch.text("user block")}]),
    ]


def answers(watch: Watch) -> list[Any]:
    return [
        calling(watch, "lookup"),
        calling(watch, "aloud"),
        calling(watch, f"tool {watch.canary('made-up tool')}"),
        watch.text("answer"),
    ]


async def listed(stream: Any) -> list[Any]:
    return [part async for part in stream]


@pytest.mark.parametrize("scene", SCENES)
async def test_nothing_comes_out(
    scene: str, watch: Watch, make_shield: Callable[[str], Shield], finish: Callable[..., None]
) -> None:
    shield = make_shield(scene)
    model = shield_model(FakeChat(answers=[watch.text("answer of a model")]), shield)
    for what, go in (
        ("invoke", model.invoke),
        ("stream", lambda m: list(model.stream(m))),
        ("batch", lambda m: model.batch([m])),
    ):
        watch.attempt(what, lambda g=go: g(history(watch)), show=False)
    for what, ago in (
        ("ainvoke", model.ainvoke),
        ("astream", lambda m: listed(model.astream(m))),
    ):
        await watch.aattempt(what, lambda g=ago: g(history(watch)))

    for tool in shield_tools(tools_of(watch), shield):
        args = {"q": watch.text(f"argument of {tool.name}")}
        watch.attempt("tool", lambda t=tool, a=args: t.invoke(a), show=False)
        await watch.aattempt("tool", lambda t=tool, a=args: t.ainvoke(a))
        watch.attempt(
            "tool", lambda t=tool: t.invoke({"wrong": watch.canary("wrong args")}), show=False
        )

    meta = {"title": watch.text("metadata"), "source": watch.canary("source")}
    shelf = Shelf(found=[Document(watch.text("document"), metadata=meta)])
    for retriever in (shield_retriever(shelf, shield), shield_retriever(Broken(), shield)):
        watch.attempt("retriever", lambda r=retriever: r.invoke(watch.text("query")), show=False)
        await watch.aattempt("retriever", lambda r=retriever: r.ainvoke(watch.text("query")))

    def agent() -> Any:
        return create_agent(
            FakeChat(answers=answers(watch)),
            tools_of(watch),
            system_prompt=watch.canary("system prompt of an agent"),
            middleware=[ShieldMiddleware(shield, agent_id="desk")],
        )

    for what, go in (
        ("agent", lambda a, s: a.invoke(s)),
        ("agent stream", lambda a, s: list(a.stream(s, stream_mode=["messages", "updates"]))),
    ):
        watch.attempt(what, lambda g=go: g(agent(), {"messages": history(watch)}), show=False)
    for what, ago in (
        ("async agent", lambda a, s: a.ainvoke(s)),
        ("agent events", lambda a, s: listed(a.astream_events(s, version="v2"))),
    ):
        await watch.aattempt(what, lambda g=ago: g(agent(), {"messages": history(watch)}))

    handler = ShieldCallbackHandler(shield)
    config: Any = {"callbacks": [handler]}
    plain = FakeChat(answers=[watch.text("answer")])
    watch.attempt("callback", lambda: plain.invoke(history(watch), config), show=False)
    await watch.aattempt("callback", lambda: plain.ainvoke(history(watch), config))
    for tool in tools_of(watch):
        args = {"q": watch.text("argument")}
        watch.attempt("callback", lambda t=tool, a=args: t.invoke(a, config), show=False)
    for made in (handler, ShieldMiddleware(shield)):
        watch.show(type(made).__name__, made)
    finish(shield, planted=100)
