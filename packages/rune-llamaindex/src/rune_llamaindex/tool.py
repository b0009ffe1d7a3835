"""Guarded tools: the call is checked before the tool runs, its result before anyone sees it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, cast

from llama_index.core.tools.types import AsyncBaseTool, BaseTool, ToolOutput
from llama_index.core.workflow import Context

from rune_core.adapters.walk import Check, Stopped, Walk, has_text, must_pass
from rune_core.errors import ShieldBlockedError
from rune_core.guarded import neutral_message
from rune_llamaindex.blocks import over_blocks, over_text
from rune_llamaindex.calls import MARK
from rune_llamaindex.definition import definition_of, plain_metadata, shown_metadata
from rune_llamaindex.guarded import guarded_copy, is_running, reported, require_guard, running
from rune_llamaindex.sessions import run_id
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.session.session import Session
    from rune_llamaindex.guard import Guard


def guard_tool(tool: BaseTool, guard: Guard) -> BaseTool:
    """A guarded copy of a tool."""
    return guarded_copy(tool, guard, tool_overrides)


def may_offer(tool: BaseTool) -> bool:
    """Whether a model may be told of a guarded tool."""
    return definition_of(tool).refused is None


def tool_overrides(base: type) -> dict[str, Any]:
    """What a guarded tool replaces."""
    kind = cast("Any", base)
    replaced: dict[str, Any] = {"metadata": property(shown_metadata)}
    if issubclass(base, AsyncBaseTool):
        replaced["call"] = reported(base, kind.call, _sync)
        replaced["acall"] = reported(base, kind.acall, _async)
    else:
        replaced["__call__"] = reported(base, kind.__call__, _sync)
    return replaced


def _sync(original: Any) -> Any:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_running(self):
            return original(self, *args, **kwargs)
        guard, made = require_guard(self), _Call(self, args, kwargs)
        session = guard.sessions.of_call(made.name, made.given)
        try:
            args, kwargs = guard.run(made.over_call(guard), session)
            try:
                with running(self):
                    output = original(self, *args, **kwargs)
            except Exception as error:
                told = guard.run(_over_error(error, made.name), session)
                if told is None:
                    raise
                return made.failed(told)
            return guard.run(_over_output(output, made.name), session)
        except Stopped as stop:
            return made.refused(guard, session, stop)

    return call


def _async(original: Any) -> Any:
    @functools.wraps(original)
    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_running(self):
            return await original(self, *args, **kwargs)
        guard, made = require_guard(self), _Call(self, args, kwargs)
        session = guard.sessions.of_call(made.name, made.given)
        try:
            args, kwargs = await guard.arun(made.over_call(guard), session)
            try:
                with running(self):
                    output = await original(self, *args, **kwargs)
            except Exception as error:
                told = await guard.arun(_over_error(error, made.name), session)
                if told is None:
                    raise
                return made.failed(told)
            return await guard.arun(_over_output(output, made.name), session)
        except Stopped as stop:
            return made.refused(guard, session, stop)

    return acall


class _Call:
    """One call of a guarded tool.

    Attributes:
        name: The tool's name.
        given: The arguments by name, without those that are none of the model's: the workflow's
            context, and what the developer fixed.
    """

    def __init__(self, tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._tool, self._args, self._kwargs = tool, args, kwargs
        self.name: str = plain_metadata(tool).name or type(tool).__name__
        fixed = getattr(tool, "partial_params", None) or {}
        self._names = _names(tool, len(args), kwargs)
        self.given = dict(zip(self._names, args, strict=True)) | {
            key: value
            for key, value in kwargs.items()
            if not isinstance(value, Context) and not (key in fixed and fixed[key] is value)
        }

    def over_call(self, guard: Guard) -> Walk[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Check the tool's definition, then the arguments.

        Raises:
            Stopped: The call may not be made.
        """
        for value in self.given.values():
            # The model's answer was checked already; what is left of a stopped call is its mark.
            result = guard.stop_behind(value)
            if result is not None:
                raise Stopped(result, neutral_message(result))
        definition = definition_of(self._tool)
        if definition.refused is not None:
            raise Stopped(definition.refused, neutral_message(definition.refused))
        check = Check(Surface.TOOL_CALL, self.given, self.name, definition_hash=definition.hash)
        used = yield from must_pass(check)
        if MARK in self._kwargs:
            # Stopped in a process that is gone: nobody knows why any more, but nothing runs.
            raise ValueError("this call was stopped by policy earlier")
        kept = {name: used.get(name, value) for name, value in self._kwargs.items()}
        return tuple(used[name] for name in self._names), kept

    def failed(self, told: str) -> ToolOutput:
        """The output of a call that ended in an exception whose words had to be cut."""
        return ToolOutput(
            content=told, tool_name=self.name, raw_input={}, raw_output=told, is_error=True
        )

    def refused(self, guard: Guard, session: Session, stop: Stopped) -> ToolOutput:
        """What a stopped call returns: in a run an error for the model, which goes on.

        Raises:
            ShieldBlockedError: It is no part of a run, and ``on_block`` is ``raise``.
        """
        error = ShieldBlockedError(stop.result)
        # It may have been on its way because of the tool's own error, whose text is content.
        stop.__context__ = None
        guard.latch(session, stop.result)
        if guard.raises and run_id() is None:
            raise error from None
        told = f"{stop.neutral} {stop.result.explanation}"
        return ToolOutput(
            content=told,
            tool_name=self.name,
            raw_input={},
            raw_output=told,
            is_error=True,
            exception=error,
        )


