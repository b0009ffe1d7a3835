"""Streams that break, that are announced otherwise than they end, and sessions of hosted agents."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import APITimeoutError, OpenAI

from rune_core import Shield
from rune_openai import OpenAIBlockedError, shield_client

if TYPE_CHECKING:
    from collections.abc import Iterator

HTTP: Any = importlib.import_module("httpx2" if hasattr(openai, "DefaultHttpx2Client") else "httpx")
KEY = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
POLICY = """
version: "1.0"
rules:
  - name: no-secrets-out
    scanner: secret_exposure
    surface: [output, tool_call, tool_result]
    threshold: 0.7
    action: redact
  - name: no-mail
    type: tool_denylist
    tools: [send_mail]
    action: block
"""


@pytest.fixture(scope="module")
def shield() -> Iterator[Shield]:
    with Shield(policy=POLICY, on_block="raise") as made:
        yield made


class Wire:
    """A server's end of the wire: sends these events, then breaks if it is told to."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.breaks: Exception | None = None
        self.asked: list[Any] = []

    def answer(self, request: Any) -> Any:
        self.asked.append(json.loads(request.content or b"null"))
        return HTTP.Response(
            200, headers={"content-type": "text/event-stream"}, content=self._body()
        )

    def _body(self) -> Iterator[bytes]:
        for event in self.events:
            yield b"data: " + json.dumps(event).encode() + b"\n\n"
        if self.breaks is not None:
            yield b'data: {"choices": [{"index": 0, "delta": {"content": "' + KEY.encode()
            raise self.breaks


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def client(wire: Wire, shield: Shield) -> Iterator[OpenAI]:
    http = HTTP.Client(transport=HTTP.MockTransport(wire.answer))
    with OpenAI(api_key="x", base_url="http://x/v1", http_client=http, max_retries=0) as plain:
        yield shield_client(plain, shield)


def said(text: str) -> dict[str, Any]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {**head, "choices": [choice]}


def hear(stream: Any, heard: list[str]) -> None:
    for chunk in stream:
        heard.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 - it may break


def test_what_came_whole_is_heard_when_the_connection_breaks(wire: Wire, client: OpenAI) -> None:
    # The last word may be the beginning of a secret, so it is held back when the wire breaks.
    wire.events = [said("Good morning, "), said("your key is sk_")]
    wire.breaks = HTTP.ReadTimeout("no more")
    heard: list[str] = []
    stream = client.chat.completions.create(model="m", messages=[], stream=True)
    with pytest.raises(APITimeoutError):
        hear(stream, heard)
    assert "".join(heard) == "Good morning, your key is sk_"


CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "look_up",
    "arguments": "",
    "status": "in_progress",
}


def begun(**item: Any) -> list[dict[str, Any]]:
    return [
        {"type": "response.created", "response": {"id": "r", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, **item}},
        {
            "type": "response.function_call_arguments.delta",
            "output_index": 0,
            "item_id": "fc_1",
            "delta": json.dumps({"key": KEY}),
        },
    ]


def test_what_came_of_a_call_that_is_never_ended_is_cut(wire: Wire, client: OpenAI) -> None:
    failed = {"id": "r", "status": "failed", "output": None}
    wire.events = [*begun(), {"type": "response.failed", "response": failed}]
    events = list(client.responses.create(model="m", input="x", stream=True))
    assert [event.type for event in events] == [
        "response.created",
        "response.output_item.added",
        "response.failed",
    ]
    assert KEY not in str(events)
    assert "SECRET" in events[1].item.arguments  # type: ignore[union-attr]


def test_a_harmless_call_that_is_never_ended_is_as_it_was(wire: Wire, client: OpenAI) -> None:
    created, added, delta = begun()
    failed = {"id": "r", "status": "failed", "output": None}
    last = {"type": "response.failed", "response": failed}
    wire.events = [created, added, {**delta, "delta": '{"key": "har'}, last]
    events = list(client.responses.create(model="m", input="x", stream=True))
    assert [event.to_dict() for event in events] == wire.events


def test_a_denied_call_that_is_never_ended_stops_the_answer(wire: Wire, client: OpenAI) -> None:
    wire.events = begun(name="send_mail")
    with pytest.raises(OpenAIBlockedError):
        list(client.responses.create(model="m", input="x", stream=True))


