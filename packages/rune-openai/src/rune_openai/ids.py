"""Ids by which an earlier call of the same run can be recognised.

Some servers number the calls of every answer alike, so that an id alone does not tell apart runs
that go on at the same time. Together with what was said before, it does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from rune_core.ids import cache_hash

_TELLING = 40  # shorter answers ("Yes.") are given in many conversations


class Conversation:
    """What a request tells of its run, read once from the first message to the last.

    Args:
        given: The body of a request, messages or input items, or a text.
    """

    def __init__(self, given: Any) -> None:
        self._body = given if isinstance(given, Mapping) else {}
        if isinstance(given, Mapping):
            given = given.get("messages") or given.get("input")
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        items = given if isinstance(given, list) else []
        self._items = [item for item in items if isinstance(item, Mapping)]
        # What is not told to the model, with a hash of all that was told before.
        self._placed: list[tuple[Mapping[str, Any], hashlib.blake2b]] = []
        said = cache_hash()
        for item in self._items:
            told = _told(item)
            if told is None:
                self._placed.append((item, said.copy()))
            else:
                data = told.encode("utf-8", "surrogatepass")
                said.update(b"%d:" % len(data) + data)
        self.said = said.digest()
        """Stands for what the model is told: by users and by tools, not by system prompts or
        itself."""

    def ids(self, run: Collection[str] = ()) -> Iterator[str | None]:
        """Ids by which the run may be known: the most telling first, newest first.

        Args:
            run: What stands for the run, where the framework tells.
        """
        yield self._body.get("previous_response_id")
        conversation = self._body.get("conversation")
        yield conversation.get("id") if isinstance(conversation, Mapping) else conversation
        if run:
            for item in reversed(self._items):
                yield from (id_in_run(known, mark) for known in _ids_in(item) for mark in run)
        for item, said in reversed(self._placed):
            digest = said.digest()
            yield from (placed_id(known, digest) for known in _ids_in(item))
        for item in reversed(self._items):
            yield from _ids_in(item)


def placed_id(known: str, said: bytes) -> str:
    """An id in the answer to what was said."""
    return f"{said.hex()}:{known}"


def id_in_run(known: str, mark: str) -> str:
    """An id in an answer that was given in a run."""
    return f"{mark}:{known}"


def answer_id(content: Any) -> str | None:
    """Stands for the text of an answer, where a conversation carries no ids."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str) or len(content) < _TELLING:
        return None
    return f"text:{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _ids_in(item: Mapping[str, Any]) -> Iterator[str]:
    found = [item.get("call_id"), item.get("tool_call_id")]
    if item.get("type") != "item_reference":
        found.append(item.get("id"))
    found += [call.get("id") for call in item.get("tool_calls") or () if isinstance(call, Mapping)]
    if item.get("role") == "assistant" and item.get("content"):
        found.append(answer_id(item["content"]))
    return (known for known in found if isinstance(known, str))


def _told(item: Mapping[str, Any]) -> str | None:
    """What an item tells the model; None for system prompts and its own words."""
    role = item.get("role")
    if role in ("user", "tool", "function"):
        return f"{role} {_text(item.get('content'))}"
    if role is None and str(item.get("type")).endswith("_output"):
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
