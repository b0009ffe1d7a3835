"""A Rune server for tests: real sockets, the wire protocol, and every way to misbehave.

It serves ``GET /v1/policies``, ``GET /v1/stream``, ``POST /v1/status`` and ``POST /v1/events``,
records every byte it gets, and is stopped by leaving its ``with`` block.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "rune_live_" + "t" * 43


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def raw(self) -> bytes:
        """Everything the client said."""
        return f"{self.method} {self.path} {self.headers}".encode() + self.body


def document(name: str, yaml: str, revision: int = 1) -> dict:
    digest = hashlib.sha256(yaml.encode()).hexdigest()
    return {"name": name, "revision": revision, "sha256": digest, "yaml": yaml}


def bundle_of(*documents: dict) -> dict:
    found = sorted(documents, key=lambda each: each["name"])
    named = [[each["name"], each["revision"], each["sha256"]] for each in found]
    body = json.dumps(named, separators=(",", ":"), ensure_ascii=False).encode()
    return {
        "schema": "1",
        "revision": hashlib.sha256(body).hexdigest(),
        "policies": found,
        "a_field_of_later": True,
    }


class RuneServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        requests: What came, in order.
        fault: None, or what is done instead of answering: a (status, headers, body) triple,
            ``hang``, ``close``, ``garbage`` or ``truncate``.
        faults: The same for one path. A list is used up one by one; None in it answers as usual.
        events: The events that were taken, by id, as a server that knows an event twice keeps it.
        received: How often each came.
        verdict: Says of an event why it is rejected, as code and reason; None takes it.
        max_events: Requests with more are answered 413.
        push: Whether ``/v1/stream`` is there.
        skew: How many seconds its clock is ahead.
    """

    daemon_threads = True
    block_on_close = True

    def __init__(self, *, port: int = 0, ssl_context=None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.scheme = "http"
        if ssl_context is not None:
            self.scheme = "https"
            self.socket = ssl_context.wrap_socket(self.socket, server_side=True)
        self.requests: list[Request] = []
        self.fault: object = None
        self.faults: dict[str, object] = {}
        self.push = True
        self.skew = 0.0
        self.events: dict[str, dict] = {}
        self.received: Counter[str] = Counter()
        self.verdict = lambda _event: None
        self.max_events = 1000
        self.answer_headers: dict[str, str] = {}
        self.changed = threading.Condition()
        self.ended = False
        self.published = 0
        self.bundle = bundle_of()
        self.streams = 0
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.scheme == "http" else "localhost"
        return f"{self.scheme}://{host}:{self.server_port}"

    def publish(self, *documents: dict, quietly: bool = False) -> str:
        """Make these the policies; tell streams unless ``quietly``. The revision."""
        return self.publish_bundle(bundle_of(*documents), quietly=quietly)

    def publish_bundle(self, bundle: dict, *, quietly: bool = False) -> str:
        with self.changed:
            self.bundle = bundle
            if not quietly:
                self.published += 1
            self.changed.notify_all()
        return bundle["revision"]

    def counts(self) -> Counter[str]:
        """Requests by path."""
        return Counter(request.path for request in list(self.requests))

    def bodies(self, path: str) -> list[dict]:
        return [json.loads(r.body) for r in list(self.requests) if r.path == path]

    def wait_for(self, condition, seconds: float = 30.0) -> None:
        """Wait until a condition about this server holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"never happened; seen: {self.counts()}"
            time.sleep(0.005)

    def stop(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def __enter__(self) -> RuneServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended:
            self.stop()

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    server: RuneServer

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def log_message(self, *_: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.server.skew)

    def _serve(self, body: bytes) -> None:
        server = self.server
        if server.ended:  # a connection that outlived it
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.requests.append(Request(self.command, self.path, headers, body))
        fault = server.faults.get(self.path, server.fault)
        if isinstance(fault, list):
            with server.changed:
                fault = fault.pop(0) if fault else None
        if fault is not None:
            self._misbehave(fault)
        elif headers.get("x-rune-key") != KEY:
            self._problem(401, "key_unknown", "the key is unknown")
        elif self.path == "/v1/policies":
            self._policies(headers.get("if-none-match"))
        elif self.path == "/v1/stream" and server.push:
            self._stream()
        elif self.path == "/v1/status":
            self._answer(202, {"Content-Type": "application/json"}, b"{}")
        elif self.path == "/v1/events":
            self._events(headers, body)
        else:
            self._problem(404, "not_found", "nothing is here")

    def _events(self, headers: dict[str, str], body: bytes) -> None:
        server = self.server
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        events = json.loads(body)["events"]
        if len(events) > server.max_events:
            self._problem(413, "too_large", "too many events")
            return
        accepted = duplicates = 0
        rejected = []
        with server.changed:
            for index, event in enumerate(events):
                server.received[event["event_id"]] += 1
                verdict = server.verdict(event)
                if verdict is not None:
                    code, reason = verdict
                    rejected.append(
                        {"index": index, "event_id": event["event_id"], "code": code,
                         "reason": reason}
                    )  # fmt: skip
                elif event["event_id"] in server.events:
                    duplicates += 1
                else:
                    server.events[event["event_id"]] = event
                    accepted += 1
            server.changed.notify_all()
        answer = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        headers = {"Content-Type": "application/json", **server.answer_headers}
        self._answer(202, headers, json.dumps(answer).encode())

    def _policies(self, known: str | None) -> None:
        with self.server.changed:
            bundle = self.server.bundle
        tag = f'"{bundle["revision"]}"'
        if known == tag:
            self._answer(304, {"ETag": tag}, b"")
            return
        body = json.dumps(bundle, ensure_ascii=False).encode()
        self._answer(200, {"Content-Type": "application/json", "ETag": tag}, body)

    def _stream(self) -> None:
        server = self.server
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        with server.changed:
            server.streams += 1
        try:
            self.wfile.write(b"retry: 20\n\n")
            told = None
            while not server.ended and server.fault is None and "/v1/stream" not in server.faults:
                with server.changed:
                    if told == server.published:
                        server.changed.wait(0.05)
                    news, revision = server.published, server.bundle["revision"]
                if told != news:
                    told = news
                    data = json.dumps({"revision": revision})
                    self.wfile.write(f"event: policies\ndata: {data}\n\n".encode())
                else:
                    self.wfile.write(b": ping\n\n")
        except OSError:
            pass
        finally:
            with server.changed:
                server.streams -= 1

    def _misbehave(self, fault: object) -> None:
        self.close_connection = True
        if isinstance(fault, tuple):
            status, headers, body = fault
            # Unsaid, a client may send its next request before it notices.
            self._answer(status, {"Connection": "close", **headers}, body)
        elif fault == "hang":
            deadline = time.monotonic() + 30
            while not self.server.ended and time.monotonic() < deadline:
                time.sleep(0.01)
        elif fault == "garbage":
            self.wfile.write(b"\x00\xff not http at all \r\n\r\n")
        elif fault == "truncate":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"schema": "1", "rev')

    def _problem(self, status: int, code: str, detail: str) -> None:
        problem = {"type": "about:blank", "title": code, "status": status, "detail": detail}
        headers = {"Content-Type": "application/problem+json"}
        self._answer(status, headers, json.dumps({**problem, "code": code}).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        # Head and body in one piece: else each answer waits for an acknowledgement.
        head, self._headers_buffer = b"".join([*self._headers_buffer, b"\r\n"]), []
        self.wfile.write(head + body)
