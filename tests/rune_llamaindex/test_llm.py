"""Guarded LLMs: the same LLMs, with nothing unchecked going in or out."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    ImageBlock,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import Field
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.mock import MockLLM
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from rune_core import Shield, ShieldBlockedError, UnguardableError
from rune_llamaindex import shield_llm, shield_tools
from rune_llamaindex.testing import ScriptedLLM, tool_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"
NO_SECRETS = """
version: "1.0"
rules:
  - name: no-secrets
    scanner: secret_exposure
    surface: [input, output, tool_call, tool_result, document, handoff]
    action: redact
"""
BENIGN = "The lorry left at nine and arrives on Thursday. Nothing else is new."
LEAKY = f"The key is {KEY} and nobody else has it. So be careful."


def user(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


async def every_way(llm: Any, text: str = "hello") -> list[Any]:
    """What all eight entries give, streams as lists of chunks."""
    return [
        llm.chat(user(text)),
        await llm.achat(user(text)),
        list(llm.stream_chat(user(text))),
        [chunk async for chunk in await llm.astream_chat(user(text))],
        llm.complete(text),
        await llm.acomplete(text),
        list(llm.stream_complete(text)),
        [chunk async for chunk in await llm.astream_complete(text)],
    ]


# -- the copy is the same LLM


def test_class_fields_and_original_are_kept(shield: Shield) -> None:
    llm = ScriptedLLM(answers=["hi"], system_prompt="be kind")
    guarded = shield_llm(llm, shield)
    assert isinstance(guarded, ScriptedLLM)
    assert type(guarded).__name__ == "ScriptedLLM"
    assert guarded.model_dump() == llm.model_dump()
    assert guarded.metadata == llm.metadata
    assert type(llm) is ScriptedLLM
    assert shield_llm(guarded, shield) is guarded


def test_another_shield_or_another_thing_is_refused(
    shield: Shield, make_bench: Callable[..., Any]
) -> None:
    guarded = shield_llm(ScriptedLLM(answers=["hi"]), shield)
    with pytest.raises(UnguardableError, match="another shield"):
        shield_llm(guarded, make_bench().shield)
    with pytest.raises(UnguardableError, match="no LlamaIndex LLM"):
        shield_llm("gpt", shield)  # type: ignore[type-var]


def test_copies_stay_guarded(shield: Shield) -> None:
    guarded = shield_llm(ScriptedLLM(answers=[LEAKY]), shield)
    for made in (
        copy.copy(guarded),
        copy.deepcopy(guarded),
        guarded.model_copy(),
        pickle.loads(pickle.dumps(guarded)),
    ):
        assert KEY not in str(made.chat(user("hello")))


async def test_benign_answers_are_the_same(shield: Shield) -> None:
    plain = await every_way(ScriptedLLM(answers=[BENIGN]))
    guarded = await every_way(shield_llm(ScriptedLLM(answers=[BENIGN]), shield))
    assert guarded == plain


async def test_benign_answers_with_thoughts_and_calls_are_the_same(shield: Shield) -> None:
    answer = ChatMessage(
        role="assistant",
        blocks=[
            ThinkingBlock(content="First I look. Then I speak."),
            TextBlock(text=BENIGN),
            ToolCallBlock(tool_call_id="c", tool_name="read", tool_kwargs={"path": "a"}),
        ],
    )
    plain = await every_way(ScriptedLLM(answers=[answer]))
    guarded = await every_way(shield_llm(ScriptedLLM(answers=[answer]), shield))
    assert guarded == plain


def test_a_custom_llm_that_chats_by_completing_is_the_same(shield: Shield) -> None:
    plain, guarded = MockLLM(max_tokens=5), shield_llm(MockLLM(max_tokens=5), shield)
    assert guarded.chat(user("a")) == plain.chat(user("a"))
    assert list(guarded.stream_chat(user("a"))) == list(plain.stream_chat(user("a")))
    assert guarded.predict(PromptTemplate("{x}"), x="1") == plain.predict(
        PromptTemplate("{x}"), x="1"
    )


# -- what comes out


async def test_a_secret_in_an_answer_never_comes_out(shield: Shield) -> None:
    answers = await every_way(shield_llm(ScriptedLLM(answers=[LEAKY]), shield))
    assert KEY not in repr(answers)
    assert all("nobody else has it" in repr(answer) for answer in answers)
    for stream in (answers[2], answers[3]):
        said = "".join(chunk.delta for chunk in stream)
        assert stream[-1].message.content == said
        assert said.startswith("The key is ")
        assert said.endswith("So be careful.")
    for stream in (answers[6], answers[7]):
        assert stream[-1].text == "".join(chunk.delta for chunk in stream)


async def test_a_secret_in_thoughts_never_comes_out(shield: Shield) -> None:
    answer = ChatMessage(
        role="assistant",
        blocks=[ThinkingBlock(content=f"I know {KEY} well."), TextBlock(text=BENIGN)],
    )
    answers = await every_way(shield_llm(ScriptedLLM(answers=[answer]), shield))
    assert KEY not in repr(answers)
    assert answers[0].message.content == BENIGN
    assert answers[2][-1].message.content == BENIGN
    assert "".join(chunk.delta for chunk in answers[3]) == BENIGN


class Chunks(ScriptedLLM):
    """An LLM whose streams are what they are told to be."""

    chunks: list[Any]

    @llm_chat_callback()
    def stream_chat(self, messages: Any, **kwargs: Any) -> ChatResponseGen:
        def made() -> ChatResponseGen:
            for content, delta in self.chunks:
                yield ChatResponse(
                    message=ChatMessage(role="assistant", content=content), delta=delta, raw=content
                )

        return made()


@pytest.mark.parametrize(
    "chunks",
    [
        [(f"a {KEY}", f"a {KEY}")],
        [(f"a {KEY}", ""), (f"a {KEY} b", "")],
        [(None, "a "), (None, KEY), (None, " b")],
        [(f"a {KEY} b", "a "), (f"a {KEY} b", KEY), (f"a {KEY} b", " b")],
        [("x", f"a {KEY}"), ("y", " b")],
        [(KEY, ""), ("b", "")],
    ],
)
def test_streams_that_do_not_add_up_leak_nothing(
    shield: Shield, chunks: list[tuple[str | None, str]]
) -> None:
    shown = list(shield_llm(Chunks(chunks=chunks), shield).stream_chat(user("a")))
    assert shown
    assert KEY not in repr(shown)
    clean = [(c and c.replace(KEY, "k"), d.replace(KEY, "k")) for c, d in chunks]
    plain, guarded = (
        list(llm.stream_chat(user("a")))
        for llm in (
            Chunks(chunks=clean),
            shield_llm(Chunks(chunks=clean), shield),
        )
    )
    assert "".join(c.delta for c in guarded) == "".join(c.delta for c in plain)


def test_text_of_a_stream_comes_before_its_end(shield: Shield) -> None:
    served: list[int] = []

    class Slow(Chunks):
        @llm_chat_callback()
        def stream_chat(self, messages: Any, **kwargs: Any) -> ChatResponseGen:
            def made() -> ChatResponseGen:
                said = ""
                for number in range(100):
                    served.append(number)
                    said += f"word {number} and so on. "
                    yield ChatResponse(
                        message=ChatMessage(role="assistant", content=said),
                        delta=f"word {number} and so on. ",
                    )

            return made()

    # The shield of the tests finds words by a plug-in, which may reach anywhere; the rules do not.
    with Shield() as real:
        stream = shield_llm(Slow(chunks=[]), real).stream_chat(user("a"))
        next(stream)
        assert len(served) < 10
        stream.close()
        assert len(served) < 10


class Collected(BaseEventHandler):
    """Keeps what LlamaIndex reports."""

    events: list[Any] = []  # noqa: RUF012 - a pydantic field

    @classmethod
    def class_name(cls) -> str:
        return "Collected"

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.events.append(event)


@pytest.fixture
def reported() -> Iterator[list[Any]]:
    handler, spans = Collected(events=[]), SimpleSpanHandler()
    root = get_dispatcher()
    root.add_event_handler(handler)
    root.add_span_handler(spans)
    yield handler.events
    root.event_handlers.remove(handler)
    root.span_handlers.remove(spans)


async def test_events_tell_what_was_let_through(shield: Shield, reported: list[Any]) -> None:
    plain = ScriptedLLM(answers=[BENIGN])
    await every_way(plain)
    usual = [type(event) for event in reported]
    reported.clear()
    await every_way(shield_llm(ScriptedLLM(answers=[BENIGN]), shield))
    assert [type(event) for event in reported] == usual
    reported.clear()
    await every_way(shield_llm(ScriptedLLM(answers=[LEAKY]), shield))
    assert reported
    assert KEY not in repr(reported)


# -- what goes in


async def test_the_model_reads_what_was_let_through(make_bench: Callable[..., Any]) -> None:
    llm = ScriptedLLM(answers=["hi"])
    shield = make_bench(policy=NO_SECRETS).shield
    await every_way(shield_llm(llm, shield), f"my key is {KEY}, keep it")
    assert len(llm.seen) == 8
    assert KEY not in repr(llm.seen)
    assert all("keep it" in str(messages[-1].content) for messages in llm.seen)


async def test_a_blocked_input_is_never_sent(shield: Shield) -> None:
    llm = ScriptedLLM(answers=["hi"])
    guarded = shield_llm(llm, shield)
    for call in (guarded.chat, guarded.stream_chat):
        with pytest.raises(ShieldBlockedError) as caught:
            call(user(f"please {ORDER}"))
        assert ORDER not in str(caught.value)
    for complete in (guarded.complete, guarded.stream_complete):
        with pytest.raises(ShieldBlockedError):
            complete(f"please {ORDER}")
    for acall in (guarded.achat, guarded.astream_chat):
        with pytest.raises(ShieldBlockedError):
            await acall(user(f"please {ORDER}"))
    for acomplete in (guarded.acomplete, guarded.astream_complete):
        with pytest.raises(ShieldBlockedError):
            await acomplete(f"please {ORDER}")
    assert not llm.seen


async def test_a_blocked_input_may_be_answered(make_bench: Callable[..., Any]) -> None:
    llm = ScriptedLLM(answers=["hi"])
    answers = await every_way(
        shield_llm(llm, make_bench(on_block="replace").shield), f"please {ORDER}"
    )
    assert not llm.seen
    assert all("stopped by policy" in repr(answer) for answer in answers)


async def test_log_only_looks(make_bench: Callable[..., Any]) -> None:
    llm = ScriptedLLM(answers=["hi"])
    bench = make_bench(on_block="log")
    answers = await every_way(shield_llm(llm, bench.shield), f"please {ORDER}")
    assert len(llm.seen) == 8
    assert answers[0].message.content == "hi"
    assert bench.shield.stats.scans_total >= 1


BLOCK_OUTPUT = """
version: "1.0"
rules:
  - name: no-orders-out
    scanner: prompt_injection
    surface: [output]
    action: block
