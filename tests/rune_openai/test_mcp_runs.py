"""Calls of MCP tools are judged once, in the run whose model asked; a policy may ask first."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, RunState, function_tool, set_tracing_disabled
from agents.mcp import MCPServer
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from hijack import CLEAN, MAIL, QUESTION, READ, SEND, SENT, WISH, run

from rune_core import Shield, ShieldConfig
from rune_core.testing import shield_for_tests
from rune_openai import AgentsBlockedError, shield_agent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASKING = """
version: "1.0"
rules:
  - name: ask-first
    type: tool_denylist
    tools: [send_email]
    action: ask
"""
ONCE = """
version: "1.0"
rules:
  - name: once
    type: budget
    per: agent
    max_calls: 1
    action: block
"""
set_tracing_disabled(True)


class Post(MCPServer):
    """A post office in this process."""

    def __init__(self, mail: str, meet: Callable[[], Any] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._mail = mail
        self._meet = meet
        self.sent: list[Any] = []

    name = "post"

    async def connect(self) -> None:
        """Nothing to connect to."""

    async def cleanup(self) -> None:
        """Nothing to close."""

    async def list_tools(self, *_: Any, **__: Any) -> list[Any]:
        from mcp.types import Tool

        schema = {"type": "object", "properties": {}}
        return [
            Tool.model_validate({"name": name, "description": "Post.", "inputSchema": schema})
            for name in ("read_mail", "send_email")
        ]

    async def call_tool(self, tool_name: str, arguments: Any, *_: Any, **__: Any) -> Any:
        from mcp.types import CallToolResult, TextContent

        text = self._mail
        if tool_name == "send_email":
            self.sent.append(arguments)
            text = "sent"
        elif self._meet is not None:
            await self._meet()
        return CallToolResult(content=[TextContent(type="text", text=text)])

    async def list_prompts(self) -> Any:
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: Any = None) -> Any:
        raise NotImplementedError


def agent_of(shield: Shield, server: Post, *calls: tuple[str, str], prefix: bool = False) -> Any:
    steps = [
        function_call(
            f"mcp_post__{name}" if prefix else name, json.loads(args), call_id=f"call_{number}"
        )
        for number, (name, args) in enumerate(calls)
    ]
    model = ScriptedModel([*([step] for step in steps), [assistant_message("Done.")]])
    config: Any = {"include_server_in_tool_names": True} if prefix else {}
    agent: Agent[Any] = Agent(name="desk", model=model, mcp_servers=[server], mcp_config=config)
    return shield_agent(agent, shield)


@pytest.mark.parametrize("streams", [False, True])
async def test_one_session_and_one_decision_a_call(tmp_path: Path, streams: bool) -> None:
    events = tmp_path / "events.jsonl"
    with Shield(config=ShieldConfig(events_path=events)) as shield:
        await run(agent_of(shield, Post(MAIL), READ), QUESTION, streams)
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert {event["surface"] for event in told} >= {"input", "tool_call", "tool_result"}
    assert (
        len({event["session_id"] for event in told if event["surface"] != "tool_definition"}) == 1
    )
    assert [event["surface"] for event in told].count("tool_call") == 1


async def test_a_call_is_counted_once() -> None:
    with Shield(policy=ONCE) as shield:
        server = Post(CLEAN)
        with pytest.raises(AgentsBlockedError):
            await run(agent_of(shield, server, SEND, SEND), WISH)
        assert len(server.sent) == 1


async def test_turns_crowd_out_no_session() -> None:
    with Shield(config=ShieldConfig(max_sessions=4)) as shield:
        mine = shield.open_session(session_id="mine")
        await run(agent_of(shield, Post(CLEAN), *[READ] * 6), QUESTION)
        assert shield.open_session(session_id="mine") is mine


@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize("streams", [False, True])
async def test_a_question_interrupts_the_run(streams: bool, prefix: bool) -> None:
    with Shield(policy=ASKING) as shield:
        for approves in (True, False):
            server = Post(CLEAN)
            agent = agent_of(shield, server, READ, SEND, prefix=prefix)
            result = await run(agent, WISH, streams)
            assert server.sent == []
            (question,) = result.interruptions
            state = result.to_state()
            if approves:
                state.approve(question)
            else:
                state.reject(question)
            result = await run(agent, state, streams)
            assert result.final_output == "Done."
            assert server.sent == ([SENT] if approves else [])


DENYING = ASKING.replace("action: ask", "action: block")


@pytest.mark.parametrize("kind", ["function", "mcp"])
async def test_a_run_resumed_in_another_process(kind: str) -> None:
    """Nothing is left of the run but its JSON: what a person approved is made, if it may be."""
    server = Post(CLEAN)
    steps = [function_call("send_email", SENT, call_id="call_0")], [assistant_message("Done.")]

    @function_tool
    async def send_email(to: str, body: str) -> str:
        """Send an e-mail."""
        await server.call_tool("send_email", {"to": to, "body": body})
        return "sent"

    def process(*script: Any) -> Any:
        given: Any = {"tools": [send_email]} if kind == "function" else {"mcp_servers": [server]}
        return shield_agent(Agent(name="desk", model=ScriptedModel(list(script)), **given), shield)

    with Shield(policy=ASKING) as shield:
        interrupted = (await run(process(*steps), WISH)).to_state().to_string()
    for policy, sent in ((DENYING, []), (ASKING, [SENT])):
        with Shield(policy=policy, on_block="replace") as shield:
            agent = process(steps[1])
            state = await RunState.from_string(agent, interrupted)
            state.approve(state.get_interruptions()[0])
            assert (await run(agent, state)).final_output == "Done."
            assert server.sent == sent


@pytest.mark.parametrize("streams", [False, True])
async def test_a_call_without_arguments(streams: bool) -> None:
    """Where the arguments are no JSON, the SDK asks the user whatever a setting would say."""
    empty = ModelStep([function_call("send_email", "", call_id="call_0")])
    for policy, questions in (('version: "1.0"\nrules: []\n', 0), (ASKING, 1)):
        with Shield(policy=policy) as shield:
            server = Post(CLEAN)
            model = ScriptedModel([empty, [assistant_message("Done.")]])
            agent = shield_agent(Agent(name="desk", model=model, mcp_servers=[server]), shield)
            result = await run(agent, WISH, streams)
            assert len(result.interruptions) == questions
            if questions:
                state = result.to_state()
                state.approve(result.interruptions[0])
                result = await run(agent, state, streams)
            assert result.final_output == "Done."
            assert server.sent == [{}]


async def test_the_servers_own_question_stays() -> None:
    with Shield(policy='version: "1.0"\nrules: []\n') as shield:
        server = Post(CLEAN, require_approval={"always": {"tool_names": ["send_email"]}})
        result = await run(agent_of(shield, server, READ, SEND), WISH)
        assert [one.name for one in result.interruptions] == ["send_email"]
        assert server.sent == []


@pytest.mark.parametrize("streams", [False, True])
async def test_runs_whose_calls_are_numbered_alike(streams: bool) -> None:
    both = asyncio.Barrier(2)
    hijacked, honest = Post(MAIL, both.wait), Post(CLEAN, both.wait)
    with shield_for_tests(l1=True) as shield:
        first, second = await asyncio.gather(
            run(agent_of(shield, hijacked, READ, SEND), QUESTION, streams),
            run(agent_of(shield, honest, READ, SEND), WISH, streams),
        )
    assert hijacked.sent == []
    assert len(first.interruptions) == 1
    assert honest.sent == [SENT]
    assert second.final_output == "Done."
