"""A server on loopback that answers chat completions sensibly enough for LangChain's test-suites.

It calls the tool it is offered, with arguments that fit its schema; it writes JSON where JSON is
asked for; else it says a sentence. Run it with
``python -m benchmarks.conformance.chat_server 4011``.
"""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAID = "Hello. It is a fine day, and nothing is the matter with the cats of San Francisco."
_PIECE = 5
_QUOTED = re.compile(r"'([^']+)'")
_USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}


def example(schema: dict[str, Any], word: str, root: dict[str, Any] | None = None) -> Any:
    """A value that fits a JSON schema; texts are ``word``, numbers 3."""
    root = schema if root is None else root
    if "$ref" in schema:
        return example(root["$defs"][schema["$ref"].rpartition("/")[2]], word, root)
    for choice in ("anyOf", "allOf"):
        if choice in schema:
            return example(schema[choice][0], word, root)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        return [example(schema.get("items", {}), word, root)]
    if kind in ("integer", "number"):
        return 3
    if kind == "boolean":
        return True
    if kind == "object" or "properties" in schema:
        fields = schema.get("properties", {})
        return {name: example(field, word, root) for name, field in fields.items()}
    return word


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content or ""


def message_for(asked: dict[str, Any]) -> dict[str, Any]:
    """The assistant's message in answer to a request."""
    last = asked["messages"][-1]
    quoted = _QUOTED.search(_text(last))
    word = quoted[1] if quoted else "San Francisco"
    tools = [tool["function"] for tool in asked.get("tools") or ()]
    choice = asked.get("tool_choice")
    if isinstance(choice, dict):
        tools = [tool for tool in tools if tool["name"] == choice["function"]["name"]]
    if tools and choice != "none" and last["role"] == "user":
        tool = tools[0]
        arguments = json.dumps(example(tool.get("parameters") or {}, word), ensure_ascii=False)
        function = {"name": tool["name"], "arguments": arguments}
        call = {"id": "call_1", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
    wanted = asked.get("response_format") or {}
    said = _SAID
    if wanted.get("type") == "json_schema":
        said = json.dumps(example(wanted["json_schema"]["schema"], word))
    elif wanted.get("type") == "json_object":
        said = json.dumps({"setup": "Why do cats purr?", "punchline": "Nobody knows."})
    for stop in asked.get("stop") or ():
        said = said.partition(stop)[0]
    return {"role": "assistant", "content": said, "refusal": None}


def chunks_for(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same answer, in pieces."""
    message = message_for(asked)
    head = {"id": "chatcmpl-1", "created": 1, "model": asked["model"]}
    head["object"] = "chat.completion.chunk"

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**head, "choices": [choice]}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    text = message["content"] or ""
    for at in range(0, len(text), _PIECE):
        yield chunk({"content": text[at : at + _PIECE]})
    for call in message.get("tool_calls", ()):
        function = call["function"]
        begun = {**call, "index": 0, "function": {**function, "arguments": ""}}
        yield chunk({"tool_calls": [begun]})
        for at in range(0, len(function["arguments"]), _PIECE):
            part = {"arguments": function["arguments"][at : at + _PIECE]}
            yield chunk({"tool_calls": [{"index": 0, "function": part}]})
    yield chunk({}, "tool_calls" if message.get("tool_calls") else "stop")
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _USAGE}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.path.endswith("/chat/completions"):
            self._send(b'{"error": {"message": "no such path"}}', "application/json", 404)
        elif asked.get("stream"):
            events = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks_for(asked)]
            self._send(b"".join([*events, b"data: [DONE]\n\n"]), "text/event-stream")
        else:
            message = message_for(asked)
            finish = "tool_calls" if message.get("tool_calls") else "stop"
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
            made = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": asked["model"],
                "choices": [choice],
                "usage": _USAGE,
            }
            self._send(json.dumps(made).encode(), "application/json")

    def _send(self, content: bytes, mime: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(port: int) -> None:
    """Serve until the process ends."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    print(f"chat completions at http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