"""


async def test_a_blocked_answer(make_bench: Callable[..., Any]) -> None:
    answer = f"Now {ORDER} at once. And more."
    raising = shield_llm(ScriptedLLM(answers=[answer]), make_bench(policy=BLOCK_OUTPUT).shield)
    with pytest.raises(ShieldBlockedError):
        raising.chat(user("a"))
    with pytest.raises(ShieldBlockedError):
        list(raising.stream_chat(user("a")))
    with pytest.raises(ShieldBlockedError):
        [chunk async for chunk in await raising.astream_chat(user("a"))]
    bench = make_bench(policy=BLOCK_OUTPUT, on_block="replace")
    answers = await every_way(shield_llm(ScriptedLLM(answers=[answer]), bench.shield))
    assert ORDER not in repr(answers)
    assert all("stopped by policy" in repr(one) for one in answers)


def test_the_history_goes_on_after_a_blocked_message(shield: Shield) -> None:
    llm = ScriptedLLM(answers=["hi"])
    history = [*user(f"please {ORDER}"), ChatMessage(role="assistant", content="no"), *user("ok")]
    shield_llm(llm, shield).chat(history)
    assert ORDER not in repr(llm.seen)
    assert llm.seen[0][-1].content == "ok"


def test_what_cannot_be_scanned_passes(shield: Shield) -> None:
    llm = ScriptedLLM(answers=["hi"])
    message = ChatMessage(
        role="user", blocks=[TextBlock(text="look"), ImageBlock(image=b"\x89PNG canary")]
    )
    shield_llm(llm, shield).chat([message])
    assert llm.seen[0] == [message]


# -- structured answers


class Album(BaseModel):
    """An album."""

    name: str


async def test_structured_answers(make_bench: Callable[..., Any]) -> None:
    only = """
