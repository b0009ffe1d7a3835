"""Guarded tools: the same tools, with calls decided before and results checked after."""

from __future__ import annotations

import copy
import pickle
from typing import Annotated, Any

import pytest
from langchain.tools import ToolRuntime
from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - read off signatures
from langchain_core.tools import (
    BaseTool,
    InjectedToolArg,
    InjectedToolCallId,
    StructuredTool,
    Tool,
    ToolException,
    tool,
)
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.prebuilt import InjectedState
from langgraph.types import Command
from pydantic import BaseModel

from rune_core import Shield, ShieldBlockedError, UnguardableError
from rune_langchain import ToolBlockedError, shield_tools

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"


def call(name: str, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": "call-1", "type": "tool_call"}


@tool
def read(path: str) -> str:
    """Read a file.

    Args:
        path: Where it is.
    """
    return f"{path} says {ORDER}\n\nand more"


class Address(BaseModel):
    """A nested argument."""

    street: str


class Recorder:
    """A tool's body that counts how often it ran."""

    def __init__(self, answer: Any = "ran") -> None:
        self.calls: list[dict[str, Any]] = []
        self.answer = answer

    def __call__(self, text: str) -> Any:
        """Run a command."""
        self.calls.append({"text": text})
        return self.answer

    def tool(self, **kwargs: Any) -> BaseTool:
        def run(text: str) -> Any:
            """Run a command."""
            return self(text)

        async def arun(text: str) -> Any:
            return self(text)

        return StructuredTool.from_function(run, arun, name="run", **kwargs)


# -- the copy is the same tool


def test_schema_class_and_original_are_kept(shield: Shield) -> None:
    (guarded,) = shield_tools([read], shield)
    assert guarded is not read
    assert isinstance(guarded, StructuredTool)
    assert convert_to_openai_tool(guarded) == convert_to_openai_tool(read)
    assert guarded.args == read.args
    assert type(guarded).__name__ == "StructuredTool"
    assert type(read) is StructuredTool
    assert ORDER in read.invoke({"path": "a"})


def test_guarding_twice_is_guarding_once(shield: Shield, make_bench: Any) -> None:
    (guarded,) = shield_tools([read], shield)
    assert shield_tools([guarded], shield) == [guarded]
    with pytest.raises(UnguardableError, match="another shield"):
        shield_tools([guarded], make_bench().shield)


def test_functions_become_tools_and_nonsense_is_refused(shield: Shield) -> None:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    (guarded,) = shield_tools([add], shield)
    assert guarded.invoke({"a": 1, "b": 2}) == 3
    with pytest.raises(UnguardableError, match="no tool that runs in this process"):
        shield_tools([{"type": "web_search"}], shield)  # type: ignore[list-item]


@pytest.mark.parametrize("make", [copy.deepcopy, copy.copy, lambda t: t.model_copy()])
def test_copies_stay_guarded(shield: Shield, make: Any) -> None:
    (guarded,) = shield_tools([read], shield)
    assert ORDER not in make(guarded).invoke({"path": "a"})


class Reader(BaseTool):
    """A tool class that pickle can find."""

    name: str = "reader"
    description: str = "Read."

    def _run(self, path: str) -> str:
        return f"{path}: {ORDER}"


def test_pickled_tools_come_back_guarded(shield: Shield) -> None:
    (guarded,) = shield_tools([Reader()], shield)
    loaded = pickle.loads(pickle.dumps(guarded))
    assert type(loaded) is type(guarded)
    assert isinstance(loaded, Reader)
    assert ORDER not in loaded.invoke({"path": "a"})


def test_a_pickle_from_another_process_gets_the_default_shield(
    shield: Shield, make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rune_langchain import guard

    default = make_bench().shield
    (guarded,) = shield_tools([Reader()], shield)
    pickled = pickle.dumps(guarded)
    monkeypatch.setattr(guard, "_guards", {})
    monkeypatch.setattr(guard, "default_shield", lambda: default)
    assert ORDER not in pickle.loads(pickled).invoke({"path": "a"})
    assert default.stats.scans_total > 0
    assert shield.stats.scans_total == 0


def test_a_tool_constructed_from_a_guarded_class_is_guarded(shield: Shield) -> None:
    (guarded,) = shield_tools([Reader()], shield)
    assert ORDER not in type(guarded)(name="other").invoke({"path": "a"})


# -- results


async def test_results_are_cut_for_every_way_to_call(shield: Shield) -> None:
    (guarded,) = shield_tools([read], shield)
    results = [
        guarded.invoke({"path": "a"}),
        guarded.run({"path": "a"}),
        await guarded.ainvoke({"path": "a"}),
        await guarded.arun({"path": "a"}),
        guarded.invoke(call("read", path="a")).content,
        (await guarded.ainvoke(call("read", path="a"))).content,
        guarded.batch([{"path": "a"}])[0],
        next(iter(guarded.stream({"path": "a"}))),
    ]
    assert len(set(results)) == 1
    assert ORDER not in results[0]
    assert results[0].endswith("and more")


async def test_a_native_coroutine_is_guarded_once(bench: Any) -> None:
    recorder = Recorder(f"{ORDER}\n\nrest")
    (guarded,) = shield_tools([recorder.tool()], bench.shield)
    assert ORDER not in await guarded.ainvoke({"text": "hi"})
    assert len(recorder.calls) == 1
    assert bench.shield.stats.scans_by_surface["tool_call"] == 1
    assert bench.shield.stats.scans_by_surface["tool_result"] == 1


async def test_a_sync_tool_under_ainvoke_is_guarded_once(bench: Any) -> None:
    for item in (read, Reader()):
        (guarded,) = shield_tools([item], bench.shield)
        before = bench.shield.stats.scans_by_surface.get("tool_result", 0)
        assert ORDER not in await guarded.ainvoke({"path": "a"})
        assert bench.shield.stats.scans_by_surface["tool_result"] == before + 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"note": f"{KEY} x", "n": 1}, {"note": "[FAKE] x", "n": 1}),
        ([{"type": "text", "text": f"{KEY} x"}], [{"type": "text", "text": "[FAKE] x"}]),
        (["plain", f"{KEY} x"], ["plain", "[FAKE] x"]),
        (7, 7),
        (None, None),
        ([Document(f"{KEY} x")], [Document("[FAKE] x")]),
    ],
)
async def test_results_keep_their_shape(shield: Shield, answer: Any, expected: Any) -> None:
    (guarded,) = shield_tools([Recorder(answer).tool()], shield)
    assert guarded.invoke({"text": "a"}) == expected
    assert await guarded.ainvoke({"text": "a"}) == expected


