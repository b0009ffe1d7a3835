"""Guarded tools: the call is checked before the tool runs, its result before anyone sees it."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, BaseMessage, RemoveMessage, ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools.base import _get_runnable_config_param
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.types import Command, Send

from rune_core.adapters.walk import Check, Stopped, Walk, each, must_pass, same
from rune_core.errors import ShieldBlockedError
from rune_core.guarded import neutral_message
from rune_langchain.calls import MARK
from rune_langchain.content import over_content
from rune_langchain.guarded import (
    guarded_copy,
    is_running,
    require_guard,
    running,
    running_call,
)
from rune_langchain.messages import check_definition
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_langchain.guard import Guard
    from rune_langchain.guarded import Running


class ToolBlockedError(ShieldBlockedError, ToolException):
    """A guarded tool was stopped outside an agent, where no message can say so.

    It is both what Rune and what LangChain raise for it, so ``handle_tool_error`` applies.
    """


def guard_tool(tool: BaseTool, guard: Guard) -> BaseTool:
    """A guarded copy of a tool."""
    guard.offers([defined(tool)])
    return guarded_copy(tool, guard, tool_overrides)


def defined(tool: BaseTool) -> tuple[str, str]:
    """A tool's name and the hash of its definition."""
    return tool.name, check_definition(_definition(tool)).definition_hash or ""


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
        given = args[0] if args else kwargs.get("tool_input")
        told = _stopped_before(self, given, call_id)
        if told is not None:
            return told
        try:
            guard, cleared = require_guard(self), _cleared(self, given, call_id)
            with running("call", guard.shield, call_id, cleared=cleared):
                return original(self, *args, **kwargs)
        except ShieldBlockedError as error:
            return _refusal(self, error, call_id)

    return run


def _arun(base: type[BaseTool]) -> Any:
    original = base.arun

    @functools.wraps(original)
    async def arun(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
        call_id = kwargs.get("tool_call_id")
        given = args[0] if args else kwargs.get("tool_input")
        told = _stopped_before(self, given, call_id)
        if told is not None:
            return told
        try:
            guard, cleared = require_guard(self), _cleared(self, given, call_id)
            with running("call", guard.shield, call_id, cleared=cleared):
                return await original(self, *args, **kwargs)
        except ShieldBlockedError as error:
            return _refusal(self, error, call_id)

    return arun


def _cleared(tool: BaseTool, given: Any, call_id: str | None) -> bool:
    """Whether the model's guard has ruled on this very call."""
    if call_id is None or not isinstance(given, dict):
        return False
    guard = require_guard(tool)
    session = guard.session((call_id,))
    return guard.cleared(session, call_id, tool.name, tool._filter_injected_args(given))


def _stopped_before(tool: BaseTool, given: Any, call_id: str | None) -> Any:
    """What a call returns that was stopped when the model asked for it; None for any other.

    All that is left of its arguments is the mark, so nothing can run here.
    """
    if not isinstance(given, dict) or MARK not in given:
        return None
    result = require_guard(tool).memory.stops.get(str(given[MARK]))
    if result is not None:
        return _refusal(tool, ToolBlockedError(result), call_id)
    # Stopped in a process that is gone: nobody knows why any more.
    told = str(given[MARK])
    if call_id is None:
        return told
    return ToolMessage(content=told, name=tool.name, tool_call_id=call_id, status="error")


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
        call = running_call()
        session = guard.session((call.call_id if call else None,))
        try:
            args, kwargs = guard.run(_over_call(self, args, kwargs, call), session)
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
        call = running_call()
        session = guard.session((call.call_id if call else None,))
        try:
            args, kwargs = await guard.arun(_over_call(self, args, kwargs, call), session)
            with running("body", self):
                response = await original(self, *args, **kwargs)
            return await guard.arun(_over_response(self, response), session)
        except Stopped as stop:
            raise ToolBlockedError(stop.result) from None

    return _arun


def _over_call(
    tool: BaseTool, args: tuple[Any, ...], kwargs: dict[str, Any], call: Running | None
) -> Walk[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Check a tool's definition, then its arguments. Injected arguments are none of the model's."""
    definition = check_definition(_definition(tool))
    yield from must_pass(definition)
    if call is not None and call.cleared:
        return args, kwargs
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
        return tuple((yield from each(over_tool_result(part, tool.name) for part in response)))
    return (yield from over_tool_result(response, tool.name))


def over_tool_result(value: Any, tool: str) -> Walk[Any]:
    """Check what a tool gave back, in any of the shapes that LangChain knows."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, ToolMessage):
        content = yield from over_content(value.content, Surface.TOOL_RESULT, tool, remember=False)
        artifact = yield from over_tool_result(value.artifact, tool)
        return value.model_copy(update={"content": content, "artifact": artifact})
    if isinstance(value, Command):
        return (yield from _over_command(value, tool))
    if isinstance(value, list) and any(isinstance(i, ToolMessage | Command) for i in value):
        return (yield from each(over_tool_result(item, tool) for item in value))
    if isinstance(value, str) or _is_blocks(value):
        return (yield from over_content(value, Surface.TOOL_RESULT, tool, remember=False))
    return (yield from must_pass(Check(Surface.TOOL_RESULT, value, tool)))


def _over_command(command: Command[Any], tool: str) -> Walk[Command[Any]]:
    """Check the messages that a command adds or hands over to another agent.

    The rest of its update is the application's state.
    """
    hands_over = bool(command.goto) or command.graph is not None
    surface = Surface.HANDOFF if hands_over else Surface.TOOL_RESULT
    update = yield from _over_update(command.update, tool, surface)
    goto: Any = command.goto
    if isinstance(goto, Send | list | tuple):
        targets = []
        for target in [goto] if isinstance(goto, Send) else goto:
            if isinstance(target, Send):
                sent = yield from _over_update(target.arg, tool, Surface.HANDOFF)
                targets.append(target if sent is target.arg else Send(target.node, sent))
            else:
                targets.append(target)
        if not same(targets, [goto] if isinstance(goto, Send) else goto):
            goto = targets
    if update is command.update and goto is command.goto:
        return command
    return dataclasses.replace(command, update=update, goto=goto)


def _over_update(update: Any, tool: str, surface: Surface) -> Walk[Any]:
    if not isinstance(update, dict) or not isinstance(update.get("messages"), list):
        return update
    messages = yield from each(over_added(message, tool, surface) for message in update["messages"])
    if same(messages, update["messages"]):
        return update
    return {**update, "messages": messages}


def over_added(message: Any, tool: str, surface: Surface) -> Walk[Any]:
    """Check a message that is added to a graph's state. The model's own words are left alone."""
    if isinstance(message, ToolMessage):
        return (yield from over_tool_result(message, tool))
    # The model's own words were checked when it said them.
    if not isinstance(message, BaseMessage) or isinstance(message, AIMessage | RemoveMessage):
        return message
    content = yield from over_content(message.content, surface, tool, remember=False)
    if content is message.content:
        return message
    return message.model_copy(update={"content": content})


def _is_blocks(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) or (isinstance(item, dict) and "type" in item) for item in value
    )