def test_calls_of_one_number_are_all_in_the_last_event(wire: Wire, client: OpenAI) -> None:
    calls = [{**CALL, "call_id": f"call_{n}", "arguments": f'{{"n": {n}}}'} for n in (1, 2)]
    wire.events = [{"type": "response.created", "response": {"id": "r", "output": []}}]
    for item in calls:
        added = {**item, "arguments": ""}
        wire.events += [
            {"type": "response.output_item.added", "output_index": 0, "item": added},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
        ]
    whole = {"id": "r", "status": "completed", "output": calls}
    wire.events.append({"type": "response.completed", "response": whole})
    *_, last = client.responses.create(model="m", input="x", stream=True)
    assert [item.arguments for item in last.response.output] == ['{"n": 1}', '{"n": 2}']  # type: ignore[union-attr]


def test_a_call_whose_beginning_was_never_announced_is_decided(wire: Wire, client: OpenAI) -> None:
    _created, _added, delta = begun()
    done = {**CALL, "name": "send_mail", "arguments": "{}"}
    wire.events = [
        delta,
        {"type": "response.output_item.done", "output_index": 0, "item": done},
    ]
    with pytest.raises(OpenAIBlockedError):
        list(client.responses.create(model="m", input="x", stream=True))


# -- sessions of hosted agents: their calls are made here, as soon as they are announced


def session_event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"agent.session.turn.{kind}", "event_id": kind, "session_id": "s", **fields}


def session_call(kind: str, **item: Any) -> dict[str, Any]:
    whole = {"turn_id": "t", **CALL, **item}
    return session_event(f"item.{kind}", turn_id="t", output_index=0, item=whole)


def test_calls_of_an_agent_session_are_cut(wire: Wire, client: OpenAI) -> None:
    told: Any
    for arguments in ({"key": KEY}, json.dumps({"key": KEY})):
        item = {"arguments": arguments, "id": str(type(arguments))}
        wire.events = [session_call("added", **item), session_call("done", **item)]
        path = "/agents/sessions/s/events"
        stream = client.get(path, cast_to=object, stream=True, stream_cls=openai.Stream[object])
        events = list(stream)
        assert len(events) == 2
        assert KEY not in str(events)
        for told in events:
            assert "SECRET" in str(told["item"]["arguments"])
            assert type(told["item"]["arguments"]) is type(arguments)
            assert told["item"]["status"] == "in_progress"


def test_calls_of_an_agent_session_are_stopped(wire: Wire, client: OpenAI) -> None:
    wire.events = [session_call("added", name="send_mail", arguments={})]
    path = "/agents/sessions/s/events"
    stream = client.get(path, cast_to=object, stream=True, stream_cls=openai.Stream[object])
    with pytest.raises(OpenAIBlockedError):
        list(stream)


def test_texts_of_every_turn_of_an_agent_session_are_cut(wire: Wire, client: OpenAI) -> None:
    for turn in ("t1", "t2"):
        here = {"turn_id": turn, "output_index": 0, "content_index": 0, "item_id": "m"}
        pieces = [f"The key of {turn} ", "is ", KEY[:9], KEY[9:], " and no other."]
        wire.events += [session_event("output_text.delta", **here, delta=one) for one in pieces]
        wire.events.append(session_event("output_text.done", **here, text="".join(pieces)))
        wire.events.append(session_event("completed", turn={"id": turn}))
    path = "/agents/sessions/s/events"
    stream = client.get(path, cast_to=object, stream=True, stream_cls=openai.Stream[object])
    told: Any = list(stream)
    assert KEY[9:] not in str(told)
    for turn in ("t1", "t2"):
        mine = [one for one in told if one.get("turn_id") == turn]
        whole = f"The key of {turn} is [SECRET] and no other."
        assert "".join(one.get("delta", "") for one in mine) == whole
        assert mine[-1]["text"] == whole


def test_results_sent_into_an_agent_session_are_checked(wire: Wire, client: OpenAI) -> None:
    result = {"type": "agent.session.input.tool_result", "call_id": "c", "output": f"It is {KEY}."}
    message = {"role": "user", "content": [{"type": "input_text", "text": "Go on."}]}
    talk = {"type": "agent.session.input.message", "input": [message]}
    path = "/agents/sessions/s/events"
    client.post(
        path,
        cast_to=object,
        body={"events": [result, talk]},
        stream=True,
        stream_cls=openai.Stream[object],
    ).close()
    (asked,) = wire.asked
    assert asked["events"] == [{**result, "output": "It is [SECRET]."}, talk]