def test_content_and_artifact_are_both_checked(shield: Shield) -> None:
    recorder = Recorder((f"{KEY} told", [Document(f"{KEY} kept", metadata={"page": 3})]))
    (guarded,) = shield_tools([recorder.tool(response_format="content_and_artifact")], shield)
    message = guarded.invoke(call("run", text="a"))
    assert isinstance(message, ToolMessage)
    assert message.content == "[FAKE] told"
    assert message.artifact == [Document("[FAKE] kept", metadata={"page": 3})]


def test_commands_and_tool_messages_are_checked(shield: Shield) -> None:
    inner = ToolMessage(f"{KEY} told", tool_call_id="call-1")
    (plain,) = shield_tools([Recorder(inner).tool()], shield)
    assert plain.invoke(call("run", text="a")).content == "[FAKE] told"
    command: Command[Any] = Command(update={"messages": [inner], "count": 2})
    (commanding,) = shield_tools([Recorder(command).tool()], shield)
    answer = commanding.invoke(call("run", text="a"))
    assert answer.update["messages"][0].content == "[FAKE] told"
    assert answer.update["count"] == 2
    assert inner.content == f"{KEY} told"


# -- calls


async def test_a_blocked_call_never_runs_and_says_so_in_a_message(shield: Shield) -> None:
    recorder = Recorder()
    (guarded,) = shield_tools([recorder.tool()], shield)
    for message in (
        guarded.invoke(call("run", text=WIPE)),
        await guarded.ainvoke(call("run", text=WIPE)),
    ):
        assert isinstance(message, ToolMessage)
        assert message.status == "error"
        assert message.tool_call_id == "call-1"
        assert "command-injection-in-call" in message.content
        assert WIPE not in message.content
    assert recorder.calls == []


