"""The leak matrix of LlamaIndex: every entry point, with what it gives, reports and remembers.

Under redact no canary comes out anywhere; under block nothing happens. Each cell is run without a
guard as well, so that none of them is a test that could not fail.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool, QueryEngineTool, RetrieverTool

from rune_core import ShieldBlockedError
from rune_llamaindex import ShieldNodePostprocessor, shield_llm, shield_retriever, shield_tools
from rune_llamaindex.testing import ScriptedLLM, tool_call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from rune_core import Shield

KEY, WIPE = "canary-key-5150", "wipe-the-disk"
SAID = f"as far as I know it is {KEY}, keep it to yourself"
NO_SECRETS = """
version: "1.0"
rules:
  - name: no-secrets
    scanner: secret_exposure
    surface: [input, output, tool_call, tool_result, document, handoff]
    action: redact
"""
# All are LlamaIndex's own, with and without Rune.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Skipping serialization"),
    pytest.mark.filterwarnings("ignore:is_running called"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Collected(BaseEventHandler):
    """Keeps what LlamaIndex reports, as it was when it was reported."""

    events: list[Any] = []  # noqa: RUF012 - a pydantic field

    @classmethod
    def class_name(cls) -> str:
        return "Collected"

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.events.append(f"{event!r} {event}")


class Spans(BaseSpanHandler[BaseSpan]):
    """Keeps what every method under a span gave back or raised."""

    kept: list[Any] = []  # noqa: RUF012 - a pydantic field

    @classmethod
    def class_name(cls) -> str:
        return "Spans"

    def new_span(self, id_: str, *_: Any, **__: Any) -> BaseSpan:
        return BaseSpan(id_=id_)

    def prepare_to_exit_span(self, id_: str, *_: Any, result: Any = None, **__: Any) -> BaseSpan:
        self.kept.append(f"{id_} {result!r}")
        return BaseSpan(id_=id_)

    def prepare_to_drop_span(self, id_: str, *_: Any, err: Any = None, **__: Any) -> BaseSpan:
        self.kept.append(f"{id_} {err!r}")
        return BaseSpan(id_=id_)


@pytest.fixture
def reported() -> Iterator[list[Any]]:
    kept: list[Any] = []
    handler, spans = Collected(), Spans()
    handler.events = spans.kept = kept
    root = get_dispatcher()
    root.add_event_handler(handler)
    root.add_span_handler(spans)
    yield kept
    root.event_handlers.remove(handler)
    root.span_handlers.remove(spans)


async def done(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def each(value: Any) -> list[Any]:
    value = await done(value)
    return [x async for x in value] if hasattr(value, "__aiter__") else list(value)


def user() -> list[ChatMessage]:
    return [ChatMessage(role="user", content="hello")]


def read(path: str) -> str:
    """Read a file."""
    return path


TOOL = FunctionTool.from_defaults(read)
ASK = PromptTemplate("say {what}")

# -- an LLM

LLM_WAYS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda m: m.chat(user()),
    "achat": lambda m: m.achat(user()),
    "stream_chat": lambda m: each(m.stream_chat(user())),
    "astream_chat": lambda m: each(m.astream_chat(user())),
    "complete": lambda m: m.complete("hello"),
    "acomplete": lambda m: m.acomplete("hello"),
    "stream_complete": lambda m: each(m.stream_complete("hello")),
    "astream_complete": lambda m: each(m.astream_complete("hello")),
    "predict": lambda m: m.predict(ASK, what="it"),
    "apredict": lambda m: m.apredict(ASK, what="it"),
    "stream": lambda m: each(m.stream(ASK, what="it")),
    "astream": lambda m: each(m.astream(ASK, what="it")),
    "chat_with_tools": lambda m: m.chat_with_tools([TOOL], user_msg="hi"),
    "achat_with_tools": lambda m: m.achat_with_tools([TOOL], user_msg="hi"),
    "stream_chat_with_tools": lambda m: each(m.stream_chat_with_tools([TOOL], user_msg="hi")),
    "astream_chat_with_tools": lambda m: each(m.astream_chat_with_tools([TOOL], user_msg="hi")),
}
CALLING_WAYS = [w for w in LLM_WAYS if "chat" in w]
PREDICTING: dict[str, Callable[[Any], Any]] = {
    "predict_and_call": lambda m: m.predict_and_call([TOOL], user_msg="hi"),
    "apredict_and_call": lambda m: m.apredict_and_call([TOOL], user_msg="hi"),
}


def answer_of(place: str) -> Any:
    if place == "arguments":
        return tool_call("read", path=KEY)
    if place == "thoughts":
        blocks = [ThinkingBlock(content=SAID), TextBlock(text="That is all.")]
        return ChatMessage(role="assistant", blocks=blocks)
    return SAID


CELLS = [("text", way) for way in LLM_WAYS] + [
    (place, way) for place in ("thoughts", "arguments") for way in CALLING_WAYS
]
CELLS += [("arguments", way) for way in PREDICTING]


@pytest.mark.parametrize(("place", "way"), CELLS)
async def test_no_canary_leaves_an_llm(
    make_bench: Callable[..., Any], reported: list[Any], place: str, way: str
) -> None:
    run = (LLM_WAYS | PREDICTING)[way]
    for guarded in (False, True):
        reported.clear()
        llm: Any = ScriptedLLM(answers=[answer_of(place)])
        if guarded:
            llm = shield_llm(llm, make_bench(policy=NO_SECRETS).shield)
        seen = await done(run(llm))
        assert (KEY in repr([seen, str(seen), reported])) is not guarded


# -- engines


class Shelf(BaseRetriever):
    """Gives the nodes it has."""

    def __init__(self, *texts: str) -> None:
        self.nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return list(self.nodes)


RETRIEVER_WAYS: dict[str, Callable[[Any], Any]] = {
    "retrieve": lambda r: r.retrieve("q"),
    "aretrieve": lambda r: r.aretrieve("q"),
    "as a tool": lambda r: RetrieverTool.from_defaults(r).call("q"),
    "as a tool, async": lambda r: RetrieverTool.from_defaults(r).acall("q"),
}


@pytest.mark.parametrize("way", RETRIEVER_WAYS)
async def test_no_canary_leaves_a_retriever(make_bench: Callable[..., Any], way: str) -> None:
    for guarded in (False, True):
        shelf: Any = Shelf(SAID, "a page")
        if guarded:
            shelf = shield_retriever(shelf, make_bench(policy=NO_SECRETS).shield)
        found = await done(RETRIEVER_WAYS[way](shelf))
        assert (KEY in repr(found)) is not guarded
        assert "a page" in repr(found)


MODES = ["compact", "refine", "tree_summarize", "simple_summarize", "accumulate"]


@pytest.mark.parametrize("place", ["text", "document"])
@pytest.mark.parametrize("by", ["retriever", "postprocessor"])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("mode", MODES)
async def test_no_canary_leaves_a_query_engine(
    make_bench: Callable[..., Any],
    reported: list[Any],
    mode: str,
    streaming: bool,
    asynchronous: bool,
    by: str,
    place: str,
) -> None:
    if streaming and mode == "accumulate":
        return  # LlamaIndex streams none
    for guarded in (False, True):
        reported.clear()
        shield = make_bench(policy=NO_SECRETS).shield
        llm: Any = ScriptedLLM(answers=[SAID if place == "text" else "That is all."])
        shelf: Any = Shelf(SAID if place == "document" else "a page")
        after: list[Any] = []
        used = shield_llm(llm, shield) if guarded else llm
        if guarded and by == "retriever":
            shelf = shield_retriever(shelf, shield)
        elif guarded:
            after = [ShieldNodePostprocessor(shield)]
        made: Any = get_response_synthesizer(
            llm=used,
            response_mode=mode,  # type: ignore[arg-type]
            streaming=streaming,
            use_async=asynchronous and mode == "tree_summarize",
        )
        engine = RetrieverQueryEngine(shelf, made, node_postprocessors=after)
        answer = await engine.aquery("when?") if asynchronous else engine.query("when?")
        seen: list[Any] = [answer.source_nodes]
        if streaming and asynchronous:
            seen.append([x async for x in answer.async_response_gen()])  # type: ignore[union-attr]
        elif streaming:
            seen.append(list(answer.response_gen))  # type: ignore[union-attr]
        seen += [str(answer), llm.seen]
        # A retriever that is not guarded reports what it found: that is what guarding it is for.
        seen += reported if by == "retriever" or not guarded else []
        assert (KEY in repr(seen)) is not guarded


CHATS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda e: e.chat("hello"),
    "achat": lambda e: e.achat("hello"),
    "stream_chat": lambda e: [*_streamed(e)],
    "astream_chat": lambda e: done(_astreamed(e)),
}


def _streamed(engine: Any) -> Any:
    answer = engine.stream_chat("hello")
    return [list(answer.response_gen), answer.source_nodes, str(answer)]


async def _astreamed(engine: Any) -> Any:
    answer = await engine.astream_chat("hello")
    return [[x async for x in answer.async_response_gen()], answer.source_nodes]


def chat_engine(kind: str, llm: Any, shelf: Any) -> Any:
    memory = ChatMemoryBuffer.from_defaults(token_limit=10_000, tokenizer_fn=str.split)
    if kind == "simple":
        return SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    if kind == "context":
        return ContextChatEngine.from_defaults(retriever=shelf, llm=llm, memory=memory)
    if kind == "condense plus context":
        return CondensePlusContextChatEngine.from_defaults(retriever=shelf, llm=llm, memory=memory)
    engine = RetrieverQueryEngine(
        shelf, get_response_synthesizer(llm=llm, streaming=kind.endswith("stream"))
    )
    return CondenseQuestionChatEngine.from_defaults(query_engine=engine, llm=llm, memory=memory)


@pytest.mark.parametrize("place", ["text", "document"])
@pytest.mark.parametrize("kind", ["simple", "context", "condense plus context", "condense"])
@pytest.mark.parametrize("way", CHATS)
async def test_no_canary_leaves_a_chat_engine(
    make_bench: Callable[..., Any], reported: list[Any], way: str, kind: str, place: str
) -> None:
    if kind == "simple" and place == "document":
        return
    if kind == "condense" and "stream" in way:
        kind = "condense stream"
    for guarded in (False, True):
        reported.clear()
        llm: Any = ScriptedLLM(answers=[SAID if place == "text" else "That is all."])
        shelf: Any = Shelf(SAID if place == "document" else "a page")
        used: Any = llm
        if guarded:
            shield: Shield = make_bench(policy=NO_SECRETS).shield
            used, shelf = shield_llm(llm, shield), shield_retriever(shelf, shield)
        engine = chat_engine(kind, used, shelf)
        seen = await done(CHATS[way](engine))
        assert (KEY in repr([seen, reported, llm.seen, engine.chat_history])) is not guarded


# -- agents


class Scene:
    """An agent with a canary in one place, and what it did."""

    def __init__(self, place: str, kind: str, shield: Shield | None) -> None:
        self.did: list[str] = []
        result = SAID if place == "result" else "all is well"

        def read(path: str) -> str:
            """Read a file."""
            self.did.append(path)
            if place == "error":
                raise ValueError(SAID)
            return result

        path = WIPE if place == "blocked" else KEY if place == "arguments" else "a"
        final = SAID if place == "text" else "That is all."
        if kind == "react":
            answers: list[Any] = [
                f'Thought: I look.\nAction: read\nAction Input: {{"path": "{path}"}}',
                f"Thought: I know.\nAnswer: {final}",
            ]
        else:
            answers = [tool_call("read", path=path), final]
        if place == "document":
            answers[0] = (
                'Thought: I look.\nAction: find\nAction Input: {"input": "q"}'
                if kind == "react"
                else tool_call("find", input="q")
            )
        self.llm = ScriptedLLM(answers=answers)
        llm: Any = self.llm
        shelf: Any = Shelf(SAID if place == "document" else "a page")
        inner: Any = ScriptedLLM(answers=["a page"])
        tools: Any = [FunctionTool.from_defaults(read)]
        if shield is not None:
            llm, shelf = shield_llm(llm, shield), shield_retriever(shelf, shield)
            inner = shield_llm(inner, shield)
        engine = RetrieverQueryEngine(shelf, get_response_synthesizer(llm=inner))
        tools.append(QueryEngineTool.from_defaults(engine, name="find", description="Finds."))
        self.tools = tools if shield is None else shield_tools(tools, shield)
        self.used = llm

    def agent(self, kind: str, *, streaming: bool) -> Any:
        made = ReActAgent if kind == "react" else FunctionAgent
        agent: Any = made(
            name="one", description="d", tools=self.tools, llm=self.used, streaming=streaming
        )
        if kind == "workflow":
            return AgentWorkflow(agents=[agent], root_agent="one")
        return agent


async def awaited(agent: Any) -> list[Any]:
    return [repr(await agent.run(user_msg="go"))]


async def watched(agent: Any) -> list[Any]:
    handler = agent.run(user_msg="go")
    seen = [
        f"{type(event).__name__} {event.model_dump()} {event!r}"
        async for event in handler.stream_events()
    ]
    return [*seen, repr(await handler), repr(handler.ctx.to_dict())]


AGENT_WAYS: dict[str, Callable[[Any], Awaitable[list[Any]]]] = {
    "awaited": awaited,
    "events": watched,
}
KINDS = ["function", "react", "workflow"]


@pytest.mark.parametrize("place", ["text", "arguments", "result", "error", "document"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("way", AGENT_WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_no_canary_leaves_an_agent(
    make_bench: Callable[..., Any],
    reported: list[Any],
    kind: str,
    way: str,
    streaming: bool,
    place: str,
) -> None:
    for guarded in (False, True):
        reported.clear()
        shield = make_bench(policy=NO_SECRETS).shield if guarded else None
        scene = Scene(place, kind, shield)
        seen = await AGENT_WAYS[way](scene.agent(kind, streaming=streaming))
        seen += [*reported, repr(scene.llm.seen), *scene.did]
        if guarded and kind == "react" and place == "arguments":
            # ReAct states its calls as text, which is the model's own words: the call is cut.
            assert KEY not in repr(scene.did)
            continue
        assert (KEY in repr(seen)) is not guarded
        assert bool(scene.did) is (place != "document")


@pytest.mark.parametrize("on_block", ["raise", "replace"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("way", AGENT_WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_blocked_call_has_no_effect(
    make_bench: Callable[..., Any], kind: str, way: str, streaming: bool, on_block: str
) -> None:
    plain = Scene("blocked", kind, None)
    await AGENT_WAYS[way](plain.agent(kind, streaming=streaming))
    assert plain.did == [WIPE], "this test could not fail"
    scene = Scene("blocked", kind, make_bench(on_block=on_block).shield)
    seen = await AGENT_WAYS[way](scene.agent(kind, streaming=streaming))
    assert scene.did == []
    assert "That is all." in repr(seen)


@pytest.mark.parametrize("way", PREDICTING)
async def test_a_blocked_call_of_predict_and_call_has_no_effect(
    make_bench: Callable[..., Any], way: str
) -> None:
    did: list[str] = []

    def run(path: str) -> str:
        """Run it."""
        did.append(path)
        return "ok"

    llm = shield_llm(ScriptedLLM(answers=[tool_call("run", path=WIPE)]), make_bench().shield)
    tool = FunctionTool.from_defaults(run)
    with pytest.raises(ShieldBlockedError):
        await done(getattr(llm, way)([tool], user_msg="hi"))
    assert did == []
