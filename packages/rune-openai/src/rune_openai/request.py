"""Walk through what is about to be sent: messages, input items, tool definitions, texts to embed.

Works on plain JSON values, as the client sends them. Values with nothing to cut come back as the
very objects that were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rune_core.adapters.walk import Check, Ruling, Stopped, Walk, each, must_pass
from rune_core.tool_pins import definition_hash
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections import Counter

TEXT_PARTS = frozenset(("text", "input_text", "output_text", "refusal", "summary_text"))
_RESULTS = frozenset(
    (
        "function_call_output",
        "custom_tool_call_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
        "computer_call_output",
        "mcp_call",
    )
)
_LABELS = frozenset(("type", "name", "strict", "defer_loading"))


def over_request(body: Any, url: str, passed: Counter[str]) -> Walk[Any]:
    """Check a request's body.

    Args:
        body: The JSON to send.
        url: Where it goes, to tell endpoints with equal keys apart.
        passed: Counts what cannot be read.

    Returns:
        The body to send.

    Raises:
        Stopped: What the user asks may not be sent.
    """
    path = url.split("?", maxsplit=1)[0].rstrip("/")
    if not isinstance(body, Mapping) or path.endswith("/moderations"):
        return body
    changed: dict[str, Any] = {}
    for key in ("tools", "functions"):
        if isinstance(body.get(key), list) and body[key]:
            kept = yield from over_definitions(body[key])
            changed.update(_with_definitions(body, key, kept))
    messages = body.get("messages")
    if isinstance(messages, list):
        changed["messages"] = yield from over_messages(messages, passed)
    given = body.get("input")
    if path.endswith("/embeddings"):
        changed["input"] = yield from _over_texts(given, Surface.DOCUMENT)
    elif given is not None:
        changed["input"] = yield from over_input(given, passed)
    prompt = body.get("prompt")
    if isinstance(prompt, Mapping):
        variables = yield from each(
            _over_content(value, Surface.INPUT, None, passed)
            for value in (prompt.get("variables") or {}).values()
        )
        if prompt.get("variables"):
            changed["prompt"] = {
                **prompt,
                "variables": dict(zip(prompt["variables"], variables, strict=True)),
            }
    elif prompt is not None:
        changed["prompt"] = yield from _over_texts(prompt, Surface.INPUT)
    if "/threads" in path and "content" in body:
        changed["content"] = yield from _over_content(body["content"], Surface.INPUT, None, passed)
    if path.endswith("/items") and isinstance(body.get("items"), list):
        changed["items"] = yield from over_items(body["items"], passed)
    if "/agents/sessions/" in path and isinstance(body.get("events"), list):
        changed["events"] = yield from _over_session_events(body["events"], passed)
    if all(changed[key] is body.get(key) for key in changed):
        return body
    return {key: value for key, value in {**body, **changed}.items() if value is not _GONE}


_GONE = object()


def _with_definitions(body: Mapping[str, Any], key: str, kept: list[Any]) -> dict[str, Any]:
    """What changes with the definitions that are left. A choice of one that is gone goes too."""
    given = body[key]
    if len(given) == len(kept) and all(a is b for a, b in zip(given, kept, strict=True)):
        return {}
    changed: dict[str, Any] = {key: kept}
    if len(kept) < len(given):
        for name in ("tool_choice", "function_call"):
            if isinstance(body.get(name), Mapping) or (not kept and name in body):
                changed[name] = _GONE
    if not kept:
        changed[key] = _GONE
        if "parallel_tool_calls" in body:
            changed["parallel_tool_calls"] = _GONE
    return changed


def over_messages(messages: list[Any], passed: Counter[str]) -> Walk[list[Any]]:
    """Check a chat's messages.

    The developer's system prompt and the model's own words are not checked. Tool results and
    earlier user messages that may not pass are replaced by a neutral message, so that a stopped
    message in the history does not stop the conversation for ever.

    Raises:
        Stopped: The user's last message may not pass.
    """
    names = _tool_names(messages)
    last = max((i for i, m in enumerate(messages) if _role(m) == "user"), default=-1)
    kept: list[Any] = []
    for index, message in enumerate(messages):
        role = _role(message)
        if role == "user":
            surface, tool = Surface.INPUT, None
        elif role in ("tool", "function"):
            surface = Surface.TOOL_RESULT
            tool = message.get("name") or names.get(message.get("tool_call_id"))
        else:
            kept.append(message)
            continue
        kept.append(
            (yield from _over_field(message, "content", surface, tool, passed, index == last))
        )
    return _same(messages, kept)


def over_items(items: list[Any], passed: Counter[str]) -> Walk[list[Any]]:
    """Check the input items of a response. See ``over_messages``.

    Raises:
        Stopped: The user's last message may not pass.
    """
    names = {
        item["call_id"]: item["name"]
        for item in items
        if isinstance(item, Mapping) and item.get("call_id") and item.get("name")
    }
    last = max((i for i, m in enumerate(items) if _role(m) == "user"), default=-1)
    kept: list[Any] = []
    for index, item in enumerate(items):
        if _role(item) == "user":
            kept.append(
                (
                    yield from _over_field(
                        item, "content", Surface.INPUT, None, passed, index == last
                    )
                )
            )
        elif isinstance(item, Mapping) and item.get("type") in _RESULTS:
            tool = item.get("name") or names.get(item.get("call_id"))
            kept.append(
                (yield from _over_field(item, "output", Surface.TOOL_RESULT, tool, passed, False))
            )
        else:
            kept.append(item)
    return _same(items, kept)


def over_input(given: Any, passed: Counter[str]) -> Walk[Any]:
    """Check the input of a response: a text, or a list of items.

    Raises:
        Stopped: The user's last message may not pass.
    """
    if isinstance(given, list):
        return (yield from over_items(given, passed))
    return (yield from _over_texts(given, Surface.INPUT))


def _over_session_events(events: list[Any], passed: Counter[str]) -> Walk[list[Any]]:
    """Check what is sent into an agent session: messages, and results of tools.

    Raises:
        Stopped: The user's last message may not pass.
    """
    kept: list[Any] = []
    for event in events:
        used = event
        if isinstance(event, Mapping):
            if isinstance(event.get("input"), list):
                items = yield from over_items(event["input"], passed)
                used = event if items is event["input"] else {**event, "input": items}
            elif str(event.get("type")).endswith(".tool_result"):
                for name in ("output", "error"):
                    used = yield from _over_field(
                        used, name, Surface.TOOL_RESULT, None, passed, False
                    )
        kept.append(used)
    return _same(events, kept)


def over_definitions(tools: list[Any]) -> Walk[list[Any]]:
    """Check tool definitions. One that may not pass is left out; hosted tools have no words."""
    kept: list[Any] = []
    for tool in tools:
        check = check_definition(tool)
        if check is None:
            kept.append(tool)
            continue
        ruling: Ruling = yield check
        if not ruling.changed:
            kept.append(tool)
        elif ruling.stopped:
            continue
        elif isinstance(tool.get("function"), Mapping):
            kept.append({**tool, "function": {**tool["function"], **ruling.value}})
        else:
            kept.append({**tool, **ruling.value})
    return kept


def check_definition(tool: Any) -> Check | None:
    """The check of one definition: the part of it that a model reads; None without any."""
    if not isinstance(tool, Mapping):
        return None
    inner = tool.get("function")
    told = inner if isinstance(inner, Mapping) else tool
    shown = {key: value for key, value in told.items() if key not in _LABELS}
    if not shown or tool.get("type") == "mcp":
        # A server's address and key; what its tools say of themselves is never sent from here.
        return None
    name = told.get("name")
    return Check(
        Surface.TOOL_DEFINITION,
        shown,
        name if isinstance(name, str) else None,
        definition_hash=definition_hash(shown),
        remember=True,
    )


def _over_field(
    item: Mapping[str, Any],
    name: str,
    surface: Surface,
    tool: str | None,
    passed: Counter[str],
    raises: bool,
) -> Walk[Any]:
    try:
        content = yield from _over_content(item.get(name), surface, tool, passed)
    except Stopped as stop:
        if raises:
            raise
        content = stop.neutral
    return item if content is item.get(name) else {**item, name: content}


def _over_content(
    content: Any, surface: Surface, tool: str | None, passed: Counter[str]
) -> Walk[Any]:
    if isinstance(content, str):
        if not content.strip():
            return content
        return (yield from must_pass(Check(surface, content, tool, remember=True)))
    if isinstance(content, list):
        parts = yield from each(_over_content(part, surface, tool, passed) for part in content)
        return _same(content, parts)
    if isinstance(content, Mapping):
        for key in ("text", "refusal", "stdout", "stderr"):
            if isinstance(content.get(key), str):
                text = yield from _over_content(content[key], surface, tool, passed)
                content = content if text is content[key] else {**content, key: text}
        kind = content.get("type")
        if kind not in TEXT_PARTS and kind:
            passed[str(kind)] += 1
    return content


def _over_texts(value: Any, surface: Surface) -> Walk[Any]:
    """Check a text or a list of texts; lists of tokens cannot be read."""
    if isinstance(value, str):
        if not value.strip():
            return value
        ruling: Ruling = yield Check(surface, value, remember=True)
        if ruling.stopped:
            assert ruling.result is not None
            raise Stopped(ruling.result, ruling.value)
        return ruling.value
    if isinstance(value, list):
        return _same(value, (yield from each(_over_texts(item, surface) for item in value)))
    return value


def _role(message: Any) -> str | None:
    if not isinstance(message, Mapping):
        return None
    role = message.get("role")
    return role if isinstance(role, str) else None


def _tool_names(messages: list[Any]) -> dict[str, str]:
    names: dict[str, str] = {}
    for message in messages:
        if isinstance(message, Mapping):
            for call in message.get("tool_calls") or ():
                inner = call.get("function") or call.get("custom") or {}
                if call.get("id") and inner.get("name"):
                    names[call["id"]] = inner["name"]
    return names


def _same(before: list[Any], after: list[Any]) -> list[Any]:
    if all(old is new for old, new in zip(before, after, strict=True)):
        return before
    return after
