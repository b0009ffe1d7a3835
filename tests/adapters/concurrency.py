"""Many runs at once under one shield, one kind for each framework.

Each run says, calls, reads and answers words of its own. It gives what came out of it, so that
words of another run would show, and the words of each session are looked up in the scanner.

    python -m tests.adapters.concurrency [--runs 1000] [--rounds 12]

runs the long version: rounds of that many runs, and the memory after each, which has to be flat
once as many sessions were seen as the adapters keep.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import re
import resource
import threading
import warnings
from typing import TYPE_CHECKING, Any

from rune_core.testing import FakeScanner, RecordingSink, shield_for_tests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rune_core import Shield

KEPT = 8192
"""Sessions that an adapter keeps at the most: until there are so many, memory grows."""
WORD = re.compile(r"word-\d+-of-\w+")


def langchain(shield: Shield) -> Callable[[str], Awaitable[str]]:
    """An agent with a tool, streamed."""
    from langchain.agents import create_agent
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
    from langchain_core.tools import tool

    from rune_langchain import ShieldMiddleware
    from rune_langchain.testing import FakeChat

    @tool
    async def echo(text: str) -> str:
        """Say it again."""
        await asyncio.sleep(0)
        return f"echo {text}"

    class Echo(FakeChat):
        """Answers by what it is asked."""

        def _next(self, messages: list[Any], kwargs: dict[str, Any]) -> AIMessage:
            (word,) = WORD.findall(messages[0].text)
            if isinstance(messages[-1], ToolMessage):
                return AIMessage(f"it says {word}, and no more")
            call = {"name": "echo", "args": {"text": word}, "id": f"call-{word}"}
            return AIMessage("", tool_calls=[call])

    agent: Any = create_agent(Echo(answers=[""]), [echo], middleware=[ShieldMiddleware(shield)])

    async def run(word: str) -> str:
        said = {"messages": [HumanMessage(f"please say {word}")]}
        seen = [part async for part in agent.astream(said, stream_mode=["messages", "values"])]
        return repr(seen)

    return run


def llamaindex(shield: Shield) -> Callable[[str], Awaitable[str]]:
    """A function agent with a tool, its events watched."""
    from llama_index.core.agent.workflow import FunctionAgent

    from rune_llamaindex import shield_llm, shield_tools
    from rune_llamaindex.testing import ScriptedLLM, tool_call

    async def echo(text: str) -> str:
        """Say it again."""
        await asyncio.sleep(0)
        return f"echo {text}"

    tools: Any = shield_tools([echo], shield)

    class Echo(ScriptedLLM):
        """Answers by what it is asked."""

        def _next(self, messages: Any, kwargs: Any) -> Any:
            (word,) = set(WORD.findall(str(messages[0].content)))
            if messages[-1].role == "tool":
                self.answers = [f"it says {word}, and no more"]
            else:
                self.answers = [tool_call("echo", text=word)]
            return super()._next(messages, kwargs)

    agent = FunctionAgent(tools=tools, llm=shield_llm(Echo(), shield))

    async def run(word: str) -> str:
        handler = agent.run(user_msg=f"please say {word}")
        seen = [repr(event) async for event in handler.stream_events()]
        return f"{seen} {await handler}"

    return run


def agents(shield: Shield) -> Callable[[str], Awaitable[str]]:
    """An agent of the Agents SDK with a tool, streamed."""
    from agents import Agent, Runner, function_tool, set_tracing_disabled
    from agents.testing import ScriptedModel, assistant_message, function_call

    from rune_openai import shield_agent

    set_tracing_disabled(True)

    @function_tool
    async def echo(text: str) -> str:
        """Say it again."""
        await asyncio.sleep(0)
        return f"echo {text}"

    async def run(word: str) -> str:
        model = ScriptedModel(
            [
                [function_call("echo", {"text": word}, call_id=f"call-{word}")],
                [assistant_message(f"it says {word}, and no more")],
            ]
        )
        agent = shield_agent(Agent(name="a", model=model, tools=[echo]), shield)
        result = Runner.run_streamed(agent, f"please say {word}")
        seen = [repr(event) async for event in result.stream_events()]
        return f"{seen} {result.final_output}"

    return run


def openai(shield: Shield) -> Callable[[str], Awaitable[str]]:
    """A client, streamed; the server is a transport in this process."""
    import importlib
    import json

    import openai as sdk

    from rune_openai import shield_client

    module = importlib.import_module("httpx2" if hasattr(sdk, "DefaultHttpx2Client") else "httpx")

    async def answer(request: Any) -> Any:
        await asyncio.sleep(0)
        (word,) = WORD.findall(json.loads(request.content)["messages"][-1]["content"])
        head = {"id": f"c-{word}", "created": 1, "model": "m", "object": "chat.completion.chunk"}
        body = b"".join(
            b"data: %s\n\n"
            % json.dumps(
                {
                    **head,
                    "choices": [{"index": 0, "delta": {"content": p}, "finish_reason": None}],
                }
            ).encode()
            for p in ("it ", "says ", word[:5], word[5:], ", and no more")
        )
        return module.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    http = module.AsyncClient(transport=module.MockTransport(answer))
    client = shield_client(
        sdk.AsyncOpenAI(api_key="x", base_url="http://localhost/v1", http_client=http), shield
    )

    async def run(word: str) -> str:
        messages: Any = [{"role": "user", "content": f"please say {word}"}]
        stream: Any = await client.chat.completions.create(
            model="m", messages=messages, stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    return run


KINDS = {made.__name__: made for made in (langchain, llamaindex, agents, openai)}


class MixedError(AssertionError):
    """Words of one run came out of another, or into its session."""


async def many(kind: str, shield: Shield, scanner: FakeScanner, runs: int, round_: int = 0) -> None:
    """Make that many runs at once and look for words that are not where they belong.

    Raises:
        MixedError: There are some, or tasks or threads are left.
    """
    run = KINDS[kind](shield)
    await run(f"word-0-of-warm{round_}")
    scanner.seen.clear()
    scanner.contexts.clear()
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    words = [f"word-{number}-of-{kind}{round_}" for number in range(runs)]
    told = await asyncio.gather(*map(run, words))
    for word, seen in zip(words, told, strict=True):
        if set(WORD.findall(seen)) != {word}:
            raise MixedError(f"{kind}: {word} came out as {sorted(set(WORD.findall(seen)))[:3]}")
    owners: dict[str, set[str]] = {}
    held: dict[str, set[str]] = {}
    for text, context in zip(scanner.seen, scanner.contexts, strict=True):
        for word in WORD.findall(text):
            owners.setdefault(word, set()).add(context.session.id)
            held.setdefault(context.session.id, set()).add(word)
    if set(owners) != set(words):
        raise MixedError(f"{kind}: {len(owners)} of {runs} runs were looked at")
    if any(len(found) > 1 for found in (*owners.values(), *held.values())):
        raise MixedError(f"{kind}: runs share a session, or a run has several")
    await asyncio.sleep(0.05)
    if len(asyncio.all_tasks()) > tasks:
        raise MixedError(f"{kind}: {len(asyncio.all_tasks()) - tasks} tasks are left")
    if threading.active_count() > threads + 40:  # the default executor of asyncio keeps its own
        raise MixedError(f"{kind}: {threading.active_count() - threads} threads are left")


def main() -> None:
    """The long version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("kinds", nargs="*", default=[*KINDS])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    for kind in args.kinds:
        scanner, sizes = FakeScanner({}), []
        with shield_for_tests(scanner, RecordingSink(), events_enabled=False) as shield:
            for number in range(args.rounds):
                asyncio.run(many(kind, shield, scanner, args.runs, number))
                scanner.seen.clear()
                scanner.contexts.clear()
                gc.collect()
                sizes.append(_resident())
        print(f"{kind}: {args.rounds} x {args.runs} runs, MB after each: {sizes}", flush=True)
        full = -(-KEPT // args.runs)
        if len(sizes) < full + 2:
            print(f"{kind}: not judged: {KEPT} sessions are kept, so {full + 2} rounds are needed")
            continue
        growth = (sizes[-1] - sizes[full]) / sizes[full]
        if growth > 0.03:
            raise SystemExit(f"{kind}: memory grew by {growth:.0%} once all tables were full")


def _resident() -> int:
    """MB that this process holds now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
        return int(file.read().split()[1]) * resource.getpagesize() >> 20


if __name__ == "__main__":
    main()
