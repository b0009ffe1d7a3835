"""Runs of agents to replay: from the journal, or from traces in the common chat format.

A trace file is JSON lines (or one JSON document). A line is a conversation, ``{"messages": […]}``,
a list of messages, or one message, in which case the lines of the file are one conversation. A
message is what chat APIs take: ``role`` (``system``, ``developer``, ``user``, ``assistant``,
``tool``, ``function``), ``content`` (a text or parts), ``tool_calls``, ``tool_call_id``, ``name``.
Beside ``messages`` may stand ``id``, ``agent`` and ``tags``; in a message ``timestamp`` or
``created_at``, in seconds or RFC 3339. Without times every step takes a second, and a conversation
begins an hour after the one before it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rune_core.errors import TraceError
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from rune_core.journal.entry import Entry

TOLD: Final = frozenset(("user", "system", "untrusted"))
_SECOND: Final = 1_000_000_000
_HOUR: Final = 3600 * _SECOND
_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "input",
    "assistant": "output",
    "tool": "tool_result",
    "function": "tool_result",
}
_SURFACES: Final = frozenset(Surface)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened.

    Attributes:
        kind: A surface, or ``user``, ``system``, ``untrusted`` for what a session was told.
        content: The text; the arguments of a call.
        at: Nanoseconds on the run's clock.
        tool: The tool called, or that answered.
        source: Where a text came from.
        action: What was decided then; empty when that is not known.
        rule: The rule that decided; None for none.
        decision: The id of that decision.
    """

    kind: str
    content: Any = field(repr=False)
    at: int
    tool: str | None = None
    source: str | None = None
    action: str = ""
    rule: str | None = None
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an agent.

    Attributes:
        id: Its name.
        agent: The agent.
        tags: Its tags.
        steps: What happened, in order.
    """

    id: str
    agent: str | None
    tags: tuple[str, ...]
    steps: tuple[Step, ...]


def runs_of_journal(entries: Iterable[Entry]) -> list[Run]:
    """The runs that a journal holds, by their first entry."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.session, []).append(entry)
    runs: list[Run] = []
    for session, kept in found.items():
        steps = (
            Step(
                kind=entry.surface,
                content=entry.value,
                at=entry.at,
                tool=entry.tool,
                source=entry.source,
                action=entry.action,
                rule=entry.rule,
                decision=entry.decision,
            )
            for entry in kept
        )
        agent = next((entry.agent for entry in kept if entry.agent), None)
        tags = next((entry.tags for entry in kept if entry.tags), ())
        runs.append(Run(session, agent, tags, tuple(steps)))
    return runs


def runs_of_file(path: Path) -> list[Run]:
    """The runs in a trace file.

    Raises:
        TraceError: A line is none of the forms that are read.
        OSError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise TraceError(f"{path}: is not UTF-8") from None
    return runs_of_text(text, str(path))


def runs_of_text(text: str, name: str) -> list[Run]:
    """The runs in the text of a trace file called ``name``.

    Raises:
        TraceError: A line is none of the forms that are read.
    """
    runs: list[Run] = []
    now = 0
    loose: list[tuple[int, Any]] = []
    for line, item in _documents(text, name):
        if isinstance(item, dict) and "role" in item:
            loose.append((line, item))
            continue
        conversations = item if _is_list_of_conversations(item) else [item]
        for conversation in conversations:
            runs.append(_run(conversation, name, line, len(runs) + 1, now))
            now = max([now, *(step.at for step in runs[-1].steps)]) + _HOUR
    if loose:
        steps = _steps([message for _, message in loose], name, [line for line, _ in loose])
        runs.append(Run(name, None, (), tuple(steps)))
    if not runs:
        raise TraceError(f'{name}: holds no conversation; expected lines like {{"messages": […]}}')
    return runs


def _documents(text: str, name: str) -> Iterator[tuple[int, Any]]:
    stripped = text.strip()
    try:
        whole = json.loads(stripped)
    except (ValueError, RecursionError):
        whole = None
    if whole is not None:
        if isinstance(whole, list) and whole and all(map(_is_message, whole)):
            yield from ((1, message) for message in whole)
        else:
            yield 1, whole
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                raise TraceError(f"{name}:{number}: is not JSON") from None


def _is_message(item: Any) -> bool:
    return isinstance(item, dict) and "role" in item


def _is_list_of_conversations(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and not any(map(_is_message, item))


def _run(conversation: Any, name: str, line: int, number: int, now: int) -> Run:
    head: Mapping[str, Any] = {}
    messages = conversation
    if isinstance(conversation, dict):
        head, messages = conversation, conversation.get("messages")
    if not isinstance(messages, list):
        raise TraceError(f'{name}:{line}: expected {{"messages": […]}} or a list of messages')
    given = next((head[key] for key in ("id", "session_id", "conversation_id") if key in head), "")
    agent = head.get("agent") or head.get("agent_id")
    tags = head.get("tags") or ()
    if isinstance(tags, str):
        tags = (tags,)
    return Run(
        str(given or f"{name}#{number}"),
        str(agent) if agent else None,
        tuple(map(str, tags)),
        tuple(_steps(messages, name, [line] * len(messages), now)),
    )


def _steps(messages: list[Any], name: str, lines: list[int], now: int = 0) -> Iterator[Step]:
    tools: dict[str, str] = {}
    at: int | None = None
    for message, line in zip(messages, lines, strict=True):
        where = f"{name}:{line}"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise TraceError(f"{where}: expected a message with a role of {', '.join(_ROLES)}")
        told = _time(message, where)
        # A clock that went back would open what is closed.
        at = told or now if at is None else max(at + _SECOND, told)
        kind = _ROLES[message["role"]]
        text = _text(message.get("content"), where)
        if kind == "tool_result":
            tool = tools.get(str(message.get("tool_call_id"))) or message.get("name")
            yield Step(kind, text, at, tool=str(tool) if tool else None)
            continue
        if text:
            yield Step(kind, text, at)
        for tool, arguments, call_id in _calls(message, where):
            tools[call_id] = tool
            yield Step("tool_call", arguments, at, tool=tool)


def _text(content: Any, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        # Pictures and sound have no text to replay.
        return "\n".join(part for part in parts if isinstance(part, str))
    if isinstance(content, dict):
        return json.dumps(content, ensure_ascii=False)
    raise TraceError(f"{where}: content must be a text or a list of parts")


def _calls(message: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any, str]]:
    calls = message.get("tool_calls") or []
    if message.get("function_call"):
        calls = [*calls, {"id": "", "function": message["function_call"]}]
    if not isinstance(calls, list):
        raise TraceError(f"{where}: tool_calls must be a list")
    for call in calls:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise TraceError(f'{where}: expected {{"function": {{"name": …, "arguments": …}}}}')
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments) if arguments.strip() else {}
            except (ValueError, RecursionError):
                # A model may write what is no JSON; it was passed on as it stands.
                arguments = {"args": arguments}
        if not isinstance(arguments, dict):
            arguments = {"args": arguments}
        yield function["name"], arguments, str(call.get("id"))


def _time(message: Mapping[str, Any], where: str) -> int:
    given = message.get("timestamp", message.get("created_at"))
    if given is None:
        return 0
    if isinstance(given, int | float) and not isinstance(given, bool):
        return int(given * _SECOND)
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        raise TraceError(f"{where}: {given!r} is no time; give seconds or RFC 3339") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * _SECOND)


def is_surface(kind: str) -> bool:
    """Whether a step of this kind was decided about."""
    return kind in _SURFACES
