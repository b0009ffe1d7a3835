"""One request to the server: what is known about it between the client and the transport."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rune_core.adapters.walk import Check, Stopped, Walk
from rune_openai.answer import Answer, over_answer
from rune_openai.chat_stream import ChatStream
from rune_openai.refusal import refusal
from rune_openai.response_stream import ResponseStream
from rune_openai.sse import EventReader, written
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.session.session import Session
    from rune_openai.guard import Guard
    from rune_openai.sse import Event

_JSON_FORMATS = frozenset(("json_schema", "json_object"))


@dataclass
class Call:
    """One request.

    Attributes:
        guard: Guards it.
        session: The run it belongs to.
        path: Where it goes.
        body: What is sent.
        said: Stands for what it tells the model, see ``Conversation``.
        managed: True when a guarded client made the request: it raises what is stopped, where the
            transport would have it retried.
        refused: Why it may not be sent, when it is answered here.
        stopped: What stopped its answer.
    """

    guard: Guard
    session: Session
    path: str = ""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    said: bytes = b""
    managed: bool = False
    refused: Stopped | None = None
    stopped: Stopped | None = None

    @property
    def is_json(self) -> bool:
        """True when the answer's text is to be JSON."""
        text = self.body.get("text")
        wanted = (
            self.body.get("response_format"),
            text.get("format") if isinstance(text, Mapping) else None,
        )
        return any(isinstance(w, Mapping) and w.get("type") in _JSON_FORMATS for w in wanted)

    def answer(self) -> Answer:
        """What is known about the answer before it comes."""
        is_json = self.is_json
        return Answer(
            gate=lambda: self.guard.gate(Surface.OUTPUT, self.session, whole=is_json),
            raises=self.guard.raises,
            is_json=is_json,
            spend=self.session.add_tokens,
        )

    def belongs(self, answer: Answer) -> None:
        """Let later requests that name this answer find its session."""
        self.guard.belongs(answer.ids, self.session, self.said)

    def refusal(self, stop: Stopped) -> bytes | Any:
        """The answer in place of the server's."""
        return refusal(self.path, self.body, stop, is_json=self.is_json)

    # -- what the server says

    def over_json(self, content: bytes) -> Walk[bytes]:
        """Check a body of JSON.

        Returns:
            The body to hand on; the very bytes where nothing changed.

        Raises:
            Stopped: It may not pass.
        """
        try:
            body = json.loads(content)
        except ValueError:
            return content
        answer = self.answer()
        used = yield from over_answer(body, answer)
        self.belongs(answer)
        return content if used is body else _dumped(used)

    def over_text(self, content: bytes) -> Walk[bytes]:
        """Check a body of plain text. See ``over_json``."""
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return content
        if not text.strip():
            return content
        ruling = yield Check(Surface.OUTPUT, text)
        if ruling.stopped and self.guard.raises:
            raise Stopped(ruling.result, ruling.value)
        return str(ruling.value).encode() if ruling.changed else content


current_call: ContextVar[Call | None] = ContextVar("rune_openai_call", default=None)
"""The request that a guarded client is making in this context."""


class EventFlow:
    """Guards the event stream of one answer: bytes in, bytes out."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._answer = call.answer()
        self._reader = EventReader()
        self._chat: ChatStream | None = None
        self._response: ResponseStream | None = None
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Walk[bytes]]:
        """Take bytes from the server.

        Returns:
            A walk for each event, to be taken one after the other, with the bytes to hand on.
            Each may raise Stopped: the answer ends there.
        """
        return map(self._over, self._reader.feed(data))

    def finish(self) -> Iterator[Walk[bytes]]:
        """Say that the server has ended. See ``feed``."""
        yield from map(self._over, self._reader.finish())
        yield self._end()

    def broken(self) -> Iterator[Walk[bytes]]:
        """Say that the connection broke: what came whole is handed on. See ``feed``."""
        yield self._end()

    def _over(self, event: Event) -> Walk[bytes]:
        before = (yield from self._end()) if event.ends else b""
        return before + (yield from self._one(event))

    def _one(self, event: Event) -> Walk[bytes]:
        data = event.json()
        if not isinstance(data, Mapping):
            return event.raw
        if isinstance(data.get("choices"), list):
            self._chat = self._chat or ChatStream(self._answer)
            walk = self._chat.over(data)
        elif isinstance(data.get("type"), str):
            self._response = self._response or ResponseStream(self._answer)
            walk = self._response.over(data)
        else:
            return event.raw
        used = yield from walk
        return b"".join(
            event.raw if one is data else written(_name(event, one), one) for one in used
        )

    def _end(self) -> Walk[bytes]:
        if self._ended:
            return b""
        self._ended = True
        sent: list[bytes] = []
        if self._chat is not None:
            sent += [written("", chunk) for chunk in (yield from self._chat.end())]
        if self._response is not None:
            sent += [written(one["type"], one) for one in (yield from self._response.end())]
        self._call.belongs(self._answer)
        return b"".join(sent)


def _name(event: Event, data: Mapping[str, Any]) -> str:
    return str(data.get("type") or event.name) if event.name else ""


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
