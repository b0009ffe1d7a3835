"""A judge for tests: a real HTTP server on this machine that speaks the protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from typing import Self

FakeAnswer: TypeAlias = "Mapping[str, Any] | str | bytes | int | None"
"""Changes to the usual answer (it is no attack); or the message as text; or the whole body as
bytes; or an HTTP status; or None to break the connection."""


class JudgeRequest:
    """One request that a fake judge got.

    Attributes:
        body: The JSON body.
        headers: The headers, names in lower case.
        prompt: The user message: what holds the evidence.
        mark: The mark that an answer must carry; empty when the request is not Rune's.
    """

    def __init__(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.body = body
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.prompt = str(body["messages"][-1]["content"])
        self.mark = self.prompt.partition("The mark of this question is ")[2][:32]

    @property
    def evidence(self) -> list[dict[str, str]]:
        """The evidence, one object a line."""
        lines = self.prompt.partition(f"<<<{self.mark}\n")[2].partition(f"\n{self.mark}>>>")[0]
        return [json.loads(line) for line in lines.split("\n")]

    @property
    def text(self) -> str:
        """The text, or the arguments of a call."""
        last = self.evidence[-1]
        return last.get("text", last.get("arguments", ""))


class FakeJudge:
    """A server that answers like an OpenAI-compatible API, on a free port of this machine.

    ::

        with FakeJudge({"attack": True, "attack_confidence": 0.9}) as judge:
            shield = Shield(config=ShieldConfig(**judge.settings))

    Args:
        answer: What it answers, always the same or made from each request.
        status: HTTP status of answers that are messages or bodies.
        headers: More headers of its answers.
        refuses_schema: Whether it refuses requests with ``response_format``.
        before: Called with each request before it is answered; may wait.

    Attributes:
        requests: What it was asked, in order.
    """

    def __init__(
        self,
        answer: FakeAnswer | Callable[[JudgeRequest], FakeAnswer] = "",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        refuses_schema: bool = False,
        before: Callable[[JudgeRequest], None] | None = None,
    ) -> None:
        self.answer: FakeAnswer | Callable[[JudgeRequest], FakeAnswer] = (
            {} if answer == "" else answer
        )
        self.status = status
        self.headers = dict(headers or {})
        self.refuses_schema = refuses_schema
        self.before = before
        self.requests: list[JudgeRequest] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address, as ``judge_url`` wants it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that make a Shield ask it."""
        return {"judge_url": self.url, "judge_model": "fake-judge"}

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reply(self, request: JudgeRequest) -> tuple[int, bytes] | None:
        """Status and body for a request; None to break the connection."""
        if self.refuses_schema and "response_format" in request.body:
            return 400, b'{"error": {"message": "response_format is not supported"}}'
        given = self.answer(request) if callable(self.answer) else self.answer
        if given is None:
            return None
        if isinstance(given, int):
            return given, b'{"error": {"message": "no"}}'
        if isinstance(given, bytes):
            return self.status, given
        if isinstance(given, Mapping):
            usual = {
                "mark": request.mark,
                "attack": False,
                "attack_confidence": 0.9,
                "threat": "none",
                "serves_user": "unclear",
                "serves_confidence": 0.5,
            }
            given = json.dumps({**usual, **given})
        message = {"role": "assistant", "content": given}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 300, "completion_tokens": 60, "total_tokens": 360}
        body = {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}
        return self.status, json.dumps(body).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeJudge

    def handle_error(self, *_: object) -> None:
        """A client that went away is no fault of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", "0"))
        body = json.loads(self.rfile.read(size))
        request = JudgeRequest(body, dict(self.headers.items()))
        fake = self.server.fake
        fake.requests.append(request)
        if fake.before is not None:
            fake.before(request)
        reply = (
            fake.reply(request)
            if self.path == "/v1/chat/completions"
            else (404, b'{"error": {"message": "no such path"}}')
        )
        if reply is None:
            self.close_connection = True
            return
        status, data = reply
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **fake.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
