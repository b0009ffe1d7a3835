"""Ids by which an earlier call of the same run can be recognised.

Some servers number the calls of every answer alike, so that an id alone does not tell apart runs
that go on at the same time. Together with what was said before, it does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rune_core.ids import cache_digest

_TELLING = 40  # shorter answers ("Yes.") are given in many conversations
_START = b""


def ids_of(body: Any) -> Iterator[str | None]:
    """Ids in the body of a request, the most telling first."""
    if not isinstance(body, Mapping):
        return
    yield body.get("previous_response_id")
    conversation = body.get("conversation")
    yield conversation.get("id") if isinstance(conversation, Mapping) else conversation
    for key in ("messages", "input"):
        yield from ids_of_items(body.get(key))


def ids_of_items(items: Any) -> Iterator[str | None]:
    """Ids in messages or input items: those with what was said before them, then those alone.

    Each newest first.
    """
    if not isinstance(items, list):
        return
    alone: list[str] = []
    placed: list[str] = []
    said = _START
    for item in items:
        known, told = [one for one in _ids_in(item) if isinstance(one, str)], _told(item)
        alone += known
        if told is None:
            placed += (placed_id(one, said) for one in known)
        else:
            said = _link(said, told)
    yield from reversed(placed)
    yield from reversed(alone)


def said_in(given: Any) -> bytes:
    """Stands for what a model is told: by users and by tools, not by system prompts or itself.

    Args:
        given: The body of a request, messages or input items, or a text.
    """
    if isinstance(given, Mapping):
        given = given.get("messages") or given.get("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    said = _START
    for item in given if isinstance(given, list) else ():
        told = _told(item)
        if told is not None:
            said = _link(said, told)
    return said


def placed_id(known: str, said: bytes) -> str:
    """An id in the answer to what was said."""
    return f"{said.hex()}:{known}"


def answer_id(content: Any) -> str | None:
    """Stands for the text of an answer, where a conversation carries no ids."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str) or len(content) < _TELLING:
        return None
    return f"text:{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _ids_in(item: Any) -> Iterator[str | None]:
    if isinstance(item, Mapping):
        yield item.get("call_id")
        yield item.get("tool_call_id")
        yield item.get("id") if item.get("type") != "item_reference" else None
        for call in item.get("tool_calls") or ():
            if isinstance(call, Mapping):
                yield call.get("id")
        if item.get("role") == "assistant" and item.get("content"):
            yield answer_id(item["content"])


def _told(item: Any) -> str | None:
    """What an item tells the model; None for system prompts and its own words."""
    if not isinstance(item, Mapping):
        return None
    if item.get("role") in ("user", "tool", "function"):
        return f"{item['role']} {_text(item.get('content'))}"
    if str(item.get("type")).endswith("_output"):
        return f"tool {_text(item.get('output'))}"
    return None


def _text(content: Any) -> str:
    """The same for a text and for a list with that text in it."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(
            str(part["text"])
            if isinstance(part, Mapping) and part.get("text")
            else json.dumps(part, sort_keys=True, default=repr)
            for part in content
        )
    return json.dumps(content, sort_keys=True, default=repr)


def _link(before: bytes, told: str) -> bytes:
    return cache_digest(f"{before.hex()}\n{told}")
