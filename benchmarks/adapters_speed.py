"""What a guard adds to a call: time per call, to the first streamed token, and at turn 50.

    uv run python -m benchmarks.adapters_speed [--rounds 300]

Layer 1 only, scripted models that answer at once, so that all there is to see is the guard. Calls
with and without a guard take turns, each with words of its own that no cache knows; the figure is
the difference of the medians, in milliseconds of the thread's CPU time. Prints the bar beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import re
import statistics
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rune_core import Shield
from rune_core.gate import StreamGate
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[1]
_SAID = (
    "the a of and in on for with meeting invoice region quarter supplier lorry harbour container "
    "customs report figures budget northern warehouse schedule Thursday Friday noon lunch manager "
    "please bring ask send settled moved arrived cleared booked delayed agreed new old last next"
)
WORDS = _SAID.split()


def prose(number: int, words: int = 60) -> str:
    """Harmless sentences, different for every number."""
    dice = random.Random(number)
    said = [dice.choice(WORDS) for _ in range(words)]
    for at in range(9, words, 10):
        said[at] += f" {number}."
    return " ".join(said)


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of this thread's CPU time."""
    started = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - started) / 1e6


Pair = tuple["Callable[[int], object]", "Callable[[int], object]"]


def added(plain: Callable[[int], object], guarded: Callable[[int], object], rounds: int) -> float:
    """The difference of the medians of calls with and without a guard."""
    without: list[float] = []
    with_it: list[float] = []
    for number in range(-20, rounds):
        one = timed(lambda: plain(number))  # noqa: B023 - called at once
        other = timed(lambda: guarded(number))  # noqa: B023 - called at once
        if number >= 0:
            without.append(one)
            with_it.append(other)
    return statistics.median(with_it) - statistics.median(without)


# -- one call, with a question, a tool on offer and an answer of 60 words each


def langchain(shield: Shield) -> tuple[Pair, Pair]:
    """LangChain: ``invoke``, and the first piece of ``stream``."""
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool

    from rune_langchain import shield_model, shield_tools
    from rune_langchain.testing import FakeChat

    @tool
    def read(path: str) -> str:
        """Read a file."""
        return path

    fake = FakeChat(answers=["x"])
    plain = fake.bind_tools([read])
    guarded = shield_model(fake, shield).bind_tools(shield_tools([read], shield))

    def call(model: Any) -> Callable[[int], object]:
        def run(number: int) -> object:
            fake.seen.clear()
            fake.offered.clear()
            fake.answers[0] = prose(number + 10**6)
            return model.invoke([HumanMessage(prose(number + offset(model)))])

        return run

    def first(model: Any) -> Callable[[int], object]:
        def run(number: int) -> object:
            fake.seen.clear()
            fake.answers[0] = prose(number + 2 * 10**6)
            stream = model.stream([HumanMessage(prose(number + 10**5 + offset(model)))])
            return next(chunk for chunk in stream if chunk.text)

        return run

    def offset(model: Any) -> int:
        return 5 * 10**5 if model is plain else 0

    return (call(plain), call(guarded)), (first(plain), first(guarded))


def llamaindex(shield: Shield) -> tuple[Pair, Pair]:
    """LlamaIndex: ``chat``, and the first piece of ``stream_chat``."""
    from llama_index.core.base.llms.types import ChatMessage

    from rune_llamaindex import shield_llm
    from rune_llamaindex.testing import ScriptedLLM

    plain = ScriptedLLM(answers=["x"])
    guarded = shield_llm(plain, shield)

    def call(llm: Any) -> Callable[[int], object]:
        def run(number: int) -> object:
            plain.answers[0] = prose(number + 3 * 10**6)
            return llm.chat([ChatMessage(content=prose(number + 4 * 10**6))])

        return run

    def first(llm: Any) -> Callable[[int], object]:
        def run(number: int) -> object:
            plain.answers[0] = prose(number + 5 * 10**6)
            stream = llm.stream_chat([ChatMessage(content=prose(number + 6 * 10**6))])
            return next(chunk for chunk in stream if chunk.delta)

        return run

    return (call(plain), call(guarded)), (first(plain), first(guarded))


