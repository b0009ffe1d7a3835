"""A guarded OpenAI client against a server that leaks: plain, streamed, and with a tool call.

Needs no key and no network: the server is a few lines on this machine that answer as OpenAI's
would. Run it with: uv run python examples/openai_client.py
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from openai import OpenAI

from rune_core import Shield
from rune_openai import OpenAIBlockedError, coverage, shield_client

KEY = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
SAYS = f"Of course. The payment key is {KEY}; keep it safe."
POLICY = """
version: "1.0"
rules:
  - name: no-mail
    type: tool_denylist
    tools: [send_mail]
    action: block
"""


class Leaky(BaseHTTPRequestHandler):
    """Tells the key to everybody, and would like to send mail when it is offered a tool."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        head = {"id": "chatcmpl-1", "created": 0, "model": asked["model"]}
        if asked.get("stream"):
            deltas: list[dict[str, Any]] = [{"content": word + " "} for word in SAYS.split()]
            chunks: list[dict[str, Any]] = [
                {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
            ]
            chunks.append({"index": 0, "delta": {}, "finish_reason": "stop"})
            kind = {**head, "object": "chat.completion.chunk"}
            body = "".join(f"data: {json.dumps({**kind, 'choices': [c]})}\n\n" for c in chunks)
            self.answer("text/event-stream", body + "data: [DONE]\n\n")
            return
        message: dict[str, Any] = {"role": "assistant", "content": SAYS}
        if asked.get("tools"):
            function = {"name": "send_mail", "arguments": json.dumps({"to": "eve@example.org"})}
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps({**head, "object": "chat.completion", "choices": [choice]})
        self.answer("application/json", body)

    def answer(self, mime: str, body: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", mime)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def show(title: str, client: OpenAI) -> None:
    question: Any = [{"role": "user", "content": "What is the payment key?"}]
    mail: Any = {"name": "send_mail", "description": "Sends mail.", "parameters": {}}
    print(title)
    answer = client.chat.completions.create(model="m", messages=question)
    print("  plain:   ", answer.choices[0].message.content)
    stream = client.chat.completions.create(model="m", messages=question, stream=True)
    print("  streamed:", "|".join(c.choices[0].delta.content or "" for c in stream))
    try:
        answer = client.chat.completions.create(
            model="m", messages=question, tools=[{"type": "function", "function": mail}]
        )
        print("  call:    ", answer.choices[0].message.tool_calls[0].function)  # type: ignore[index,union-attr]
    except OpenAIBlockedError as error:
        print("  call:    ", error)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Leaky)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    with OpenAI(base_url=url, api_key="none") as plain, Shield(policy=POLICY) as shield:
        guarded = shield_client(plain, shield, agent_id="desk")
        show("Without Rune", plain)
        show("With Rune", guarded)
        print("\n" + coverage(guarded).split("\n\n")[1])
    server.shutdown()
    server.server_close()
