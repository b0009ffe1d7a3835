"""The leak matrix of the Agents SDK: every way to run, and everything that comes out of a run."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from agents import (
    Agent,
    AgentsException,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    SQLiteSession,
    add_trace_processor,
    function_tool,
    handoff,
    set_trace_processors,
    set_tracing_disabled,
)
from agents.mcp import MCPServer
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tracing import TracingProcessor
from openai import AsyncOpenAI
from pydantic import BaseModel

from rune_core import Shield
from rune_openai import shield_agent, shield_run_config

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from server import Server

CANARY = "4eC39HqLyjWDarjtT1zdp7dc"
KEY = "sk_" + "live_" + CANARY
SAID = f"as far as I know it is {KEY}, keep it to yourself"
RULES = """
version: "1.0"
rules:
  - name: no-secrets
    scanner: secret_exposure
    surface: [input, output, tool_call, tool_result, handoff]
    threshold: 0.7
    action: redact
  - name: no-mail
    type: tool_denylist
    tools: [send_mail]
    action: block
"""
PLACES = ["text", "structured", "arguments", "result", "mcp result", "agent as tool", "handoff"]


class Answer(BaseModel):
    text: str


class Note(BaseModel):
    reason: str


class Spans(TracingProcessor):
    """Keeps what is traced."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_trace_start(self, trace: Any) -> None:
        pass

    def on_trace_end(self, trace: Any) -> None:
        self.seen.append(repr(trace.export()))

    def on_span_start(self, span: Any) -> None:
        pass

    def on_span_end(self, span: Any) -> None:
        self.seen.append(repr(span.export()))

    def shutdown(self) -> None:
        pass

    def force_flush(self) -> None:
        pass


@pytest.fixture
def spans() -> Iterator[Spans]:
    kept = Spans()
    set_tracing_disabled(False)
    set_trace_processors([])
    add_trace_processor(kept)
    yield kept
    set_trace_processors([])
    set_tracing_disabled(True)


class Files(MCPServer):
    """An MCP server in this process."""

    name = "files"

    def __init__(self, text: str, called: list[str]) -> None:
        super().__init__()
        self._text, self._called = text, called

    async def connect(self) -> None:
        pass

    async def cleanup(self) -> None:
        pass

    async def list_tools(self, *_: Any, **__: Any) -> list[Any]:
        from mcp.types import Tool

        schema = {"type": "object", "properties": {"path": {"type": "string"}}}
        made = {"description": "Opens a file.", "inputSchema": schema}
        return [Tool.model_validate({"name": name, **made}) for name in ("open_file", "send_mail")]

    async def call_tool(self, tool_name: str, arguments: Any, *_: Any, **__: Any) -> Any:
        from mcp.types import CallToolResult, TextContent

        self._called.append(f"{tool_name} {json.dumps(arguments)}")
        return CallToolResult(content=[TextContent(type="text", text=self._text)])

    async def list_prompts(self) -> Any:
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: Any = None) -> Any:
        raise NotImplementedError


class Scene:
    """An agent with a canary in one place."""

    def __init__(self, place: str) -> None:
        self.did: list[str] = []
        self.read: list[Any] = []
        result = SAID if place == "result" else "all is well"
        final: Any = assistant_message(SAID if place == "text" else "That is all.")
        if place == "structured":
            final = assistant_message(json.dumps({"text": SAID}))

        @function_tool
        def read(path: str) -> str:
            """Read a file."""
            self.did.append(f"read {path}")
            return result

        inner: Agent[Any] = Agent(
            name="inner",
            model=ScriptedModel([[assistant_message(SAID if "as tool" in place else "inner")]]),
        )
        second: Agent[Any] = Agent(
            name="second", model=ScriptedModel([[assistant_message("I take over.")]])
        )

        async def noted(_context: Any, note: Note) -> None:
            self.did.append(f"handoff {note.reason}")

        path = f"files/{KEY}/a.txt" if place == "arguments" else "files/a.txt"
        turns: list[Any] = [
            [
                function_call("read", {"path": path}, call_id="c1"),
                function_call("open_file", {"path": path}, call_id="c2"),
                function_call("ask", {"input": "well?"}, call_id="c3"),
            ],
            [final],
        ]
        if place == "handoff":
            turns[1] = [function_call("transfer_to_second", {"reason": SAID}, call_id="c4")]
        self.agent: Agent[Any] = Agent(
            name="a",
            model=ScriptedModel(turns),
            tools=[read, inner.as_tool("ask", "Asks another agent.")],
            mcp_servers=[Files(SAID if place == "mcp result" else "fine", self.did)],
            handoffs=[handoff(second, on_handoff=noted, input_type=Note)],
            output_type=Answer if place == "structured" else None,
        )


async def run(agent: Any, config: RunConfig, session: Any) -> list[Any]:
    result = await Runner.run(agent, "go", run_config=config, session=session)
    return everything(result)


async def run_sync(agent: Any, config: RunConfig, session: Any) -> list[Any]:
    def work() -> Any:
        # The SDK takes the thread's event loop and leaves closing it to its owner.
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return Runner.run_sync(agent, "go", run_config=config, session=session)
        finally:
            loop.close()

    return everything(await asyncio.to_thread(work))


