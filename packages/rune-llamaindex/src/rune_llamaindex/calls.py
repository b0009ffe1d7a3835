"""Tool calls in a model's answer, in each of the shapes that LlamaIndex's integrations use."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rune_core.adapters.walk import Check, Ruling, Stopped, Walk
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.llms.types import ToolCallBlock

MARK = "rune_blocked"
"""The only argument of a call that was stopped; its value says why, in neutral words."""
HANDOFF = "handoff"


@dataclass(frozen=True, slots=True)
class Offered:
    """The tools that a model may call.

    Attributes:
        guarded: Tools that refuse a stopped call themselves.
        answers: Tools that are none: the way a model gives a structured answer.
    """

    guarded: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()


@dataclass(slots=True)
class Calls:
    """Checks the calls of one answer, each once, even where an answer says it twice.

    Attributes:
        offered: What the model may call.
    """

    offered: Offered
    _known: list[tuple[str, Any, Any]] = field(default_factory=list)

    def over_block(self, block: ToolCallBlock) -> Walk[ToolCallBlock]:
        """Check a block.

        Raises:
            Stopped: The call may not be made, and nothing else would keep it from being made.
        """
        used = yield from self._used(block.tool_name, block.tool_kwargs, {})
        if used is block.tool_kwargs:
            return block
        return block.model_copy(update={"tool_kwargs": used})

    def over_list(self, calls: Sequence[Any]) -> Walk[list[Any]]:
        """Check the calls that stand in ``additional_kwargs``."""
        done: list[Any] = []
        # The same calls as in the blocks, in the same order.
        again = {"from": 0}
        for call in calls:
            done.append((yield from self._over_entry(call, again)))  # noqa: PERF401 - it cannot yield
        return done

    def _over_entry(self, call: Any, again: dict[str, int]) -> Walk[Any]:
        for holder_name, name_key, args_key in _SHAPES:
            holder = _get(call, holder_name) if holder_name else call
            name, args = _get(holder, name_key), _get(holder, args_key)
            if not isinstance(name, str):
                continue
            used = yield from self._used(name, args, again)
            if used is args:
                return call
            changed = _with(holder, args_key, used)
            return _with(call, holder_name, changed) if holder_name else changed
        return call

    def _used(self, name: str, args: Any, again: dict[str, int]) -> Walk[Any]:
        if again:
            for at in range(again["from"], len(self._known)):
                known_name, known_args, used = self._known[at]
                if known_name == name and known_args == _plain(args):
                    again["from"] = at + 1
                    return args if used is known_args else _like(args, used)
        plain = _plain(args)
        used = yield from self._ruled(name, plain)
        self._known.append((name, plain, used))
        return args if used is plain else _like(args, used)

    def _ruled(self, name: str, args: dict[str, Any]) -> Walk[dict[str, Any]]:
        if name in self.offered.answers:
            surface = Surface.OUTPUT
        elif name == HANDOFF and name not in self.offered.guarded:
            surface = Surface.HANDOFF
        else:
            surface = Surface.TOOL_CALL
        ruling: Ruling = yield Check(surface, args, name, planned=True)
        if ruling.stopped:
            assert ruling.result is not None
            if name in self.offered.guarded:
                return {MARK: ruling.value}
            raise Stopped(ruling.result, ruling.value)
        return dict(ruling.value) if ruling.changed else args


_SHAPES = (
    ("", "tool_name", "tool_kwargs"),
    ("function", "name", "arguments"),
    ("", "name", "arguments"),
    ("", "name", "input"),
    ("", "name", "args"),
)


def _get(holder: Any, key: str) -> Any:
    return holder.get(key) if isinstance(holder, dict) else getattr(holder, key, None)


def _with(holder: Any, key: str, value: Any) -> Any:
    if isinstance(holder, dict):
        return {**holder, key: value}
    return holder.model_copy(update={key: value})


def _plain(args: Any) -> dict[str, Any]:
    """Arguments by name. What is no object is taken for the only argument."""
    if isinstance(args, str):
        try:
            args = json.loads(args) if args.strip() else {}
        except ValueError:
            return {"arguments": args}
    if isinstance(args, dict):
        return args
    return {} if args is None else {"arguments": args}


def _like(args: Any, used: dict[str, Any]) -> Any:
    """The arguments to use in the form in which they were given."""
    return json.dumps(used, ensure_ascii=False) if isinstance(args, str) else used
