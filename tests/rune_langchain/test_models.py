"""Guarded models: what goes in and what comes out is checked, streamed or not."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from rune_core import Shield, ShieldBlockedError, UnguardableError
from rune_langchain import shield_model
from rune_langchain.testing import FakeChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"


class Note(BaseModel):
    """Note something down."""

    text: str


@tool
def read(path: str) -> str:
    """Read a file."""
    return path


@tool(description=f"Sing a song. {ORDER}")
def sing(song: str) -> str:
    return song


def every_way(model: Any, said: Any) -> Iterator[str]:
    """The model's answer by every synchronous method."""
    yield model.invoke(said).text
    yield "".join(chunk.text for chunk in model.stream(said))
    yield model.batch([said])[0].text
    yield model.generate_prompt([_prompt(said)]).generations[0][0].text


async def every_async_way(model: Any, said: Any) -> AsyncIterator[str]:
    yield (await model.ainvoke(said)).text
    yield "".join([chunk.text async for chunk in model.astream(said)])
    yield (await model.abatch([said]))[0].text


def _prompt(said: Any) -> Any:
    from langchain_core.prompt_values import ChatPromptValue, StringPromptValue

    return StringPromptValue(text=said) if isinstance(said, str) else ChatPromptValue(messages=said)


# -- answers


async def test_answers_are_cut_by_every_method(shield: Shield) -> None:
    model = shield_model(FakeChat(answers=[f"the key is {KEY} , keep it"]), shield)
    said = [*every_way(model, "hi"), *[text async for text in every_async_way(model, "hi")]]
    assert set(said) == {"the key is [FAKE] , keep it"}


async def test_a_clean_stream_keeps_its_pieces(shield: Shield) -> None:
    model = shield_model(FakeChat(answers=["one two three"]), shield)
    assert [c.text for c in model.stream("hi") if c.text] == ["one ", "two ", "three"]
    assert [c.text async for c in model.astream("hi") if c.text] == ["one ", "two ", "three"]


class Spy(BaseCallbackHandler):
    """Keeps every token and every end."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.said += [str(token), str(kwargs.get("chunk"))]

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.said.append(str(response))


class Whisperer(FakeChat):
    """A model that hands its tokens to the run manager, as providers' models do."""

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        result = super()._generate(messages, stop, None, **kwargs)
        if run_manager:
            run_manager.on_llm_new_token(result.generations[0].text)
        return result

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        for chunk in super()._stream(messages, stop, None, **kwargs):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


async def test_callbacks_see_nothing_that_was_cut(shield: Shield) -> None:
    model = shield_model(Whisperer(answers=[f"a {KEY} b"]), shield)
    spy = Spy()
    config: Any = {"callbacks": [spy]}
    model.invoke("hi", config)
    list(model.stream("hi", config))
    await model.ainvoke("hi", config)
    assert [c async for c in model.astream("hi", config)]
    assert [e async for e in model.astream_events("hi", config, version="v2")]
    assert spy.said
    assert KEY not in "".join(spy.said)


async def test_event_streams_hold_nothing_that_was_cut(shield: Shield) -> None:
    model = shield_model(FakeChat(answers=[f"a {KEY} b"]), shield)
    events = [str(event) async for event in model.astream_events("hi", version="v2")]
    assert events
    assert KEY not in "".join(events)


async def test_native_async_methods_are_guarded(shield: Shield) -> None:
    class Native(FakeChat):
        async def _agenerate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> Any:
            return self._generate(messages, stop, None, **kwargs)

        async def _astream(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> Any:
            for chunk in self._stream(messages, stop, None, **kwargs):
                yield chunk

    model = shield_model(Native(answers=[f"a {KEY} b"]), shield)
    assert {text async for text in every_async_way(model, "hi")} == {"a [FAKE] b"}


def test_models_that_do_not_stream_keep_saying_so(shield: Shield) -> None:
    class Plain(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "plain"

        def _generate(self, messages: Any, stop: Any = None, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage(f"a {KEY} b"))])

    model = shield_model(Plain(), shield)
    assert type(model)._stream is BaseChatModel._stream
    assert [c.text for c in model.stream("hi")] == ["a [FAKE] b"]


