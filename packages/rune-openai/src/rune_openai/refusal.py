"""Answers made here, in place of those to requests that may not be sent. In the server's words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rune_openai.answer import refusal_part
from rune_openai.response_events import message_events
from rune_openai.sse import written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_core.adapters.walk import Stopped


def answerable(path: str) -> bool:
    """Whether a request to this path can be answered with a sentence."""
    return path.rstrip("/").endswith(("/completions", "/responses"))


def refusal(path: str, body: Mapping[str, Any], stop: Stopped, *, is_json: bool) -> bytes | Any:
    """The body of an answer: JSON, or the bytes of an event stream where that was asked for."""
    ident = f"rune-{stop.result.decision.id}"
    model = body.get("model") or "rune"
    if path.rstrip("/").endswith("/responses"):
        made = _response(ident, model, refusal_part(stop.neutral, is_json=is_json))
        return _response_events(made) if body.get("stream") else made
    if path.rstrip("/").endswith("/chat/completions"):
        if body.get("stream"):
            return _chat_events(ident, model, {"refusal" if is_json else "content": stop.neutral})
        message = {
            "role": "assistant",
            "content": None if is_json else stop.neutral,
            "refusal": stop.neutral if is_json else None,
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {**_head(f"chatcmpl-{ident}", "chat.completion", model), "choices": [choice]}
    choice = {"index": 0, "text": stop.neutral, "logprobs": None, "finish_reason": "stop"}
    made = {**_head(f"cmpl-{ident}", "text_completion", model), "choices": [choice]}
    return written("", made) + b"data: [DONE]\n\n" if body.get("stream") else made


def _head(ident: str, kind: str, model: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    return {
        "id": ident,
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "usage": usage,
    }


def _chat_events(ident: str, model: Any, told: dict[str, str]) -> bytes:
    head = {**_head(f"chatcmpl-{ident}", "chat.completion.chunk", model), "usage": None}
    said = {"index": 0, "delta": {"role": "assistant", **told}, "finish_reason": None}
    done: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunks = [{**head, "choices": [said]}, {**head, "choices": [done]}]
    return b"".join(written("", chunk) for chunk in chunks) + b"data: [DONE]\n\n"


def _response(ident: str, model: Any, part: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"resp_{ident}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [
            {
                "id": f"msg_{ident}",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        ],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
    }


def response_to(stop: Stopped, *, is_json: bool) -> dict[str, Any]:
    """A whole response in place of one that may not be asked for or given."""
    part = refusal_part(stop.neutral, is_json=is_json)
    return _response(f"rune-{stop.result.decision.id}", "rune", part)


def response_events(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a response that is one short message."""
    begun = {**made, "status": "in_progress", "output": [], "usage": None}
    events: list[Mapping[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *message_events({"output_index": 0}, made["output"][0]),
        {"type": "response.completed", "response": made},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _response_events(made: dict[str, Any]) -> bytes:
    return b"".join(written(event["type"], event) for event in response_events(made))