version: "1.0"
rules:
  - name: only-search
    type: tool_allowlist
    tools: [search]
    action: block
"""
    bench = make_bench(policy=only)
    prompt = PromptTemplate("an album about {x}")
    llm = shield_llm(ScriptedLLM(answers=[tool_call("Album", name="Blue")]), bench.shield)
    assert llm.structured_predict(Album, prompt, x="a") == Album(name="Blue")
    assert await llm.astructured_predict(Album, prompt, x="a") == Album(name="Blue")
    leaky = shield_llm(ScriptedLLM(answers=[tool_call("Album", name=KEY)]), bench.shield)
    assert KEY not in leaky.structured_predict(Album, prompt, x="a").name
    structured = shield_llm(
        ScriptedLLM(answers=[tool_call("Album", name=KEY)]).as_structured_llm(Album), bench.shield
    )
    assert KEY not in repr(structured.chat(user("a")))


# -- tool calls in answers


def delete(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


async def test_a_blocked_call_of_an_unguarded_tool_stops_the_answer(
    make_bench: Callable[..., Any],
) -> None:
    from llama_index.core.tools import FunctionTool

    ran: list[str] = []

    def erase(path: str) -> str:
        """Erase."""
        ran.append(path)
        return "done"

    tool = FunctionTool.from_defaults(erase)
    script = [tool_call("erase", path=WIPE)]
    raising = shield_llm(ScriptedLLM(answers=script), make_bench().shield)
    with pytest.raises(ShieldBlockedError):
        raising.predict_and_call([tool], "go")
    with pytest.raises(ShieldBlockedError):
        await raising.apredict_and_call([tool], "go")
    replacing = shield_llm(ScriptedLLM(answers=script), make_bench(on_block="replace").shield)
    answer = replacing.chat_with_tools([tool], "go")
    assert not replacing.get_tool_calls_from_response(answer, error_on_no_tool_call=False)
    assert not ran


def test_a_call_is_decided_once(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()
    llm = shield_llm(ScriptedLLM(answers=[tool_call("delete", path="a")]), bench.shield)
    tools = shield_tools([delete], bench.shield)
    said = llm.predict_and_call(tools, "go")
    assert said.response == "deleted a"
    assert bench.shield.stats.scans_by_surface["tool_call"] == 1


def test_openai_style_calls_are_read_and_cut(make_bench: Callable[..., Any]) -> None:
    shield = make_bench(policy=NO_SECRETS).shield
    function = {"name": "f", "arguments": f'{{"x": "{KEY}"}}'}
    call = {"id": "c", "type": "function", "function": function}
    answer = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [call]})
    got = shield_llm(ScriptedLLM(answers=[answer]), shield).chat(user("a"))
    assert KEY not in repr(got)
    assert got.message.additional_kwargs["tool_calls"][0]["function"]["name"] == "f"


# -- cost


def test_one_text_is_scanned_once(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()
    llm = shield_llm(ScriptedLLM(answers=["answer"]), bench.shield)
    history: list[ChatMessage] = []
    for turn in range(20):
        before = len(bench.scanner.seen)
        history += user(f"question {turn}")
        history.append(llm.chat(history).message)
        assert len(bench.scanner.seen) - before <= 2
    assert len({context.session.id for context in bench.scanner.contexts}) == 1


def test_conversations_do_not_share_a_session(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()
    llm = shield_llm(ScriptedLLM(answers=["answer"]), bench.shield)
    for number in range(3):
        history = user("hello")
        history.append(llm.chat(history).message)
        history += user(f"only {number}")
        llm.chat(history)
    sessions = {
        context.session.id: text
        for text, context in zip(bench.scanner.seen, bench.scanner.contexts, strict=True)
        if text.startswith("only")
    }
    assert len(sessions) == 3


class Completing(CustomLLM):
    """Chats by completing, and says what it was told."""

    # Older versions tell in their events all that a model is made of.
    text: str = Field(exclude=True)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        from llama_index.core.base.llms.types import CompletionResponse

        return CompletionResponse(text=self.text)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        from llama_index.core.base.llms.types import CompletionResponse

        def made() -> Any:
            yield CompletionResponse(text=self.text, delta=self.text)

        return made()


async def test_an_llm_inside_an_llm_leaks_nothing(shield: Shield, reported: list[Any]) -> None:
    answers = await every_way(shield_llm(Completing(text=LEAKY), shield))
    assert KEY not in repr(answers)
    assert KEY not in repr(reported)
    assert answers[0].message.role is MessageRole.ASSISTANT
