"""Guarded tools: the call is checked before the tool runs, its result before anyone sees it."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools.base import _get_runnable_config_param
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.types import Command

from rune_core.adapters.walk import Check, Stopped, Walk, each, must_pass
from rune_core.errors import ShieldBlockedError
from rune_core.guarded import neutral_message
from rune_langchain.content import over_content
from rune_langchain.guarded import (
    guarded_copy,
    is_running,
    require_guard,
    running,
    running_call_id,
)
from rune_langchain.messages import check_definition
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_langchain.guard import Guard


class ToolBlockedError(ShieldBlockedError, ToolException):
    """A guarded tool was stopped outside an agent, where no message can say so.

    It is both what Rune and what LangChain raise for it, so ``handle_tool_error`` applies.
    """


def guard_tool(tool: BaseTool, guard: Guard) -> BaseTool:
    """A guarded copy of a tool."""
    return guarded_copy(tool, guard, tool_overrides)


def tool_overrides(base: type) -> dict[str, Any]:
    """What a guarded tool replaces.

    ``run`` turns a stop into a message. ``_run`` does the guarding: it has the arguments as the
    tool will get them, and its result is what callbacks, streams and tracers see.
    """
    kind = cast("type[BaseTool]", base)
    return {
        "run": _run(kind),
        "arun": _arun(kind),
        "_run": _inner_run(kind),
        "_arun": _inner_arun(kind),
    }


def _run(base: type[BaseTool]) -> Any:
    original = base.run

    @functools.wraps(original)
    def run(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
        call_id = kwargs.get("tool_call_id")
        try:
            with running("call", require_guard(self).shield, call_id):
                return original(self, *args, **kwargs)
        except ShieldBlockedError as error:
            return _refusal(self, error, call_id)

    return run


def _arun(base: type[BaseTool]) -> Any:
    original = base.arun

    @functools.wraps(original)
    async def arun(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
        call_id = kwargs.get("tool_call_id")
        try:
            with running("call", require_guard(self).shield, call_id):
                return await original(self, *args, **kwargs)
        except ShieldBlockedError as error:
            return _refusal(self, error, call_id)

    return arun


def _refusal(tool: BaseTool, error: ShieldBlockedError, call_id: str | None) -> Any:
    """What a stopped call returns.

    In an agent it is an error message: an exception would be swallowed by ``handle_tool_errors``,
    repeated by retries, or end the run.
    """
    if call_id is not None:
        return ToolMessage(
            content=_told(error), name=tool.name, tool_call_id=call_id, status="error"
        )
    if require_guard(tool).raises:
        raise error
    return _told(error)


def _told(error: ShieldBlockedError) -> str:
    result = error.scan_result
    return f"{neutral_message(result)} {result.explanation}"


def _inner_run(base: type[BaseTool]) -> Any:
    original = base._run

    @functools.wraps(original)
    def _run(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
        if is_running("body", self):
            return original(self, *args, **kwargs)
        guard = require_guard(self)
        session = guard.session((running_call_id(),))
        try:
            args, kwargs = guard.run(_over_call(self, args, kwargs), session)
            with running("body", self):
                response = original(self, *args, **kwargs)
            return guard.run(_over_response(self, response), session)
        except Stopped as stop:
            raise ToolBlockedError(stop.result) from None

    return _run


def _inner_arun(base: type[BaseTool]) -> Any:
    original = base._arun
    native = original is not BaseTool._arun

    # LangChain reads off the signature which arguments to inject; the fall-back has none of its
    # own and passes on what it gets.
    @functools.wraps(original if native else base._run)
    async def _arun(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
        if is_running("body", self):
            return await original(self, *args, **kwargs)
        guard = require_guard(self)
        session = guard.session((running_call_id(),))
        try:
            args, kwargs = await guard.arun(_over_call(self, args, kwargs), session)
            with running("body", self):
                response = await original(self, *args, **kwargs)
            return await guard.arun(_over_response(self, response), session)
        except Stopped as stop:
            raise ToolBlockedError(stop.result) from None

    return _arun


def _over_call(
    tool: BaseTool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Walk[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Check a tool's definition, then its arguments. Injected arguments are none of the model's."""
    definition = check_definition(_definition(tool))
    yield from must_pass(definition)
    injected = kwargs.keys() - tool._filter_injected_args(kwargs).keys()
    config = _get_runnable_config_param(tool._run)
    names = [f"argument_{position}" for position in range(len(args))]
    if len(args) == 1 and tool.is_single_input:
        names = list(tool.args)
    given = dict(zip(names, args, strict=True))
    given.update({k: v for k, v in kwargs.items() if k not in injected and k != config})
    check = Check(Surface.TOOL_CALL, given, tool.name, definition_hash=definition.definition_hash)
    used = yield from must_pass(check)
    kept = {name: used.get(name, value) for name, value in kwargs.items()}
    return tuple(used[name] for name in names), kept


def _definition(tool: BaseTool) -> Any:
    try:
        return convert_to_openai_tool(tool)
    except Exception:  # noqa: BLE001 - a schema that no model can be offered; its text still counts
        return {"name": tool.name, "description": tool.description}


def _over_response(tool: BaseTool, response: Any) -> Walk[Any]:
    if tool.response_format == "content_and_artifact" and isinstance(response, tuple):
        return tuple((yield from each(_over_result(part, tool.name) for part in response)))
    return (yield from _over_result(response, tool.name))


def _over_result(value: Any, tool: str) -> Walk[Any]:
    """Check what a tool gave back, in any of the shapes that LangChain knows."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, ToolMessage):
        content = yield from over_content(value.content, Surface.TOOL_RESULT, tool, remember=False)
        artifact = yield from _over_result(value.artifact, tool)
        return value.model_copy(update={"content": content, "artifact": artifact})
    if isinstance(value, Command):
        return (yield from _over_command(value, tool))
    if isinstance(value, list) and any(isinstance(i, ToolMessage | Command) for i in value):
        return (yield from each(_over_result(item, tool) for item in value))
    if isinstance(value, str) or _is_blocks(value):
        return (yield from over_content(value, Surface.TOOL_RESULT, tool, remember=False))
    return (yield from must_pass(Check(Surface.TOOL_RESULT, value, tool)))


def _over_command(command: Command[Any], tool: str) -> Walk[Command[Any]]:
    """Check the messages that a command adds. The rest of its update is the application's state."""
    update = command.update
    if not isinstance(update, dict) or not isinstance(update.get("messages"), list):
        return command
    messages = yield from each(
        _over_result(message, tool) if isinstance(message, ToolMessage) else _as_it_is(message)
        for message in update["messages"]
    )
    return dataclasses.replace(command, update={**update, "messages": messages})


def _as_it_is(value: Any) -> Walk[Any]:
    yield from ()
    return value


def _is_blocks(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) or (isinstance(item, dict) and "type" in item) for item in value
    )