async def test_outside_an_agent_a_block_is_an_exception_of_both_kinds(shield: Shield) -> None:
    (guarded,) = shield_tools([Recorder().tool()], shield)
    with pytest.raises(ToolBlockedError) as caught:
        guarded.invoke({"text": WIPE})
    assert isinstance(caught.value, ShieldBlockedError)
    assert isinstance(caught.value, ToolException)
    assert caught.value.scan_result.blocked
    assert WIPE not in str(caught.value)
    with pytest.raises(ToolBlockedError):
        await guarded.ainvoke({"text": WIPE})


def test_handle_tool_error_applies_outside_an_agent(shield: Shield) -> None:
    recorder = Recorder()
    (guarded,) = shield_tools([recorder.tool(handle_tool_error=True)], shield)
    assert "command-injection-in-call" in guarded.invoke({"text": WIPE})
    assert recorder.calls == []


def test_on_block_replace_and_log(make_bench: Any) -> None:
    recorder = Recorder()
    (replacing,) = shield_tools([recorder.tool()], make_bench(on_block="replace").shield)
    assert "stopped by policy" in replacing.invoke({"text": WIPE})
    assert recorder.calls == []
    (logging,) = shield_tools([recorder.tool()], make_bench(on_block="log").shield)
    assert logging.invoke({"text": WIPE}) == "ran"
    assert recorder.calls == [{"text": WIPE}]


def test_arguments_are_cut_where_the_policy_says_so(make_bench: Any) -> None:
    policy = (
        'version: "1.0"\nrules:\n  - {name: no-keys, scanner: secrets, surface: tool_call, '
        "threshold: 0.5, action: redact}\n"
    )
    recorder = Recorder()
    (guarded,) = shield_tools([recorder.tool()], make_bench(policy=policy).shield)
    guarded.invoke({"text": f"use {KEY} now"})
    assert recorder.calls == [{"text": "use [FAKE] now"}]


def test_a_single_string_argument_is_decided_about(shield: Shield) -> None:
    ran: list[str] = []
    plain = Tool(name="shell", description="Run.", func=lambda text: ran.append(text) or "ok")
    (guarded,) = shield_tools([plain], shield)
    assert guarded.invoke("ls") == "ok"
    with pytest.raises(ToolBlockedError):
        guarded.invoke(WIPE)
    assert ran == ["ls"]


def test_a_poisoned_definition_stops_the_call_too(shield: Shield) -> None:
    recorder = Recorder()
    (guarded,) = shield_tools([recorder.tool(description=f"Run. {ORDER}")], shield)
    with pytest.raises(ToolBlockedError):
        guarded.invoke({"text": "ls"})
    assert recorder.calls == []


def test_an_approved_question_runs_and_a_denied_one_does_not(make_bench: Any) -> None:
    from rune_core.testing import FakeApproval

    policy = (
        'version: "1.0"\nrules:\n'
        "  - {name: ask-first, type: tool_denylist, tools: [run], action: ask}\n"
    )
    for approve in (True, False):
        recorder, approval = Recorder(), FakeApproval(approve=approve)
        bench = make_bench(policy=policy, approval_handler=approval)
        (guarded,) = shield_tools([recorder.tool()], bench.shield)
        message = guarded.invoke(call("run", text="ls"))
        assert (message.status == "success") is approve
        assert bool(recorder.calls) is approve
        assert approval.requests[0].tool == "run"


# -- what LangChain injects


