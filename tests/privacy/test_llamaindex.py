"""LlamaIndex: every adapter, in every way that it can fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("llama_index.core")

from canary_scenes import SCENES
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool

from rune_llamaindex import (
    ShieldEventHandler,
    ShieldNodePostprocessor,
    shield_llm,
    shield_retriever,
    shield_tools,
)
from rune_llamaindex.testing import ScriptedLLM, tool_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from canary_watch import Watch

    from rune_core import Shield

# All are LlamaIndex's own, with and without Rune.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Skipping serialization"),
    pytest.mark.filterwarnings("ignore:is_running called"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    # A workflow that fails leaves a result nobody asked for.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Shelf(BaseRetriever):
    """Gives the nodes it has, or fails with the query."""

    def __init__(self, *nodes: Any) -> None:
        self.nodes = [NodeWithScore(node=node, score=0.5) for node in nodes]
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if not self.nodes:
            raise ValueError(query_bundle.query_str)
        return list(self.nodes)


def tools_of(watch: Watch) -> list[FunctionTool]:
    told, raised = watch.text("what a tool returns"), watch.text("what a tool raises")

    def lookup(q: str) -> str:
        """Look something up."""
        return told

    async def aloud(q: str) -> str:
        """Fail."""
        raise ValueError(f"{raised} {q}")

    described = watch.text("a tool's description")
    return [
        FunctionTool.from_defaults(lookup),
        FunctionTool.from_defaults(async_fn=aloud, name="aloud"),
        FunctionTool.from_defaults(lookup, name="described", description=described),
    ]


def chat(watch: Watch) -> list[ChatMessage]:
    return [
        ChatMessage(role=MessageRole.SYSTEM, content=watch.canary("system prompt")),
        ChatMessage(role=MessageRole.USER, content=watch.text("user")),
        ChatMessage(role=MessageRole.ASSISTANT, content=watch.text("earlier answer")),
        ChatMessage(role=MessageRole.USER, content=watch.text("user again")),
    ]


async def listed(stream: Any) -> list[Any]:
    return [part async for part in await stream]


async def run(agent: Any, question: str) -> Any:
    handler = agent.run(user_msg=question)
    async for _ in handler.stream_events():
        pass
    return await handler


@pytest.mark.parametrize("scene", SCENES)
async def test_nothing_comes_out(
    scene: str, watch: Watch, make_shield: Callable[[str], Shield], finish: Callable[..., None]
) -> None:
    shield = make_shield(scene)
    llm: Any = shield_llm(ScriptedLLM(answers=[watch.text("answer")]), shield)
    for what, go in (
        ("chat", lambda: llm.chat(chat(watch))),
        ("complete", lambda: llm.complete(watch.text("prompt"))),
        ("stream_chat", lambda: list(llm.stream_chat(chat(watch)))),
        ("stream_complete", lambda: list(llm.stream_complete(watch.text("prompt")))),
    ):
        watch.attempt(what, go, show=False)
    for what, ago in (
        ("achat", lambda: llm.achat(chat(watch))),
        ("acomplete", lambda: llm.acomplete(watch.text("prompt"))),
        ("astream_chat", lambda: listed(llm.astream_chat(chat(watch)))),
    ):
        await watch.aattempt(what, ago)

    for tool in shield_tools(tools_of(watch), shield):
        text = watch.text("argument")
        watch.attempt("tool", lambda t=tool, q=text: t.call(q=q), show=False)
        await watch.aattempt("tool", lambda t=tool, q=text: t.acall(q=q))

    node = TextNode(text=watch.text("document"), metadata={"title": watch.text("metadata")})
    for shelf in (Shelf(node), Shelf()):
        retriever: Any = shield_retriever(shelf, shield)
        watch.attempt("retriever", lambda r=retriever: r.retrieve(watch.text("query")), show=False)
        await watch.aattempt("retriever", lambda r=retriever: r.aretrieve(watch.text("query")))
    processor = ShieldNodePostprocessor(shield=shield)
    engine = RetrieverQueryEngine(
        retriever=Shelf(node),
        response_synthesizer=get_response_synthesizer(llm=llm, response_mode="compact"),
        node_postprocessors=[processor],
    )
    watch.attempt("engine", lambda: engine.query(watch.text("question")), show=False)

    for kind in (FunctionAgent, ReActAgent):
        for tool_name in ("lookup", "aloud", f"made up {watch.canary('tool name')}"):
            script = [
                tool_call(tool_name, q=watch.text("argument of an agent")),
                watch.text("answer of an agent"),
            ]
            if kind is ReActAgent:
                given = json.dumps({"q": watch.text("react")})
                script[0] = f"Thought: I.\nAction: {tool_name}\nAction Input: {given}"
                script[1] = f"Thought: I know.\nAnswer: {watch.text('react answer')}"
            agent = kind(
                name="one",
                description="d",
                system_prompt=watch.canary("system prompt of an agent"),
                tools=shield_tools(tools_of(watch), shield),
                llm=shield_llm(ScriptedLLM(answers=script), shield),
            )
            await watch.aattempt("agent", lambda a=agent: run(a, watch.text("question")))

    handler = ShieldEventHandler(shield=shield)
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(handler)
    try:
        plain = ScriptedLLM(answers=[watch.text("observed answer")])
        watch.attempt("observed", lambda: plain.chat(chat(watch)), show=False)
        observed = Shelf(node)
        watch.attempt("observed", lambda: observed.retrieve(watch.text("query")), show=False)
    finally:
        dispatcher.event_handlers.remove(handler)
    finish(shield, planted=60)
