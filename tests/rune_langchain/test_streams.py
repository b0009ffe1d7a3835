"""Streams through the gate: early, whole, in the pieces they came in, and closed when left."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool

from rune_core import Shield, ShieldBlockedError
from rune_core.testing import shield_for_tests
from rune_langchain import shield_model, shield_tools
from rune_langchain.testing import FakeChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"
RULES = shield_for_tests(l1=True)
TOKEN = "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc"
PROSE = "The lorry left at nine. It carries forty crates of tea. It arrives on Thursday at noon. "


class Taps(FakeChat):
    """Says how much of its stream was asked for, and whether it was closed."""

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        try:
            for chunk in super()._stream(messages, stop, None, **kwargs):
                TAPPED.append(chunk.text)
                yield chunk
        finally:
            TAPPED.append("closed")

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        try:
            for chunk in super()._stream(messages, stop, None, **kwargs):
                TAPPED.append(chunk.text)
                await asyncio.sleep(0)
                yield chunk
        finally:
            TAPPED.append("closed")


TAPPED: list[str] = []


def text_of(chunks: Any) -> str:
    return "".join(chunk.text for chunk in chunks)


async def test_text_comes_before_the_end_and_no_faster_than_it_is_read() -> None:
    model = shield_model(Taps(answers=[PROSE * 40]), RULES)
    TAPPED.clear()
    stream = model.stream("hi")
    said = next(stream).text + next(stream).text
    assert "".join(TAPPED).startswith(said)
    assert len("".join(TAPPED)) - len(said) < 200, "the model is read far ahead of its consumer"
    assert said + text_of(stream) == PROSE * 40
    TAPPED.clear()
    astream = model.astream("hi")
    said = (await anext(astream)).text
    assert len("".join(TAPPED)) - len(said) < 200
    assert said + "".join([c.text async for c in astream]) == PROSE * 40


async def test_leaving_a_stream_closes_the_models() -> None:
    model = shield_model(Taps(answers=[PROSE * 40]), RULES)
    TAPPED.clear()
    stream: Any = model.stream("hi")
    next(stream)
    stream.close()
    assert TAPPED[-1] == "closed"
    TAPPED.clear()
    astream: Any = model.astream("hi")
    await anext(astream)
    await astream.aclose()
    assert TAPPED[-1] == "closed"


async def test_cancelling_closes_the_models_stream() -> None:
    model = shield_model(Taps(answers=[PROSE * 400]), RULES)
    TAPPED.clear()
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in model.astream("hi"):
            begun.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(50):
        await asyncio.sleep(0)
    assert TAPPED[-1] == "closed"


class Recorded(FakeChat):
    """Streams chunks that were made before."""

    chunks: list[Any]

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        yield from self.chunks


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    at = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(at)]


@given(
    cuts=st.lists(st.integers(0, 500), max_size=30),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
)
def test_whatever_the_pieces_a_secret_never_comes_out_and_the_rest_does(
    cuts: list[int], before: int, after: int
) -> None:
    text = PROSE * before + f"The token is {TOKEN} and that is it. " + PROSE * after
    chunks = [
        ChatGenerationChunk(message=AIMessageChunk(content=piece))
        for piece in pieces_of(text, cuts)
    ]
    model = shield_model(Recorded(answers=["x"], chunks=chunks), RULES)
    said = text_of(model.stream("hi"))
    expected = RULES.guard_text("output", text).text_to_use
    assert TOKEN not in said
    assert said == expected


@given(cuts=st.lists(st.integers(0, 500), max_size=30))
def test_a_clean_stream_is_the_very_stream(cuts: list[int]) -> None:
    made = [
        ChatGenerationChunk(message=AIMessageChunk(content=piece, id="m1"))
        for piece in pieces_of(PROSE * 3, cuts)
    ]
    messages = [chunk.message for chunk in made]
    model = shield_model(Recorded(answers=["x"], chunks=made), RULES)
    came = list(model.stream("hi"))
    assert all(a is b for a, b in zip(came, messages, strict=False))


def test_every_chunk_keeps_what_it_carries(shield: Shield) -> None:
    usage: Any = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    chunks = [
        ChatGenerationChunk(message=AIMessageChunk(content="it is canary-", id="m1")),
        ChatGenerationChunk(
            message=AIMessageChunk(content="key-5150 !", response_metadata={"model_name": "m"}),
            generation_info={"logprobs": [KEY], "finish_reason": "stop"},
        ),
        ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage)),
    ]
    came = list(shield_model(Recorded(answers=["x"], chunks=chunks), shield).stream("hi"))
    whole = came[0] + came[1] + came[2]
    assert whole.text == "it is [FAKE] !"
    assert whole.usage_metadata == usage
    assert shield._engine.accounts.tokens.total() >= 3, "counted for budgets"
    assert whole.response_metadata == {"model_name": "m", "finish_reason": "stop"}


def test_a_canary_over_two_texts_that_alternate_is_found_at_the_end(shield: Shield) -> None:
    chunks = [
        ChatGenerationChunk(
            message=AIMessageChunk(
                content=piece, additional_kwargs={"reasoning_content": piece.upper()}
            )
        )
        for piece in ("so it is cana", "ry-key-", "5150", " I think")
    ]
    came = list(shield_model(Recorded(answers=["x"], chunks=chunks), shield).stream("hi"))
    assert KEY not in text_of(came)


@tool
def send(to: str, text: str) -> str:
    """Send a text."""
    return "sent"


ARGUMENTS_CUT = """
version: "1.0"
rules:
  - {name: no-keys, scanner: secrets, surface: [tool_call, output], threshold: 0.5, action: redact}