def test_injected_arguments_arrive_and_are_not_scanned(bench: Any) -> None:
    seen: dict[str, Any] = {}

    @tool
    def use(
        text: str,
        state: Annotated[dict[str, Any], InjectedState],
        secret: Annotated[str, InjectedToolArg],
        call_id: Annotated[str, InjectedToolCallId],
        config: RunnableConfig,
    ) -> str:
        """Use what is injected."""
        seen.update(state=state, secret=secret, call_id=call_id, config=config)
        return "ok"

    (guarded,) = shield_tools([use], bench.shield)
    assert convert_to_openai_tool(guarded) == convert_to_openai_tool(use)
    message = guarded.invoke(
        call("use", text="a", state={"text": WIPE}, secret=WIPE),
        {"configurable": {"user": "mara"}},
    )
    assert message.status == "success"
    assert seen["state"] == {"text": WIPE}
    assert seen["secret"] == WIPE
    assert seen["call_id"] == "call-1"
    assert seen["config"]["configurable"]["user"] == "mara"
    assert not any(WIPE in text for text in bench.scanner.seen)


def test_tool_runtime_is_injected(shield: Shield) -> None:
    @tool
    def use(text: str, runtime: ToolRuntime) -> str:
        """Use the runtime."""
        return f"{text} {runtime.tool_call_id}"

    (guarded,) = shield_tools([use], shield)
    runtime = ToolRuntime(
        state={}, context=None, config={}, stream_writer=print, tool_call_id="r-1", store=None
    )
    assert guarded.invoke(call("use", text="a", runtime=runtime)).content == "a r-1"
    assert convert_to_openai_tool(guarded) == convert_to_openai_tool(use)


def test_dict_schemas_and_pydantic_arguments_work(shield: Shield) -> None:
    ran: list[Any] = []

    def send(address: Address) -> str:
        """Send."""
        ran.append(address)
        return "ok"

    (guarded,) = shield_tools([send], shield)
    assert guarded.invoke({"address": {"street": "Main"}}) == "ok"
    assert ran == [Address(street="Main")]
    with pytest.raises(ToolBlockedError):
        guarded.invoke({"address": {"street": WIPE}})

    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    plain = StructuredTool(
        name="find", description="Find.", args_schema=schema, func=lambda q: f"{q}!"
    )
    (guarded,) = shield_tools([plain], shield)
    assert guarded.invoke({"q": "x"}) == "x!"


# -- what callbacks, tracers and nested tools see


def test_callbacks_see_the_cut_result(shield: Shield) -> None:
    from langchain_core.callbacks import BaseCallbackHandler

    class Spy(BaseCallbackHandler):
        def __init__(self) -> None:
            self.outputs: list[Any] = []

        def on_tool_end(self, output: Any, **kwargs: Any) -> None:
            self.outputs.append(output)

    spy = Spy()
    (guarded,) = shield_tools([read], shield)
    guarded.invoke({"path": "a"}, {"callbacks": [spy]})
    assert len(spy.outputs) == 1
    assert ORDER not in str(spy.outputs)


def test_a_tool_that_calls_itself_is_guarded_each_time(shield: Shield) -> None:
    depth: list[str] = []

    @tool
    def dig(text: str) -> str:
        """Dig."""
        depth.append(text)
        if text == "first":
            return str(guarded.invoke({"text": WIPE}))
        return "ran"

    (guarded,) = shield_tools([dig], shield)
    message = guarded.invoke(call("dig", text="first"))
    assert message.status == "error"
    assert depth == ["first"]


def test_serialised_tools_do_not_pretend_to_be_loadable(shield: Shield) -> None:
    from langchain_core.load import dumpd

    (guarded,) = shield_tools([read], shield)
    assert dumpd(guarded)["type"] == "not_implemented"


def test_events_hold_no_content(bench: Any) -> None:
    from rune_core.testing import assert_no_content

    (guarded,) = shield_tools([read], bench.shield)
    guarded.invoke({"path": "a-very-private-path"})
    bench.shield.flush()
    assert bench.sink.events
    assert {event.framework for event in bench.sink.events} == {"langchain"}
    assert_no_content(bench.sink.events, "a-very-private-path", ORDER)
