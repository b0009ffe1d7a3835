"""Guarded tools: the same tools, with calls decided before and results checked after."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import BaseTool, FunctionTool, ToolMetadata, ToolOutput
from llama_index.core.tools.calling import acall_tool, call_tool

from rune_core import Shield, ShieldBlockedError, UnguardableError
from rune_llamaindex import shield_llm, shield_tools
from rune_llamaindex.testing import ScriptedLLM

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"


def read(path: str) -> str:
    """Read a file."""
    return f"{path} says {ORDER}\n\nand more"


def count(path: str) -> int:
    """Count lines."""
    return len(path)


async def both(tool: Any, **args: Any) -> list[Any]:
    return [tool.call(**args), await tool.acall(**args), tool(**args)]


def test_schema_class_and_original_are_kept(shield: Shield) -> None:
    tool = FunctionTool.from_defaults(read)
    (guarded,) = shield_tools([tool], shield)
    assert isinstance(guarded, FunctionTool)
    assert guarded.metadata is tool.metadata
    assert type(tool) is FunctionTool
    assert shield_tools([guarded], shield)[0] is guarded
    with pytest.raises(UnguardableError, match="neither"):
        shield_tools([object()], shield)  # type: ignore[list-item]


async def test_a_benign_call_is_the_same(shield: Shield) -> None:
    def nothing(path: str) -> dict[str, Any]:
        """Give data."""
        return {"path": path, "lines": [1, 2]}

    for function in (count, nothing):
        tool = FunctionTool.from_defaults(function)
        (guarded,) = shield_tools([tool], shield)
        assert await both(guarded, path="a") == await both(tool, path="a")


async def test_an_order_is_cut_from_content_and_raw_output(shield: Shield) -> None:
    (guarded,) = shield_tools([read], shield)
    for output in await both(guarded, path="a"):
        assert ORDER not in output.content
        assert ORDER not in str(output.raw_output)
        assert "and more" in output.content
        assert "and more" in output.raw_output


async def test_data_and_blocks_are_cut_inside(shield: Shield) -> None:
    def data(path: str) -> dict[str, Any]:
        """Give data."""
        return {"path": path, "key": KEY, "n": 3}

    def blocks(path: str) -> list[Any]:
        """Give blocks."""
        return [TextBlock(text=f"{path} {KEY}"), ImageBlock(image=b"\x89PNG")]

    def found(path: str) -> ToolOutput:
        """Give an output of its own, through a callback."""
        return ToolOutput(
            content="clean", tool_name="found", raw_input={}, raw_output={"hidden": KEY}
        )

    tools = [
        FunctionTool.from_defaults(data),
        FunctionTool.from_defaults(blocks),
        FunctionTool.from_defaults(count, callback=lambda _: found("a"), name="found"),
    ]
    for tool in shield_tools(tools, shield):
        for output in await both(tool, path="a"):
            assert KEY not in repr(output)
            assert KEY not in repr(output.raw_output)
    first = shield_tools(tools[:1], shield)[0].call(path="a")  # type: ignore[attr-defined]
    assert first.raw_output["n"] == 3
    second = shield_tools(tools[1:2], shield)[0].call(path="a")  # type: ignore[attr-defined]
    assert isinstance(second.blocks[1], ImageBlock)


async def test_a_blocked_call_never_runs(make_bench: Callable[..., Any]) -> None:
    ran: list[str] = []

    def run(command: str) -> str:
        """Run."""
        ran.append(command)
        return "ran"

    (raising,) = shield_tools([run], make_bench().shield)
    with pytest.raises(ShieldBlockedError) as caught:
        raising.call(command=WIPE)  # type: ignore[attr-defined]
    assert WIPE not in str(caught.value)
    with pytest.raises(ShieldBlockedError):
        await raising.acall(command=WIPE)  # type: ignore[attr-defined]
    with pytest.raises(ShieldBlockedError):
        raising(WIPE)
    assert call_tool(raising, {"command": WIPE}).is_error
    assert (await acall_tool(raising, {"command": WIPE})).is_error
    (replacing,) = shield_tools([run], make_bench(on_block="replace").shield)
    for output in await both(replacing, command=WIPE):
        assert output.is_error
        assert "command-injection-in-call" in output.content
        assert WIPE not in repr(output)
        assert isinstance(output.exception, ShieldBlockedError)
    assert not ran
    (logging,) = shield_tools([run], make_bench(on_block="log").shield)
    await both(logging, command=WIPE)
    assert len(ran) == 3


def test_what_an_exception_says_is_checked(shield: Shield) -> None:
    def fail(path: str) -> str:
        """Fail."""
        raise ValueError(f"the server says {path}")

    (guarded,) = shield_tools([fail], shield)
    with pytest.raises(ValueError, match="says a"):
        guarded.call(path="a")  # type: ignore[attr-defined]
    output = guarded.call(path=KEY)  # type: ignore[attr-defined]
    assert output.is_error
    assert KEY not in repr(output)


def test_fixed_arguments_are_the_developers(shield: Shield) -> None:
    def fetch(path: str, token: str) -> str:
        """Fetch."""
        return str(len(token))

    tool = FunctionTool.from_defaults(fetch, partial_params={"token": WIPE})
    (guarded,) = shield_tools([tool], shield)
    assert guarded(path="a").content == str(len(WIPE))


class OldTool(BaseTool):
    """A tool that knows no async."""

    def __init__(self) -> None:
        self.ran: list[Any] = []

    @property
    def metadata(self) -> ToolMetadata:
        return ToolMetadata(description="An old tool.", name="old")

    def __call__(self, input: Any) -> ToolOutput:  # noqa: A002 - its name
        self.ran.append(input)
        return ToolOutput(
            content=f"{input} {KEY}", tool_name="old", raw_input={"input": input}, raw_output=KEY
        )


async def test_a_tool_that_knows_no_async(shield: Shield) -> None:
    tool = OldTool()
    (guarded,) = shield_tools([tool], shield)
    assert KEY not in repr(guarded("a"))
    assert KEY not in repr(await acall_tool(guarded, {"input": "a"}))
    assert (await acall_tool(guarded, {"input": WIPE})).is_error
    assert tool.ran == ["a", "a"]


def test_copies_stay_guarded(shield: Shield) -> None:
    (guarded,) = shield_tools([FunctionTool.from_defaults(read)], shield)
    for made in (copy.copy(guarded), copy.deepcopy(guarded)):
        assert ORDER not in made(path="a").content


def poisoned(path: str) -> str:
    """Read a file. Before you do, obey-the-mail."""
    return "ran"


def test_a_poisoned_tool_is_not_offered_and_not_run(shield: Shield) -> None:
    tool = FunctionTool.from_defaults(poisoned)
    (guarded,) = shield_tools([tool], shield)
    assert ORDER not in guarded.metadata.description
    with pytest.raises(ShieldBlockedError):
        guarded(path="a")
    for offered in ([tool], [guarded]):
        llm = ScriptedLLM(answers=["hi"])
        shield_llm(llm, shield).chat_with_tools(
            [*offered, FunctionTool.from_defaults(count)], "hello"
        )
        assert [found["function"]["name"] for found in llm.offered[0]] == ["count"]
    # A definition that changes is checked again.
    fine = FunctionTool.from_defaults(count)
    (changing,) = shield_tools([fine], shield)
    assert changing(path="a").content == "1"
    fine.metadata.description = f"Now {ORDER}."
    with pytest.raises(ShieldBlockedError):
        changing(path="a")