def openai(shield: Shield) -> tuple[Pair, Pair]:
    """The OpenAI client: ``create``, and the first piece of a stream."""
    import importlib

    import openai as sdk

    from rune_openai import shield_client

    module = importlib.import_module("httpx2" if hasattr(sdk, "DefaultHttpx2Client") else "httpx")
    said = ["x"]

    def answer(request: Any) -> Any:
        head: dict[str, Any] = {"id": "c", "created": 1, "model": "m"}
        if json.loads(request.content).get("stream"):
            body = b"".join(
                b"data: " + json.dumps({**head, "object": "chat.completion.chunk", "choices": [
                    {"index": 0, "delta": {"content": piece}, "finish_reason": None}
                ]}).encode() + b"\n\n"
                for piece in re.findall(r"\S+\s*", said[0])
            )  # fmt: skip
            return module.Response(200, headers={"content-type": "text/event-stream"}, content=body)
        message = {"role": "assistant", "content": said[0]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return module.Response(200, json={**head, "object": "chat.completion", "choices": [choice]})

    http = module.Client(transport=module.MockTransport(answer))
    plain = sdk.OpenAI(api_key="x", base_url="http://localhost/v1", http_client=http)
    guarded = shield_client(plain, shield)

    def call(client: Any, *, stream: bool) -> Callable[[int], object]:
        def run(number: int) -> object:
            said[0] = prose(number + 7 * 10**6 + stream)
            question: Any = [{"role": "user", "content": prose(number + 8 * 10**6 + stream)}]
            made = client.chat.completions.create(model="m", messages=question, stream=stream)
            if not stream:
                return made
            return next(chunk for chunk in made if chunk.choices[0].delta.content)

        return run

    return (
        (call(plain, stream=False), call(guarded, stream=False)),
        (call(plain, stream=True), call(guarded, stream=True)),
    )


def agents(shield: Shield) -> tuple[Pair, Pair]:
    """The Agents SDK: a run of one turn, and the first text of a streamed one."""
    from agents import Agent, ModelSettings, ModelTracing, Runner, set_tracing_disabled
    from agents.testing import ModelStep, ScriptedModel, assistant_message

    from rune_openai import shield_agent

    set_tracing_disabled(True)
    loop = asyncio.new_event_loop()
    said = [0]

    def answers(_call: object) -> list[Any]:
        return [assistant_message(prose(said[0] + 9 * 10**6))]

    def agent() -> Any:
        steps = [ModelStep.respond(answers) for _ in range(10_000)]
        return Agent(name="a", model=ScriptedModel(steps))

    def run(made: Any) -> Callable[[int], object]:
        def go(number: int) -> object:
            said[0] = number
            return loop.run_until_complete(Runner.run(made, prose(number + 10**7)))

        return go

    async def text(made: Any, number: int) -> None:
        # Of the model itself: a runner reads all that an instant model says before it hands on.
        stream = made.model.stream_response(
            system_instructions=None,
            input=prose(number + 11 * 10**6),
            model_settings=ModelSettings(),
            tools=[],
            output_schema=None,
            handoffs=[],
            tracing=ModelTracing.DISABLED,
            previous_response_id=None,
            conversation_id=None,
            prompt=None,
        )
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await stream.aclose()

    def first(made: Any) -> Callable[[int], object]:
        def go(number: int) -> object:
            said[0] = number + 10**6
            return loop.run_until_complete(text(made, number))

        return go

    plain, guarded = agent(), shield_agent(agent(), shield)
    return (run(plain), run(guarded)), (first(plain), first(guarded))


# -- what is held back, and turn 50


def held(shield: Shield, texts: Iterable[str]) -> list[int]:
    """Characters held back after each piece of four characters, for streams of these texts."""
    lengths: list[int] = []
    for text in texts:
        gate = StreamGate(shield, Surface.OUTPUT)
        for at in range(0, len(text), 4):
            gate.push(text[at : at + 4])
            lengths.append(gate.held)
        gate.finish()
    return lengths


def honest_prose() -> list[str]:
    """Paragraphs of this repository's documentation, without code, tables and lists."""
    found: list[str] = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
        found += [
            part
            for part in re.split(r"\n\s*\n", text)
            if len(part) > 200 and not re.match(r"[\s#|<>*-]", part)
        ]
    return found


def turns(shield: Shield, rounds: int) -> dict[int, tuple[float, int]]:
    """Milliseconds that a guard adds at turns 2 and 50 of a conversation, and texts scanned."""
    from langchain_core.messages import AIMessage, HumanMessage

    from rune_langchain import shield_model
    from rune_langchain.testing import FakeChat

    fake = FakeChat(answers=["x"])
    guarded = shield_model(fake, shield)
    times: dict[int, list[float]] = {2: [], 50: []}
    scans: dict[int, int] = {}
    for number in range(max(3, rounds // 10)):
        history: list[Any] = []
        for turn in range(1, 51):
            at = number * 1000 + turn
            history.append(HumanMessage(prose(at + 12 * 10**6), id=f"h{at}"))
            fake.answers[0] = AIMessage(prose(at + 13 * 10**6), id=f"a{at}")
            fake.seen.clear()
            plain = timed(lambda: fake.invoke(history))  # noqa: B023 - called at once
            fake.seen.clear()
            before = shield.stats.scans_total
            said: list[Any] = []
            spent = timed(lambda: said.append(guarded.invoke(history)))  # noqa: B023
            if turn in times:
                times[turn].append(spent - plain)
                scans[turn] = shield.stats.scans_total - before
            history.append(said[0])
    return {turn: (statistics.median(t), scans[turn]) for turn, t in times.items()}


def main() -> None:
    """Print every figure with its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with Shield() as shield:
        for adapter in (langchain, llamaindex, openai, agents):
            whole, first = adapter(shield)
            name = adapter.__name__
            print(f"{name}: a guarded call adds {added(*whole, rounds):.2f} ms   bar 1 ms")
            print(f"{name}: to the first token it adds {added(*first, rounds):.2f} ms   bar 2 ms")
        texts = honest_prose()
        lengths = sorted(held(shield, texts))
        p50, p95 = lengths[len(lengths) // 2], lengths[int(len(lengths) * 0.95)]
        print(
            f"held back on {len(texts)} paragraphs of prose: p50 {p50}, p95 {p95}, "
            f"longest {lengths[-1]} characters   bar p95 96"
        )
        for turn, (spent, scanned) in turns(shield, rounds).items():
            print(f"turn {turn}: {scanned} texts scanned, {spent:.2f} ms added   bar: no dearer")


if __name__ == "__main__":
    main()
