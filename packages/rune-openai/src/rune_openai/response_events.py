"""What an event of a streamed response is about, and events in place of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Event: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[Any, str, Any]


def identity_of(item: Event, place: Any) -> tuple[Any, ...]:
    """What an item is known by: some servers number items otherwise than they list them."""
    ids = item.get("id"), item.get("call_id")
    return (item.get("type"), *ids) if any(ids) else (item.get("type"), place)


def place_of(event: Event) -> Any:
    """Which item an event is about. Turns of an agent session number theirs from zero again."""
    place = event.get("output_index", event.get("item_id"))
    turn = event.get("turn_id")
    return place if turn is None else (turn, place)


def key_of(event: Event) -> Key:
    """Which text of the answer an event is about."""
    kind = str(event.get("type"))
    place = place_of(event)
    if "summary" in kind:
        return place, "summary", event.get("summary_index", 0)
    if "arguments" in kind:
        return place, "arguments", None
    if "code_interpreter" in kind:
        return place, "code", None
    return place, "content", event.get("content_index", 0)


def delta_of(template: Event, text: str) -> Event:
    """The event that tells a piece of text."""
    made = {**template, "delta": text}
    if made.get("logprobs"):
        made["logprobs"] = []
    return made


def refusal_delta_of(template: Event, text: str) -> Event:
    """The event that tells a refusal in place of a text."""
    made = {name: value for name, value in template.items() if name != "logprobs"}
    return {**made, "type": "response.refusal.delta", "delta": text}


def refusal_done_of(event: Event, text: str) -> Event:
    """The event that ends a refusal in place of one that ends a text."""
    made = {name: value for name, value in event.items() if name not in ("text", "logprobs")}
    return {**made, "type": "response.refusal.done", "refusal": text}


def message_events(added: Event, item: Event) -> list[Event]:
    """The events of a short message, in place of those of a call."""
    place = {"output_index": added.get("output_index"), "sequence_number": 0}
    part = item["content"][0]
    here = {**place, "item_id": item["id"], "content_index": 0}
    if part["type"] == "refusal":
        said = [refusal_delta_of(here, part["refusal"]), refusal_done_of(here, part["refusal"])]
        empty = {**part, "refusal": ""}
    else:
        told = {**here, "logprobs": []}
        said = [
            {**told, "type": "response.output_text.delta", "delta": part["text"]},
            {**told, "type": "response.output_text.done", "text": part["text"]},
        ]
        empty = {**part, "text": ""}
    return [
        {
            **place,
            "type": "response.output_item.added",
            "item": {**item, "status": "in_progress", "content": []},
        },
        {**here, "type": "response.content_part.added", "part": empty},
        *said,
        {**here, "type": "response.content_part.done", "part": part},
        {**place, "type": "response.output_item.done", "item": item},
    ]
