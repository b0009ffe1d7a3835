"""A server on loopback that speaks the protocol of chat completions, responses and embeddings.

Says what it is told to say, streamed in small pieces where that is asked for, and keeps what it was
asked.
"""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Server:
    """What the server says, and what it was asked.

    Attributes:
        text: The text of every answer.
        calls: The tool calls of every answer, as ``(name, arguments)``; arguments are a text.
        piece: Characters per streamed piece.
        failures: Requests to answer with 500 before it answers properly.
        requests: The JSON of every request, with its path under ``"path"``.
    """

    text: str = "Hello."
    calls: list[tuple[str, str]] = field(default_factory=list)
    piece: int = 5
    failures: int = 0
    reasoning: str = ""
    zipped: bool = False
    logprobs: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def pieces(self, text: str) -> list[str]:
        return [text[i : i + self.piece] for i in range(0, len(text), self.piece)]

    # -- chat completions

    def chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text, "refusal": None}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            message["tool_calls"] = [
                {"id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": a}}
                for i, (n, a) in enumerate(self.calls)
            ]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": {"content": self._tokens(self.text), "refusal": None}
            if self.logprobs
            else None,
            "finish_reason": "tool_calls" if self.calls else "stop",
        }
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        head = {"id": "chatcmpl-1", "created": 1, "model": asked["model"]}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}

    def _tokens(self, text: str) -> list[dict[str, Any]]:
        return [{"token": text, "logprob": -0.1, "bytes": None, "top_logprobs": []}]

    def chat_chunks(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        head = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": asked["model"],
        }

        def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
            logprobs = None
            if self.logprobs and delta.get("content"):
                logprobs = {"content": self._tokens(delta["content"]), "refusal": None}
            choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            return {**head, "choices": [choice]}

        yield chunk({"role": "assistant", "content": "", "refusal": None})
        for piece in self.pieces(self.reasoning):
            yield chunk({"reasoning_content": piece})
        for piece in self.pieces(self.text):
            yield chunk({"content": piece})
        for i, (name, args) in enumerate(self.calls):
            function = {"name": name, "arguments": ""}
            call = {"index": i, "id": f"call_{i}", "type": "function", "function": function}
            yield chunk({"tool_calls": [call]})
            for piece in self.pieces(args):
                yield chunk({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
        yield chunk({}, "tool_calls" if self.calls else "stop")
        if (asked.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
            yield {**head, "choices": [], "usage": usage}

    # -- responses

    def response(self, asked: dict[str, Any]) -> dict[str, Any]:
        output: list[dict[str, Any]] = []
        if self.reasoning:
            output.append(
                {
                    "id": "rs_1",
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": self.reasoning}],
                }
            )
        part = {"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}
        output.append(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
        output += [
            {
                "id": f"fc_{i}",
                "type": "function_call",
                "call_id": f"call_{i}",
                "name": name,
                "arguments": args,
                "status": "completed",
            }
            for i, (name, args) in enumerate(self.calls)
        ]
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": asked.get("model"),
            "output": output,
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": {
                "input_tokens": 1,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 3,
            },
        }

    def response_events(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        whole = self.response(asked)
        yield {
            "type": "response.created",
            "response": {**whole, "status": "in_progress", "output": [], "usage": None},
        }
        for place, item in enumerate(whole["output"]):
            at = {"output_index": place}
            here = {**at, "item_id": item["id"]}
            if item["type"] == "message":
                part = item["content"][0]
                here["content_index"] = 0
                begun = {**item, "content": [], "status": "in_progress"}
                yield {**at, "type": "response.output_item.added", "item": begun}
                yield {**here, "type": "response.content_part.added", "part": {**part, "text": ""}}
                for piece in self.pieces(part["text"]):
                    yield {
                        **here,
                        "type": "response.output_text.delta",
                        "delta": piece,
                        "logprobs": [],
                    }
                yield {
                    **here,
                    "type": "response.output_text.done",
                    "text": part["text"],
                    "logprobs": [],
                }
                yield {**here, "type": "response.content_part.done", "part": part}
            elif item["type"] == "reasoning":
                part = item["summary"][0]
                here["summary_index"] = 0
                yield {**at, "type": "response.output_item.added", "item": {**item, "summary": []}}
                kind = "response.reasoning_summary"
                yield {**here, "type": f"{kind}_part.added", "part": {**part, "text": ""}}
                for piece in self.pieces(part["text"]):
                    yield {**here, "type": f"{kind}_text.delta", "delta": piece}
                yield {**here, "type": f"{kind}_text.done", "text": part["text"]}
                yield {**here, "type": f"{kind}_part.done", "part": part}
            else:
                begun = {**item, "arguments": "", "status": "in_progress"}
                yield {**at, "type": "response.output_item.added", "item": begun}
                kind = "response.function_call_arguments"
                for piece in self.pieces(item["arguments"]):
                    yield {**here, "type": f"{kind}.delta", "delta": piece}
                done = {**here, "type": f"{kind}.done", "arguments": item["arguments"]}
                yield {**done, "name": item["name"]}
            yield {**at, "type": "response.output_item.done", "item": item}
        yield {"type": "response.completed", "response": whole}


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            is_json = "json" in self.headers.get("content-type", "")
            asked = json.loads(body) if is_json else {"model": "m"}
            path = self.path.partition("?")[0]
            server.requests.append({**asked, "path": path})
            if server.failures:
                server.failures -= 1
                self.send(b'{"error": {"message": "try again"}}', status=500)
            elif path.endswith("/chat/completions"):
                if asked.get("stream"):
                    self.events(("", c) for c in server.chat_chunks(asked))
                else:
                    self.json(server.chat(asked))
            elif path.endswith("/responses"):
                if asked.get("stream"):
                    self.events((e["type"], e) for e in server.response_events(asked))
                else:
                    self.json(server.response(asked))
            elif path.endswith("/embeddings"):
                data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
                usage = {"prompt_tokens": 1, "total_tokens": 1}
                self.json({"object": "list", "data": data, "model": "m", "usage": usage})
            elif path.endswith("/completions"):
                choice = {"index": 0, "text": server.text, "logprobs": None}
                head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
                if asked.get("stream"):
                    parts = [{**choice, "text": p} for p in server.pieces(server.text)]
                    parts.append({**choice, "text": "", "finish_reason": "stop"})
                    self.events(
                        ("", {**head, "choices": [{"finish_reason": None, **p}]}) for p in parts
                    )
                else:
                    self.json({**head, "choices": [{**choice, "finish_reason": "stop"}]})
            elif path.endswith("/audio/transcriptions"):
                self.json({"text": server.text})
            else:
                self.send(b'{"error": {"message": "no such path"}}', status=404)

        def json(self, value: Any) -> None:
            self.send(json.dumps(value).encode())

        def send(self, content: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("x-request-id", "req_1")
            if server.zipped:
                content = gzip.compress(content)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def events(self, events: Any) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for number, (name, event) in enumerate(events):
                    if name:
                        event = {**event, "sequence_number": number}  # noqa: PLW2901
                    head = f"event: {name}\n" if name else ""
                    self.piece(f"{head}data: {json.dumps(event)}\n\n".encode())
                if not name:
                    self.piece(b"data: [DONE]\n\n")
                self.piece(b"")
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def piece(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        pass  # clients that leave early are part of the tests


@contextmanager
def serving(**settings: Any) -> Iterator[Server]:
    """Run a server until the block ends."""
    server = Server(**settings)
    http = _Server(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
