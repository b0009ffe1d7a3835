"""``shield_node``: guarded nodes of a LangGraph graph, for code that calls no LangChain object."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send

from rune_core.adapters.walk import Check, Stopped, Walk, each, must_pass, same
from rune_core.context import surface_named
from rune_core.errors import ShieldBlockedError, UnguardableError
from rune_langchain.guard import guard_for
from rune_langchain.inside import guard_inside
from rune_langchain.messages import ids_of, in_its_run, over_answer, over_messages
from rune_langchain.retriever import over_documents
from rune_langchain.tool import defined, guard_tool, over_added
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_core import Shield
    from rune_core.session.session import Session
    from rune_langchain.guard import Guard

_N = TypeVar("_N")
_MESSAGES = "messages"


def shield_node(
    node: _N,
    shield: Shield | None = None,
    *,
    agent_id: str | None = None,
    surfaces: Mapping[str, Surface | str] | None = None,
    interrupts: bool = False,
) -> _N:
    """A guarded copy of a node of a graph.

    A ``ToolNode`` comes back with guarded tools, a Runnable with guarded models, retrievers and
    tools inside. A function is wrapped: the messages of the state are checked before it reads them,
    and what it adds to the state before the graph stores or streams it: messages by their kind,
    documents as documents, other keys as ``surfaces`` says. What a ``Command`` or ``Send`` carries
    to another node is checked as a handoff.

    ::

        graph.add_node("write", shield_node(write, surfaces={"draft": "output"}))

    Args:
        node: What ``add_node`` takes. It stays as it is.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
        surfaces: What the texts in keys of the state are; other keys pass unread.
        interrupts: For a ``ToolNode``: see ``shield_tools``.

    Raises:
        UnguardableError: It is no node, or there is nothing to guard in it.
    """
    guard = guard_for(shield, agent_id, interrupts=interrupts)
    if isinstance(node, ToolNode):
        return cast("_N", _tool_node(node, guard))
    if isinstance(node, Runnable):
        guarded = guard_inside(node, guard, everything=True)
        if guarded is None:
            raise UnguardableError(
                f"there is no chat model, retriever or tool in this {type(node).__name__}; "
                "guard the function inside, or the nodes of a compiled graph"
            )
        return cast("_N", guarded)
    if not callable(node):
        raise UnguardableError(f"{type(node).__name__} is no node; hand over what add_node takes")
    told = {key: surface_named(surface) for key, surface in (surfaces or {}).items()}
    return cast("_N", _wrapped(node, guard, told))


def _tool_node(node: ToolNode, guard: Guard) -> ToolNode:
    copied: Any = copy.copy(node)
    tools = {name: guard_tool(tool, guard) for name, tool in node.tools_by_name.items()}
    guard.offers(defined(tool) for tool in node.tools_by_name.values())
    name = "_tools_by_name" if "_tools_by_name" in vars(node) else "tools_by_name"
    setattr(copied, name, tools)
    for name, held in list(vars(copied).items()):
        if inspect.ismethod(held) and held.__self__ is node:
            # It keeps its own methods in fields; those of the copy are bound to the copy.
            setattr(copied, name, held.__func__.__get__(copied))
    if "_wrap_tool_call" in vars(copied):
        _tell_the_run(copied, guard)
    return cast("ToolNode", copied)


def _tell_the_run(node: Any, guard: Guard) -> None:
    """Around each call of a ``ToolNode``: say which run it belongs to."""
    inner, ainner = node._wrap_tool_call, node._awrap_tool_call

    def around(request: Any, execute: Callable[[Any], Any]) -> Any:
        with in_its_run(guard, request):
            return execute(request) if inner is None else inner(request, execute)

    async def aaround(request: Any, execute: Callable[[Any], Any]) -> Any:
        with in_its_run(guard, request):
            if ainner is not None:
                return await ainner(request, execute)
            return await execute(request)

    node._wrap_tool_call = around
    if inner is None or ainner is not None:
        # A wrapper for the synchronous way alone is used for both.
        node._awrap_tool_call = aaround


def _wrapped(function: Callable[..., Any], guard: Guard, told: Mapping[str, Surface]) -> Any:
    # LangGraph reads off the signature what to hand over besides the state, and off the types
    # which part of it: wraps keeps both.
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def anode(state: Any, *args: Any, **kwargs: Any) -> Any:
            session = _session(guard, state)
            try:
                state = await guard.arun(_over_state(state, told), session)
                update = await function(state, *args, **kwargs)
                return await guard.arun(_over_update(update, guard, told), session)
            except Stopped as stop:
                return _instead(guard, stop)

        return anode

    @functools.wraps(function)
    def node(state: Any, *args: Any, **kwargs: Any) -> Any:
        session = _session(guard, state)
        try:
            state = guard.run(_over_state(state, told), session)
            update = function(state, *args, **kwargs)
            return guard.run(_over_update(update, guard, told), session)
        except Stopped as stop:
            return _instead(guard, stop)

    return node


def _session(guard: Guard, state: Any) -> Session:
    messages = _listed(_get(state, _MESSAGES))
    session = guard.session(ids_of(messages))
    guard.belongs(ids_of(messages[-4:]), session)
    return session


def _instead(guard: Guard, stop: Stopped) -> dict[str, Any]:
    if guard.raises:
        raise ShieldBlockedError(stop.result) from None
    return {_MESSAGES: [AIMessage(stop.neutral)]}


def _over_state(state: Any, told: Mapping[str, Surface]) -> Walk[Any]:
    """Check what a node is about to read."""
    changed: dict[str, Any] = {}
    messages = _get(state, _MESSAGES)
    if _listed(messages):
        kept = yield from over_messages(messages)
        if not same(messages, kept):
            changed[_MESSAGES] = kept
    for key, surface in told.items():
        value = _get(state, key)
        if value:
            used = yield from _over_value(value, surface)
            if used is not value:
                changed[key] = used
    if not changed:
        return state
    if isinstance(state, Mapping):
        return {**state, **changed}
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        return dataclasses.replace(state, **changed)
    return state.model_copy(update=changed)


def _over_update(update: Any, guard: Guard, told: Mapping[str, Surface]) -> Walk[Any]:
    """Check what a node adds to the state, or hands to another node."""
    if isinstance(update, Command):
        inner = yield from _over_update(update.update, guard, told)
        goto = yield from _over_goto(update.goto, guard, told)
        if inner is update.update and goto is update.goto:
            return update
        return dataclasses.replace(update, update=inner, goto=goto)
    if isinstance(update, list):
        done = yield from each(_over_update(item, guard, told) for item in update)
        return update if same(update, done) else done
    if isinstance(update, BaseMessage):
        return (yield from _over_message(update, guard))
    if not isinstance(update, Mapping):
        return update
    changed: dict[str, Any] = {}
    for key, value in update.items():
        if key in told:
            used = yield from _over_value(value, told[key])
        elif isinstance(value, list) and value and isinstance(value[0], Document):
            used = yield from over_documents(value)
            used = value if len(used) == len(value) and same(value, used) else used
        else:
            used = yield from _over_messages_in(_read(value) if key == _MESSAGES else value, guard)
        if used is not value:
            changed[key] = used
    return {**update, **changed} if changed else update


def _over_goto(goto: Any, guard: Guard, told: Mapping[str, Surface]) -> Walk[Any]:
    if isinstance(goto, Send):
        sent = yield from _over_update(goto.arg, guard, told)
        return goto if sent is goto.arg else Send(goto.node, sent)
    if isinstance(goto, list | tuple):
        targets = yield from each(_over_goto(target, guard, told) for target in goto)
        return goto if same(goto, targets) else targets
    return goto


def _over_messages_in(value: Any, guard: Guard) -> Walk[Any]:
    if isinstance(value, BaseMessage):
        return (yield from _over_message(value, guard))
    if not _listed(value):
        return value
    kept = yield from each(_over_message(message, guard) for message in value)
    return value if same(value, kept) else kept


def _read(value: Any) -> Any:
    """Messages in short forms, such as ``("ai", "hello")``, as the graph will read them."""
    if isinstance(value, BaseMessage) or _listed(value):
        return value
    try:
        return convert_to_messages(value if isinstance(value, list) else [value])
    except (ValueError, TypeError, NotImplementedError):
        return value  # an Overwrite, or what the graph will refuse as well


def _over_message(message: Any, guard: Guard) -> Walk[Any]:
    if isinstance(message, AIMessage):
        return (yield from over_answer(message, guard.memory, remember=True))
    return (yield from over_added(message, "", Surface.HANDOFF))


def _over_value(value: Any, surface: Surface) -> Walk[Any]:
    if isinstance(value, list) and value and all(isinstance(item, Document) for item in value):
        return (yield from over_documents(value))
    return (yield from must_pass(Check(surface, value, remember=isinstance(value, str))))


def _listed(value: Any) -> list[BaseMessage]:
    """The value if it is a list of messages; else an empty one."""
    if isinstance(value, list) and value and all(isinstance(item, BaseMessage) for item in value):
        return value
    return []


def _get(state: Any, key: str) -> Any:
    return state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)
