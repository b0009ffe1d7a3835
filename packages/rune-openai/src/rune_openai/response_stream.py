"""Walk through the events of a streamed response.

Text goes through a gate per part; its ``done`` events and the snapshots in later events are
rewritten to what was released. The events of a tool call are held until the call is complete,
then checked and sent, or replaced by a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rune_core.adapters.walk import Check, Feed, Ruling, Stopped, Walk
from rune_openai.answer import CALLS, over_item
from rune_openai.ids import answer_id
from rune_openai.response_events import (
    delta_of,
    identity_of,
    key_of,
    message_events,
    place_of,
    refusal_delta_of,
    refusal_done_of,
)
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.gate import StreamGate
    from rune_openai.answer import Answer
    from rune_openai.response_events import Event, Key

_WHOLE = ("text", "refusal", "transcript", "code", "arguments", "input")
_LAST = ("response.completed", "response.failed", "response.incomplete")
_SESSION_ITEM = "agent.session.turn.item."
_TURN_ENDS = tuple(f"agent.session.turn.{end}" for end in ("completed", "failed", "cancelled"))
_NO_LANGUAGE = ("audio.delta", "partial_image", "audio_delta")


@dataclass
class _Text:
    """One text of the answer: its gate, and what was released of it.

    ``refused`` says that a refusal stands in its place: a sentence is no JSON.
    """

    gate: StreamGate
    template: Event = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    finished: bool = False
    refused: bool = False


class ResponseStream:
    """Guards the events of one answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._texts: dict[Key, _Text] = {}
        self._parts: dict[Key, Event] = {}
        self._held: dict[Any, list[Event]] = {}
        self._items: dict[Any, list[tuple[Event, Any]]] = {}
        self._session_calls: dict[Any, tuple[Event, Event]] = {}
        self._number: int | None = None

    @property
    def holding(self) -> bool:
        """True while events of a call, or of a part whose text is awaited, are held back."""
        return bool(self._held or self._parts)

    def over(self, event: Event) -> Walk[list[Event]]:
        """Check an event.

        Returns:
            The events to send instead; the very object where nothing changed.

        Raises:
            Stopped: Something in it may not pass, and that ends the answer.
        """
        return self._numbered((yield from self._over(event)), event)

    def end(self) -> Walk[list[Event]]:
        """Release what is left when the stream breaks off."""
        return self._numbered((yield from self._rest()), {})

    def _rest(self) -> Walk[list[Event]]:
        """What is left of the texts, and the announcements of calls that came to no end."""
        sent: list[Event] = []
        for key, text in self._texts.items():
            sent += yield from self._finish(key, text)
        sent += self._parts.values()
        self._parts.clear()
        for place in list(self._held):
            sent += yield from self._unfinished(self._held.pop(place))
        return sent

    def _over(self, event: Event) -> Walk[list[Event]]:
        kind = event.get("type")
        if not isinstance(kind, str):
            return [event]
        place = event.get("output_index")
        item = event.get("item")
        if kind.startswith(_SESSION_ITEM) and isinstance(item, Mapping):
            return (yield from self._over_session_item(event, item))
        if kind in _TURN_ENDS:
            return [*(yield from self._turn_ended(event)), event]
        if place in self._held:
            return (yield from self._over_call(place, event))
        if kind.endswith("output_item.added") and isinstance(item, Mapping):
            if item.get("type") in CALLS:
                self._held[place] = [event]
                return []
            return [event]
        if kind.endswith("content_part.added") and self._may_refuse(event.get("part")):
            self._parts[key_of(event)] = event
            return []
        if kind.endswith(".delta") and isinstance(event.get("delta"), str):
            if any(name in kind for name in _NO_LANGUAGE):
                return [event]
            return (yield from self._over_delta(event))
        if kind.endswith(".done"):
            return (yield from self._over_done(event))
        response = event.get("response")
        if isinstance(response, Mapping):
            self._answer.used(response.get("usage"))
        sent = (yield from self._rest()) if kind in _LAST else []
        if isinstance(response, Mapping) and isinstance(response.get("output"), list):
            event = yield from self._over_snapshot(event, response)
        return [*sent, event]

    # -- texts

    def _over_delta(self, event: Event) -> Walk[list[Event]]:
        key = key_of(event)
        text = self._texts.get(key)
        if text is None or text.finished:
            text = self._texts[key] = _Text(self._answer.gate())
        text.template = event
        released = yield from self._fed(text, event["delta"])
        if not released:
            return []
        told = event if released == event["delta"] else delta_of(event, released)
        return [*self._begun(key, refused=text.refused), self._piece(text, told)]

    def _fed(self, text: _Text, delta: str | None) -> Walk[str]:
        was_stopped = text.gate.stopped
        released: str = yield Feed(text.gate, delta)
        if text.gate.stopped and not was_stopped:
            assert text.gate.result is not None
            released = self._answer.stop(Stopped(text.gate.result, released))
            refusable = self._may_refuse({"type": _part_type(text.template)})
            text.refused = refusable and not text.released
        if released:
            text.released.append(released)
        return released

    def _finish(self, key: Key, text: _Text) -> Walk[list[Event]]:
        if text.finished:
            return []
        text.finished = True
        rest = yield from self._fed(text, None)
        begun = self._begun(key, refused=text.refused)
        return [*begun, self._piece(text, delta_of(text.template, rest))] if rest else begun

    def _may_refuse(self, part: Any) -> bool:
        """Whether a refusal may have to take the place of a part of a message."""
        return (
            self._answer.is_json and isinstance(part, Mapping) and part.get("type") == "output_text"
        )

    def _begun(self, key: Key, *, refused: bool = False) -> list[Event]:
        """The event that begins a part, where it was held until its text was known."""
        added = self._parts.pop(key, None)
        if added is None:
            return []
        if refused:
            return [{**added, "part": {"type": "refusal", "refusal": ""}}]
        return [added]

    @staticmethod
    def _piece(text: _Text, told: Event) -> Event:
        return refusal_delta_of(told, told["delta"]) if text.refused else told

    def _over_done(self, event: Event) -> Walk[list[Event]]:
        sent: list[Event] = []
        place = place_of(event)
        item, part = event.get("item"), event.get("part")
        if isinstance(item, Mapping):
            for key, text in self._texts.items():
                if key[0] == place:
                    sent += yield from self._finish(key, text)
            for key in [key for key in self._parts if key[0] == place]:
                sent += self._begun(key)
            used = yield from self._over_item(place, item)
            self._ended(item, place, used)
            return [*sent, event if used is item else {**event, "item": used}]
        key = key_of(event)
        known = self._texts.get(key)
        if known is not None:
            sent += yield from self._finish(key, known)
        if isinstance(part, Mapping):
            used = yield from self._over_part(key, part)
            sent += self._begun(key, refused=used.get("type") == "refusal")
            return [*sent, event if used is part else {**event, "part": used}]
        for name in _WHOLE:
            if isinstance(event.get(name), str):
                value, stopped = yield from self._shown(key, event[name])
                if stopped and self._may_refuse({"type": _part_type(event)}):
                    return [*sent, *self._begun(key, refused=True), refusal_done_of(event, value)]
                if value != event[name]:
                    event = {**event, name: value}
                    if event.get("logprobs"):
                        event = {**event, "logprobs": []}
        return [*sent, *self._begun(key), event]

    def _ended(self, item: Event, place: Any, used: Any) -> None:
        self._items.setdefault(identity_of(item, place), []).append((item, used))

    def _over_part(self, key: Key, part: Event) -> Walk[Event]:
        for name in ("text", "refusal", "transcript"):
            if isinstance(part.get(name), str):
                value, stopped = yield from self._shown(key, part[name])
                if stopped and self._may_refuse(part):
                    return {"type": "refusal", "refusal": value}
                if value != part[name]:
                    part = {**part, name: value}
                    if part.get("logprobs"):
                        part = {**part, "logprobs": []}
        return part

    def _over_item(self, place: Any, item: Event) -> Walk[Any]:
        """Rewrite an item to what was released of it; check what was never streamed."""
        self._answer.ids += [item.get("id"), item.get("call_id")]
        if item.get("type") in CALLS or not any(key[0] == place for key in self._texts):
            return (yield from over_item(item, self._answer))
        for group in ("content", "summary"):
            if isinstance(item.get(group), list):
                parts = []
                for index, part in enumerate(item[group]):
                    if isinstance(part, Mapping):
                        part = yield from self._over_part(  # noqa: PLW2901
                            (place, group, index), part
                        )
                    parts.append(part)
                if any(a is not b for a, b in zip(parts, item[group], strict=True)):
                    item = {**item, group: parts}
        for name in ("code", "arguments"):
            known = self._texts.get((place, name, None))
            if isinstance(item.get(name), str) and known is not None:
                item = {**item, name: "".join(known.released)}
        if item.get("type") == "message":
            self._answer.ids.append(answer_id(item.get("content")))
        return item

    def _over_snapshot(self, event: Event, response: Event) -> Walk[Event]:
        self._answer.ids.append(response.get("id"))
        items = []
        met: Counter[tuple[Any, ...]] = Counter()
        for place, item in enumerate(response["output"]):
            if not isinstance(item, Mapping):
                items.append(item)
                continue
            identity = identity_of(item, place)
            ended = self._items.get(identity)
            if ended is None:
                items.append((yield from self._over_item(place, item)))
                continue
            # Models give two calls one id.
            told, used = ended[min(met[identity], len(ended) - 1)]
            met[identity] += 1
            # Servers may say something else in the end than they said on the way.
            items.append(used if item == told else (yield from over_item(item, self._answer)))
        if items == response["output"]:
            return event
        return {**event, "response": {**response, "output": items}}

    def _shown(self, key: Key, text: str) -> Walk[tuple[str, bool]]:
        """What is shown of a text that is told once more, or whole, and whether it is a refusal."""
        known = self._texts.get(key)
        if known is not None:
            return "".join(known.released), known.refused
        if not text.strip():
            return text, False
        ruling: Ruling = yield Check(Surface.OUTPUT, text)
        if ruling.stopped:
            assert ruling.result is not None
            return self._answer.stop(Stopped(ruling.result, ruling.value)), True
        return str(ruling.value), False

    # -- calls

    def _unfinished(self, held: list[Event]) -> Walk[list[Event]]:
        """The events of a call that the server never ended, if the part that came may pass.

        Without them the client would take the answer for whole.
        """
        item = held[0]["item"]
        name = next((key for key in ("arguments", "input") if key in item), None)
        if name is None:
            return []
        deltas = [one["delta"] for one in held if isinstance(one.get("delta"), str)]
        told = next((one[name] for one in held if isinstance(one.get(name), str)), None)
        part = "".join([item[name] or "", *deltas]) if told is None else told
        whole = {**item, name: part}
        used = yield from over_item(whole, self._answer)
        if used is whole:
            return held
        if used.get("type") == "message":
            return message_events(held[0], used)
        return [{**held[0], "item": used}]

    def _over_session_item(self, event: Event, item: Event) -> Walk[list[Event]]:
        """Check an item of an agent session, whose calls are whole when they are announced."""
        if item.get("type") not in CALLS:
            if str(event.get("type")).endswith(".done"):
                return (yield from self._over_done(event))
            return [event]
        ident = (event.get("turn_id"), item.get("id"))
        told = {key: value for key, value in item.items() if key != "status"}
        known = self._session_calls.get(ident)
        if known is None or known[0] != told:
            used = yield from over_item(told, self._answer)
            known = self._session_calls[ident] = (told, used)
        used = known[1]
        if used is told:
            return [event]
        same = {**item, **used} if used.get("type") == item.get("type") else used
        return [{**event, "item": same}]

    def _turn_ended(self, event: Event) -> Walk[list[Event]]:
        """Release what is left of a turn, and forget it: a session may last for days."""
        turn = event.get("turn")
        ident = event.get("turn_id") or (turn.get("id") if isinstance(turn, Mapping) else None)
        sent: list[Event] = []
        for key, text in list(self._texts.items()):
            if isinstance(key[0], tuple) and key[0][0] == ident:
                sent += yield from self._finish(key, text)
                del self._texts[key]
        for known in [known for known in self._session_calls if known[0] == ident]:
            del self._session_calls[known]
        self._items.clear()  # no event of a session lists the items of a turn
        return sent

    def _over_call(self, place: Any, event: Event) -> Walk[list[Event]]:
        self._held[place].append(event)
        if not str(event.get("type")).endswith("output_item.done"):
            return []
        held = self._held.pop(place)
        item = event["item"]
        used = yield from over_item(item, self._answer)
        self._ended(item, place, used)
        if used is item:
            return held
        if used.get("type") == "message":
            return message_events(held[0], used)
        name = "arguments" if "arguments" in used else "input"
        sent: list[Event] = []
        for one in held:
            kind = str(one.get("type"))
            if kind.endswith(".delta"):
                if any(str(before.get("type")).endswith(".delta") for before in sent):
                    continue
                sent.append({**one, "delta": used[name]})
            elif one is event:
                sent.append({**one, "item": used})
            else:
                sent.append({**one, name: used[name]} if name in one else one)
        return sent

    def _numbered(self, events: list[Event], source: Event) -> list[Event]:
        """Number events without gaps, as the server does."""
        first = source.get("sequence_number")
        if self._number is None:
            if not isinstance(first, int):
                return events
            self._number = first
        numbered: list[Event] = []
        for event in events:
            if event.get("sequence_number") != self._number and "sequence_number" in event:
                event = {**event, "sequence_number": self._number}  # noqa: PLW2901
            self._number += 1
            numbered.append(event)
        return numbered


def _part_type(event: Event) -> str:
    """The type of the part that an event tells a text of."""
    return str(event.get("type")).removeprefix("response.").rpartition(".")[0]
