"""The OpenAI clients and the Agents SDK, in every way that they can fail."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("agents")

from agents import (
    Agent,
    ModelSettings,
    Runner,
    function_tool,
    handoff,
    set_tracing_disabled,
)
from agents.testing import ScriptedModel, assistant_message, function_call
from canary_scenes import SCENES
from openai import AsyncOpenAI, OpenAI

from rune_openai import (
    ShieldInputGuardrail,
    ShieldOutputGuardrail,
    shield_agent,
    shield_client,
    shield_run_config,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from canary_watch import Watch

    from rune_core import Shield

set_tracing_disabled(True)


def _model_server() -> Any:
    """The model server of the tests of rune-openai, under a name of its own."""
    path = Path(__file__).parents[1] / "rune_openai" / "server.py"
    spec = importlib.util.spec_from_file_location("openai_model_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["openai_model_server"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model_server() -> Iterator[Any]:
    with _model_server().serving() as running:
        yield running


def messages(watch: Watch) -> list[dict[str, Any]]:
    arguments = json.dumps({"q": watch.text("earlier argument")})
    function = {"name": "lookup", "arguments": arguments}
    return [
        {"role": "system", "content": watch.canary("system prompt")},
        {"role": "user", "content": watch.text("user")},
        {
            "role": "assistant",
            "content": watch.text("earlier answer"),
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": watch.text("earlier tool result")},
        {"role": "user", "content": [{"type": "text", "text": watch.text("user block")}]},
    ]


def tools(watch: Watch) -> list[dict[str, Any]]:
    function = {"name": "lookup", "description": watch.text("a tool's description")}
    return [{"type": "function", "function": {**function, "parameters": {"type": "object"}}}]


def prepare(server: Any, watch: Watch) -> None:
    server.text, server.reasoning = watch.text("answer"), watch.text("reasoning")
    calls = {"q": watch.text("argument"), watch.text("argument name"): 1}
    server.calls = [("lookup", json.dumps(calls)), ("pay", "{not json " + watch.text("bad json"))]


@pytest.mark.parametrize("scene", SCENES)
async def test_no_content_comes_out_of_clients(
    scene: str,
    watch: Watch,
    make_shield: Callable[[str], Shield],
    finish: Callable[..., None],
    model_server: Any,
) -> None:
    shield = make_shield(scene)
    with OpenAI(base_url=model_server.url, api_key="none", max_retries=0) as plain:
        client: Any = shield_client(plain, shield)
        chat, responses = client.chat.completions, client.responses
        for what, go in (
            ("chat", lambda: chat.create(model="m", messages=messages(watch), tools=tools(watch))),
            (
                "chat stream",
                lambda: list(chat.create(model="m", messages=messages(watch), stream=True)),
            ),
            (
                "raw",
                lambda: chat.with_raw_response.create(model="m", messages=messages(watch)).text,
            ),
            (
                "responses",
                lambda: responses.create(
                    model="m", input=watch.text("user"), instructions=watch.canary("instructions")
                ),
            ),
            (
                "responses stream",
                lambda: list(responses.create(model="m", input=watch.text("user"), stream=True)),
            ),
            ("completions", lambda: client.completions.create(model="m", prompt=watch.text("p"))),
            ("embeddings", lambda: client.embeddings.create(model="m", input=watch.text("p"))),
        ):
            prepare(model_server, watch)
            watch.attempt(what, go, show=False)
        model_server.failures = 1
        watch.attempt(
            "failing", lambda: chat.create(model="m", messages=messages(watch)), show=False
        )
        watch.show("client", client)
    async with AsyncOpenAI(base_url=model_server.url, api_key="none", max_retries=0) as plain:
        client = shield_client(plain, shield)

        async def streamed() -> list[Any]:
            stream = await client.chat.completions.create(
                model="m", messages=messages(watch), stream=True
            )
            return [part async for part in stream]

        prepare(model_server, watch)
        await watch.aattempt("async stream", streamed)
        await watch.aattempt(
            "async", lambda: client.responses.create(model="m", input=watch.text("user"))
        )
    finish(shield, planted=60)


@pytest.mark.parametrize("scene", SCENES)
async def test_no_content_comes_out_of_agents(
    scene: str, watch: Watch, make_shield: Callable[[str], Shield], finish: Callable[..., None]
) -> None:
    shield = make_shield(scene)
    told, raised = watch.text("what a tool returns"), watch.text("what a tool raises")

    @function_tool
    def lookup(q: str) -> str:
        """Look something up."""
        return told

    @function_tool
    def pay(q: str) -> str:
        """Fail."""
        raise ValueError(f"{raised} {q}")

    @function_tool(failure_error_function=None)
    def aloud(q: str) -> str:
        """Fail aloud."""
        raise ValueError(f"{raised} {q}")

    def model() -> ScriptedModel:
        turns = [
            [function_call(name, {"q": watch.text(f"argument of {name}")}, call_id=f"c-{name}")]
            for name in ("lookup", "pay", "aloud", "transfer_to_other")
        ]
        return ScriptedModel([*turns, [assistant_message(watch.text("answer"))]])

    def agent() -> Agent[Any]:
        other: Agent[Any] = Agent(
            name="other", instructions=watch.canary("instructions"), model=model()
        )
        return Agent(
            name="desk",
            instructions=watch.canary("instructions"),
            model=model(),
            tools=[lookup, pay, aloud],
            handoffs=[handoff(other)],
            model_settings=ModelSettings(),
        )

    async def stream(guarded: Any) -> None:
        result = Runner.run_streamed(guarded, watch.text("question"))
        async for _ in result.stream_events():
            pass

    await watch.aattempt(
        "agent", lambda: Runner.run(shield_agent(agent(), shield), watch.text("question"))
    )
    await watch.aattempt("agent stream", lambda: stream(shield_agent(agent(), shield)))
    await watch.aattempt(
        "run config",
        lambda: Runner.run(
            agent(), watch.text("question"), run_config=shield_run_config(shield=shield)
        ),
    )
    railed = agent().clone(
        input_guardrails=[ShieldInputGuardrail(shield)],
        output_guardrails=[ShieldOutputGuardrail(shield)],
    )
    await watch.aattempt("guardrails", lambda: Runner.run(railed, watch.text("question")))
    finish(shield, planted=40)