async def run_streamed(agent: Any, config: RunConfig, session: Any) -> list[Any]:
    result = Runner.run_streamed(agent, "go", run_config=config, session=session)
    seen: list[Any] = []
    async for event in result.stream_events():
        seen += [repr(event), repr(getattr(event, "data", None)), repr(getattr(event, "item", 0))]
    return [*seen, *everything(result)]


async def run_streamed_deltas(agent: Any, config: RunConfig, session: Any) -> list[Any]:
    """Text and arguments, put together from their pieces."""
    result = Runner.run_streamed(agent, "go", run_config=config, session=session)
    pieces: dict[str, str] = {}
    async for event in result.stream_events():
        data = getattr(event, "data", None)
        if isinstance(getattr(data, "delta", None), str):
            key = f"{getattr(data, 'type', '')} {getattr(data, 'item_id', '')}"
            pieces[key] = pieces.get(key, "") + data.delta  # type: ignore[union-attr]
    return [*pieces.values(), repr(result.final_output)]


def everything(result: Any) -> list[Any]:
    state = result.to_state()
    return [
        repr(result.new_items),
        repr(result.raw_responses),
        repr(result.final_output),
        repr(result.to_input_list()),
        json.dumps(state.to_json()),
        repr(result),
    ]


WAYS: dict[str, Callable[[Any, RunConfig, Any], Awaitable[list[Any]]]] = {
    f.__name__: f for f in (run, run_sync, run_streamed, run_streamed_deltas)
}


@pytest.fixture(scope="module")
def shield() -> Iterator[Shield]:
    with Shield(policy=RULES, on_block="raise") as made:
        yield made


async def stored(session: Any) -> str:
    return json.dumps(await session.get_items())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", WAYS)
async def test_no_canary_leaves_a_run(shield: Shield, spans: Spans, way: str, place: str) -> None:
    for guarded in (False, True):
        spans.seen.clear()
        scene, session = Scene(place), SQLiteSession("s")
        try:
            agent = shield_agent(scene.agent, shield) if guarded else scene.agent
            seen = await WAYS[way](agent, RunConfig(), session)
            seen += [await stored(session), *spans.seen, *scene.did]
            model: Any = scene.agent.model
            seen += [repr([call.input for call in model.calls])]
        finally:
            session.close()
        assert (CANARY in repr(seen)) is not guarded, "this test could not fail"
        assert any(did.startswith("read files/") for did in scene.did)
        assert any(did.startswith("open_file") for did in scene.did)
        if place == "handoff":
            assert scene.did[-1].startswith("handoff")


@pytest.mark.parametrize("tool", ["read", "open_file"])
@pytest.mark.parametrize("on_block", ["raise", "replace"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_blocked_call_has_no_effect(way: str, on_block: str, tool: str) -> None:
    policy = RULES.replace("send_mail", tool)
    scene, session = Scene("text"), SQLiteSession("s")
    model = ScriptedModel(
        [[function_call(tool, {"path": "a"}, call_id="c1")], [assistant_message("Done.")]]
    )
    scene.agent.model = model
    with Shield(policy=policy, on_block=on_block) as shield:
        agent = shield_agent(scene.agent, shield)
        try:
            if on_block == "raise":
                with pytest.raises(AgentsException):
                    await WAYS[way](agent, RunConfig(), session)
            else:
                seen = await WAYS[way](agent, RunConfig(), session)
                assert "stopped by policy" in repr(seen)
        finally:
            session.close()
    assert scene.did == []


@pytest.mark.parametrize("api", ["chat completions", "responses"])
@pytest.mark.parametrize("by", ["agent", "run config"])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("place", ["text", "reasoning", "arguments"])
async def test_no_canary_comes_from_a_server(
    server: Server, shield: Shield, api: str, by: str, streams: bool, place: str
) -> None:
    for guarded in (False, True):
        server.text = SAID if place == "text" else "That is all."
        server.reasoning = SAID if place == "reasoning" else ""
        ran: list[str] = []

        @function_tool
        def read(path: str) -> str:
            """Read a file."""
            ran.append(path)  # noqa: B023 - of this round
            server.calls = []
            return "fine"

        if place == "arguments":
            server.calls = [("read", json.dumps({"path": KEY}))]
        async with AsyncOpenAI(base_url=server.url, api_key="x") as client:
            made = OpenAIChatCompletionsModel if api.startswith("chat") else OpenAIResponsesModel
            agent: Agent[Any] = Agent(name="a", tools=[read], model=made("m", client))
            config = RunConfig()
            if guarded and by == "agent":
                agent = shield_agent(agent, shield)
            elif guarded:
                config = shield_run_config(RunConfig(model=agent.model), shield)
            seen = await (run_streamed if streams else run)(agent, config, None)
        shown = repr([seen, ran])
        if not guarded and place == "reasoning" and CANARY not in shown:
            pytest.skip("this SDK drops reasoning of chat completions")
        assert (CANARY in shown) is not guarded
        assert (ran == []) is (place != "arguments")