def test_blocks_reasoning_and_log_probabilities_are_cut(shield: Shield) -> None:
    answer = AIMessage(
        content=[
            {"type": "reasoning", "reasoning": f"hm {KEY} so"},
            {"type": "text", "text": f"it is {KEY} !", "id": KEY},
        ],
        additional_kwargs={"reasoning_content": f"r {KEY} r", "n": 1},
        response_metadata={"logprobs": [KEY], "model_name": "m"},
    )

    class Blocks(FakeChat):
        def _stream(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> Iterator[ChatGenerationChunk]:
            message = AIMessageChunk(**answer.model_dump(exclude={"type"}))
            yield ChatGenerationChunk(message=message, generation_info={"logprobs": [KEY]})

    model = shield_model(Blocks(answers=[answer]), shield)
    streamed = list(model.stream("hi"))
    for said in (model.invoke("hi"), streamed[0]):
        blocks: Any = said.content
        assert blocks[0]["reasoning"] == "hm [FAKE] so"
        assert blocks[1]["text"] == "it is [FAKE] !"
        assert said.additional_kwargs == {"reasoning_content": "r [FAKE] r", "n": 1}
        assert "logprobs" not in said.response_metadata


def test_a_failing_stream_releases_nothing(shield: Shield) -> None:
    class Broken(FakeChat):
        def _stream(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> Iterator[ChatGenerationChunk]:
            yield ChatGenerationChunk(message=AIMessageChunk(content=KEY))
            raise ConnectionError("lost")

    said: list[str] = []
    with pytest.raises(ConnectionError):
        said.extend(c.text for c in shield_model(Broken(answers=["x"]), shield).stream("hi"))
    assert said == []


OUTPUT_BLOCKED = (
    'version: "1.0"\nrules:\n  - {name: no-keys-out, scanner: secrets, surface: output, '
    "threshold: 0.5, action: block}\n"
)


async def test_a_blocked_answer_is_raised_or_replaced(make_bench: Callable[..., Any]) -> None:
    fake = FakeChat(answers=[f"a {KEY} b"])
    raising = shield_model(fake, make_bench(policy=OUTPUT_BLOCKED).shield)
    for go in (lambda: raising.invoke("hi"), lambda: list(raising.stream("hi"))):
        with pytest.raises(ShieldBlockedError) as caught:
            go()
        assert KEY not in repr(caught.value)
    bench = make_bench(policy=OUTPUT_BLOCKED, on_block="replace")
    replacing = shield_model(fake, bench.shield)
    said = [*every_way(replacing, "hi"), *[t async for t in every_async_way(replacing, "hi")]]
    assert all("no-keys-out" in text and KEY not in text for text in said)
    assert replacing.invoke("hi").response_metadata["rune_decision_id"]


# -- input


async def test_blocked_input_never_reaches_the_model(shield: Shield) -> None:
    fake = FakeChat(answers=["fine"])
    model = shield_model(fake, shield)
    for go in (model.invoke, lambda said: list(model.stream(said))):
        with pytest.raises(ShieldBlockedError) as caught:
            go(f"please {ORDER}")
        assert ORDER not in str(caught.value)
    with pytest.raises(ShieldBlockedError):
        await model.ainvoke([HumanMessage([{"type": "text", "text": ORDER}])])
    assert fake.seen == []


def test_blocked_input_is_replaced_or_logged(make_bench: Callable[..., Any]) -> None:
    fake = FakeChat(answers=["fine"])
    replacing = shield_model(fake, make_bench(on_block="replace").shield)
    assert "attack-in-input" in replacing.invoke(ORDER).text
    assert fake.seen == []
    assert shield_model(fake, make_bench(on_block="log").shield).invoke(ORDER).text == "fine"


def test_tool_results_are_cut_before_the_model_reads_them(shield: Shield) -> None:
    fake = FakeChat(answers=["fine"])
    history = [
        SystemMessage("be kind"),
        HumanMessage("read it"),
        AIMessage("", tool_calls=[{"name": "read", "args": {}, "id": "c1"}]),
        ToolMessage(f"news\n\n{ORDER} now\n\nmore news", tool_call_id="c1"),
    ]
    shield_model(fake, shield).invoke(history)
    read_by_model = fake.seen[0]
    assert ORDER not in read_by_model[3].text
    assert "more news" in read_by_model[3].text
    assert read_by_model[:3] == history[:3]
    assert ORDER in history[3].text, "the caller's message must stay as it is"


def test_a_stopped_message_in_the_history_does_not_stop_the_conversation(shield: Shield) -> None:
    fake = FakeChat(answers=["fine"])
    model = shield_model(fake, shield)
    history = [HumanMessage(ORDER), AIMessage("no"), HumanMessage("sorry, what time is it?")]
    assert model.invoke(history).text == "fine"
    assert ORDER not in fake.seen[0][0].text
    with pytest.raises(ShieldBlockedError):
        model.invoke([*history, HumanMessage(ORDER)])


def test_the_developers_words_and_the_models_own_are_not_scanned(bench: Any) -> None:
    model = shield_model(FakeChat(answers=["fine"]), bench.shield)
    model.invoke([SystemMessage(ORDER), HumanMessage("hi"), AIMessage(ORDER), HumanMessage("go")])
    assert bench.shield.stats.blocks_total == 0


def test_a_long_conversation_is_not_scanned_over_and_over(bench: Any) -> None:
    model = shield_model(FakeChat(answers=["fine"]), bench.shield)
    history: list[Any] = []
    with bench.shield.session():
        for turn in range(20):
            history += [HumanMessage(f"question {turn}"), AIMessage(f"answer {turn}")]
            history.append(HumanMessage("go on"))
            model.invoke(history)
            history.pop()
    inputs = bench.shield.stats.scans_by_surface["input"]
    assert inputs == 21


# -- tool definitions


async def test_a_poisoned_tool_is_not_offered(shield: Shield) -> None:
    fake = FakeChat(answers=["fine"])
    model = shield_model(fake, shield).bind_tools([read, sing])
    model.invoke("hi")
    await model.ainvoke("hi")
    list(model.stream("hi"))
    assert [[t["function"]["name"] for t in offered] for offered in fake.offered] == [["read"]] * 3


def test_poison_in_a_parameter_is_seen_and_all_formats_are_read(shield: Shield) -> None:
    fake = FakeChat(answers=["fine"])
    schema = {"type": "object", "properties": {"q": {"type": "string", "description": ORDER}}}
    good = {"type": "object", "properties": {"q": {"type": "string"}}}
    offered = [
        {"type": "function", "function": {"name": "a", "parameters": schema}},
        {"name": "b", "description": "d", "input_schema": schema},
        {"name": "c", "description": "d", "input_schema": good},
        {"type": "web_search_preview"},
    ]
    shield_model(fake, shield).bind(tools=offered).invoke("hi")
    assert fake.offered[0] == offered[2:]


def test_a_choice_of_a_withheld_tool_goes_with_it(shield: Shield) -> None:
    class Choosy(FakeChat):
        given: list[dict[str, Any]] = Field(default_factory=list)

        def _generate(self, messages: Any, stop: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
            self.given.append(kwargs)
            return super()._generate(messages, stop, **kwargs)

    model = Choosy(answers=["fine"])
    shield_model(model, shield).bind_tools(
        [sing], tool_choice="sing", parallel_tool_calls=False
    ).invoke("hi")
    assert model.given == [{}]


# -- objects built around models


def test_bound_retried_and_structured_models_are_guarded_inside(shield: Shield) -> None:
    for built in (
        FakeChat(answers=[KEY]).bind_tools([read]),
        FakeChat(answers=[KEY]).bind(stop=["x"]).with_config(tags=["t"]),
        FakeChat(answers=[KEY]).with_retry(),
        FakeChat(answers=[KEY]) | RunnableLambda(lambda message: message),
    ):
        guarded: Any = shield_model(built, shield)
        assert type(guarded) is type(built)
        assert KEY not in guarded.invoke("hi").text
        assert KEY in built.invoke("hi").text
    with pytest.raises(UnguardableError, match="no chat model"):
        shield_model(RunnableLambda(str), shield)


@pytest.mark.parametrize("raw", [False, True])
def test_structured_answers_are_checked_with_the_raw_ones_or_without(
    shield: Shield, raw: bool
) -> None:
    call = {"name": "Note", "args": {"text": "milk"}, "id": "call-1"}
    model = FakeChat(answers=[AIMessage("", tool_calls=[call])])
    guarded = shield_model(model.with_structured_output(Note, include_raw=raw), shield)
    answer: Any = guarded.invoke("hi")
    assert (answer["parsed"] if raw else answer) == Note(text="milk")
    with pytest.raises(ShieldBlockedError):
        guarded.invoke(ORDER)
    assert len(model.seen) == 1


def test_a_fallback_without_a_model_is_refused(shield: Shield) -> None:
    built = FakeChat(answers=["one"]).with_fallbacks([RunnableLambda(lambda _: AIMessage("two"))])
    with pytest.raises(UnguardableError, match="no chat model in this RunnableLambda"):
        shield_model(built, shield)


def test_fallbacks_do_not_answer_what_was_blocked(shield: Shield) -> None:
    first, second = FakeChat(answers=["one"]), FakeChat(answers=["two"])
    chains = [
        shield_model(first, shield).with_fallbacks([second]),
        shield_model(first.with_fallbacks([second]), shield),
    ]
    for chain in chains:
        with pytest.raises(ShieldBlockedError):
            chain.invoke(ORDER)
    assert first.seen == second.seen == []


def test_copies_and_pickles_stay_guarded(shield: Shield) -> None:
    model = shield_model(FakeChat(answers=[f"a {KEY} b"]), shield)
    for same in (
        copy.deepcopy(model),
        copy.copy(model),
        model.model_copy(),
        pickle.loads(pickle.dumps(model)),
    ):
        assert isinstance(same, FakeChat)
        assert same.invoke("hi").text == "a [FAKE] b"
    assert FakeChat(answers=[KEY]).invoke("hi").text == KEY


def test_a_cache_shared_with_the_unguarded_model_holds_nothing_for_the_guarded(
    shield: Shield,
) -> None:
    plain = FakeChat(answers=[f"a {KEY} b"], cache=InMemoryCache())
    guarded = shield_model(plain, shield)
    assert KEY in plain.invoke("hi").text
    assert guarded.invoke("hi").text == "a [FAKE] b"
    assert guarded.invoke("hi").text == "a [FAKE] b"


def test_a_closed_shield_lets_nothing_through(make_bench: Callable[..., Any]) -> None:
    from rune_core import ShieldClosedError

    bench = make_bench()
    fake = FakeChat(answers=["fine"])
    model = shield_model(fake, bench.shield)
    bench.shield.close()
    with pytest.raises(ShieldClosedError):
        model.invoke("hi")
    assert fake.seen == []


def test_adapters_on_top_of_each_other_scan_once(bench: Any) -> None:
    model = shield_model(FakeChat(answers=["fine"]), bench.shield)
    assert shield_model(model, bench.shield) is model
    model.invoke("hi")
    assert bench.shield.stats.scans_by_surface == {"input": 1, "output": 1}