def _names(tool: Any, count: int, kwargs: dict[str, Any]) -> list[str]:
    """Names for positional arguments."""
    if not count:
        return []
    try:
        known = list(inspect.signature(tool.real_fn).parameters)
    except (AttributeError, TypeError, ValueError):
        known = list(getattr(plain_metadata(tool).fn_schema, "model_fields", {}))
    names = [name for name in known if name not in kwargs][:count]
    return names + [f"argument_{at}" for at in range(len(names), count)]


def _over_error(error: Exception, tool: str) -> Walk[str | None]:
    """What to tell in place of an exception, or None if it may tell its own words."""
    if type(error).__module__.startswith("workflows."):
        return None  # how a workflow waits for a person
    words = str(error)
    told = yield from over_text(words, Surface.TOOL_RESULT, tool, remember=False)
    return None if told is words else told


def _over_output(output: Any, tool: str) -> Walk[Any]:
    """Check what a tool gave back: what the model reads, and the raw value beside it.

    Raises:
        Stopped: It may not pass.
    """
    if not isinstance(output, ToolOutput):
        if not has_text(output):
            return output
        return (yield from must_pass(Check(Surface.TOOL_RESULT, output, tool)))
    raw = output.raw_output
    blocks: Sequence[Any] = output.blocks
    if has_text(raw) or output.content != str(raw):
        blocks = yield from over_blocks(output.blocks, Surface.TOOL_RESULT, tool, remember=False)
    cut = blocks is not output.blocks
    used = yield from _over_raw(raw, output.content, tool, cut=cut)
    if not cut and used is raw:
        return output
    copied = output.model_copy(update={"blocks": list(blocks), "raw_output": used})
    if cut and used is raw and not isinstance(raw, bool | int | float | None):
        # It says in another form what had to be cut.
        copied.raw_output = copied.content
    return copied


def _over_raw(raw: Any, content: str, tool: str, *, cut: bool) -> Walk[Any]:
    """Check a raw value, unless it is what the model reads and that was clean."""
    if not has_text(raw):
        return raw
    if not cut and content in (_words(raw), raw if isinstance(raw, str) else None):
        return raw
    if isinstance(raw, str):
        return (yield from over_text(raw, Surface.TOOL_RESULT, tool, remember=True))
    return (yield from must_pass(Check(Surface.TOOL_RESULT, raw, tool)))


def _words(raw: Any) -> str | None:
    """The value as LlamaIndex writes it for a model."""
    if isinstance(raw, str | list | dict | tuple):
        return str(raw)
    text = getattr(raw, "get_content", None)
    return str(text()) if callable(text) else None