"""


@pytest.mark.parametrize("piece", [1, 5, None])
async def test_arguments_are_cut_and_stay_arguments(
    make_bench: Callable[..., Any], piece: int | None
) -> None:
    shield = make_bench(policy=ARGUMENTS_CUT).shield
    calls = [
        tool_call(name="send", args={"to": "mara", "text": f'it is {KEY} \\ "so"'}, id="c1"),
        tool_call(name="send", args={"to": "tom", "text": "clean"}, id="c2"),
    ]
    fake = FakeChat(answers=[AIMessage("Sending.", tool_calls=calls)], piece=piece)
    model = shield_model(fake, shield).bind_tools(shield_tools([send], shield))
    whole: Any = None
    for chunk in model.stream("hi"):
        whole = chunk if whole is None else whole + chunk
    assert whole.text == "Sending."
    for said in (whole, model.invoke("hi"), await model.ainvoke("hi")):
        assert [call["args"] for call in said.tool_calls] == [
            {"to": "mara", "text": 'it is [FAKE] \\ "so"'},
            {"to": "tom", "text": "clean"},
        ]
        assert [call["id"] for call in said.tool_calls] == ["c1", "c2"]
        assert not said.invalid_tool_calls


def test_every_form_of_a_call_is_cut(make_bench: Callable[..., Any]) -> None:
    shield = make_bench(policy=ARGUMENTS_CUT).shield
    shield_tools([send], shield)
    raw = f'{{"to": "mara", "text": "{KEY}"}}'
    twice = f'{{"text": "{KEY}", "to": "mara", "text": "clean"}}'
    args = {"to": "mara", "text": KEY}
    answers: list[Any] = [
        AIMessage(
            [
                {"type": "tool_use", "id": "c1", "name": "send", "input": args},
                {"type": "function_call", "call_id": "c2", "name": "send", "arguments": raw},
                {"type": "tool_call", "id": "c3", "name": "send", "args": args},
            ],
            tool_calls=[tool_call(name="send", args=args, id=f"c{n}") for n in (1, 2, 3)],
        ),
        AIMessage(
            "",
            tool_calls=[tool_call(name="send", args={"to": "mara", "text": "clean"}, id="c1")],
            additional_kwargs={
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "send", "arguments": twice},
                    }
                ]
            },
        ),
        AIMessage("", additional_kwargs={"function_call": {"name": "send", "arguments": raw}}),
        AIMessage(
            "",
            invalid_tool_calls=[
                {
                    "type": "invalid_tool_call",
                    "name": "send",
                    "args": raw + "}",
                    "id": "c1",
                    "error": None,
                }
            ],
        ),
    ]
    for answer in answers:
        said = shield_model(FakeChat(answers=[answer]), shield).invoke("hi")
        assert KEY not in repr(said)
        assert "[FAKE]" in repr(said) or "clean" in repr(said)


def test_a_stopped_call_is_marked_and_the_others_stay(shield: Shield) -> None:
    calls = [
        tool_call(name="send", args={"to": "a", "text": WIPE}, id="c1"),
        tool_call(name="send", args={"to": "b", "text": "hello"}, id="c2"),
    ]
    fake = FakeChat(answers=[AIMessage("", tool_calls=calls)], piece=6)
    (guarded,) = shield_tools([send], shield)
    model = shield_model(fake, shield)
    whole: Any = None
    for chunk in model.stream("hi"):
        whole = chunk if whole is None else whole + chunk
    for said in (whole, model.invoke("hi")):
        assert [*said.tool_calls[0]["args"]] == ["rune_blocked"]
        assert said.tool_calls[1]["args"] == {"to": "b", "text": "hello"}
        refused = guarded.invoke(said.tool_calls[0])
        assert refused.status == "error"
        assert "command-injection-in-call" in refused.content
        assert guarded.invoke(said.tool_calls[1]).content == "sent"


def test_a_call_is_decided_about_once_unless_it_was_changed(bench: Any) -> None:
    call = tool_call(name="send", args={"to": "a", "text": "hello"}, id="c1")
    (guarded,) = shield_tools([send], bench.shield)
    model = shield_model(FakeChat(answers=[AIMessage("", tool_calls=[call])]), bench.shield)
    with bench.shield.session():
        said = model.invoke("hi").tool_calls[0]
        assert guarded.invoke(said).content == "sent"
        assert bench.shield.stats.scans_by_surface["tool_call"] == 1
        # The ruling served once; and it does not cover what a person changed.
        assert guarded.invoke(said).content == "sent"
        assert bench.shield.stats.scans_by_surface["tool_call"] == 2
        said = model.invoke("hi").tool_calls[0]
        edited: Any = {**said, "args": {"to": "a", "text": WIPE}}
        assert guarded.invoke(edited).status == "error"


def test_a_stop_in_a_stream_ends_it(make_bench: Callable[..., Any]) -> None:
    policy = (
        'version: "1.0"\nrules:\n  - {name: no-keys-out, scanner: secrets, surface: output, '
        "threshold: 0.5, action: block}\n"
    )
    text = f"All is well. The key is {KEY}. Bye."
    said: list[str] = []
    model = shield_model(FakeChat(answers=[text]), make_bench(policy=policy).shield)
    with pytest.raises(ShieldBlockedError):
        said.extend(chunk.text for chunk in model.stream("hi"))
    assert KEY not in "".join(said)
    bench = make_bench(policy=policy, on_block="replace")
    shown = text_of(shield_model(FakeChat(answers=[text]), bench.shield).stream("hi"))
    assert KEY not in shown
    assert "no-keys-out" in shown
