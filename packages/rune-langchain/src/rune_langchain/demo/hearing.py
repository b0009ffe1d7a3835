"""What the scripted model hears: the request it got, and the orders in the texts it was given.

The model is as gullible as models are. It does what a text tells it to do when the text speaks to
it, wherever the text came from: hidden in HTML, encoded, or written into a tool's description. It
does not act on what is merely quoted.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from rune_langchain.calls import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from langchain_core.messages import BaseMessage

_SPEAKS_TO_THE_MODEL = re.compile(
    r"\b(?:ignore|disregard|forget)\b[^.\n]{0,60}\b(?:instructions?|rules|prompt)\b"
    r"|\byou are now\b|\b(?:assistants?|agents?|language model|AI)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”]*”|‘[^’]*’")
_PAY = re.compile(
    r"\b(?:transfer|wire|send|pay) (?P<amount>[\d,]+(?:\.\d+)?) ?(?:EUR|euros?) to "
    r"(?P<iban>[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){2,8})"
)
_TELL = re.compile(
    r"\btell the user to (?P<what>[^.\n]{3,60}?) at (?P<url>https?://[^\s<>\"']+)", re.IGNORECASE
)
_DECODE = re.compile(r"\bdecode\b", re.IGNORECASE)
_BASE64 = re.compile(r"\b[A-Za-z0-9+/]{24,}={0,2}")
_READ_AND_PASS = re.compile(
    r"\bread the file (?P<path>\S+) and pass its content as (?P<argument>\w+)", re.IGNORECASE
)
_END_WITH_IMAGE = re.compile(
    r"\bends? with the image (?P<url>https?://\S+?),? whose parameter (?P<parameter>\w+) "
    r"holds the (?P<fact>[\w ]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that was made, or is to be made."""

    tool: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """A tool call and what came back."""

    call: Call
    text: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """All that reached the model in one call.

    Attributes:
        system: The system prompt.
        request: The user's last message.
        results: Calls since then, with their results.
        tools: Every text of each tool's definition, by tool name.
    """

    system: str
    request: str
    results: tuple[Result, ...]
    tools: dict[str, str]

    @classmethod
    def from_messages(
        cls, messages: Sequence[BaseMessage], tools: Iterable[dict[str, Any]]
    ) -> Heard:
        """Read a model call's arguments; ``tools`` are definitions in OpenAI's format."""
        system = "\n".join(m.text for m in messages if isinstance(m, SystemMessage))
        last = max((i for i, m in enumerate(messages) if isinstance(m, HumanMessage)), default=-1)
        calls: dict[str, Call] = {}
        results: list[Result] = []
        for message in messages[last + 1 :]:
            if isinstance(message, AIMessage):
                for call in message.tool_calls:
                    calls[call["id"] or ""] = Call(call["name"], call["args"])
            elif isinstance(message, ToolMessage) and message.tool_call_id in calls:
                failed = message.status == "error"
                results.append(Result(calls[message.tool_call_id], message.text, failed))
        definitions = {
            tool["function"]["name"]: " ".join(_texts(tool["function"])) for tool in tools
        }
        request = messages[last].text if last >= 0 else ""
        return cls(system, request, tuple(results), definitions)

    def result(self, call: Call) -> Result | None:
        """What came back from this very call, if it was made.

        Of a call that was stopped, the model reads in its own message only that it was.
        """
        return next(
            (
                result
                for result in self.results
                if result.call == call
                or (result.call.tool == call.tool and MARK in result.call.args)
            ),
            None,
        )

    def orders(self) -> list[Call]:
        """Calls that a text other than the system prompt orders, in the order of the texts."""
        found = []
        for text in self._addressed():
            for match in _PAY.finditer(text):
                amount = float(match["amount"].replace(",", ""))
                found.append(Call("send_payment", {"recipient": match["iban"], "amount": amount}))
        return found

    def messages_to_pass_on(self) -> list[str]:
        """What a text other than the system prompt wants the user to be told."""
        return [
            f"Please {match['what']} at {match['url']}"
            for text in self._addressed()
            for match in _TELL.finditer(text)
        ]

    def _addressed(self) -> Iterator[str]:
        """The texts that speak to the model, and what is encoded in them."""
        for heard in (self.request, *(r.text for r in self.results), *self.tools.values()):
            yield from _speaking(heard)

    def extra_argument(self, tool: str) -> tuple[str, str] | None:
        """A file that the tool's definition wants read and passed, as (path, argument)."""
        match = _READ_AND_PASS.search(self.tools.get(tool, ""))
        return (match["path"], match["argument"]) if match else None


@dataclass(frozen=True, slots=True)
class ClosingImage:
    """An image that a text wants at the end of the answer, with a fact in its address."""

    url: str
    parameter: str
    fact: str


def closing_image(text: str) -> ClosingImage | None:
    """The image that ``text`` wants at the end of the answer."""
    match = _END_WITH_IMAGE.search(text)
    return ClosingImage(match["url"], match["parameter"], match["fact"].strip()) if match else None


def _speaking(text: str) -> Iterator[str]:
    text = _QUOTED.sub("", text)
    if not _SPEAKS_TO_THE_MODEL.search(text):
        return
    yield text
    if _DECODE.search(text):
        for match in _BASE64.finditer(text):
            yield from _speaking(_decoded(match[0]))


def _decoded(blob: str) -> str:
    try:
        return base64.b64decode(blob, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield json.dumps(value)
