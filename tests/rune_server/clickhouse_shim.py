"""ClickHouse's HTTP protocol in front of an embedded ClickHouse, for tests of the server's client.

    python -m tests.rune_server.clickhouse_shim FOLDER PORT

No package of a ClickHouse server can be had where the tests run. This speaks enough of its protocol
for clickhouse-connect's real HTTP client: queries, inserts, bound parameters, settings, external
tables, typed errors. It shows that our statements and our client code work over HTTP; it says
nothing about replication, users or load.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import chdb

_CODE = re.compile(r"Code: (\d+)")
_FORMAT = re.compile(rb"FORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_NOT_SETTINGS = frozenset(
    (
        *("query", "database", "query_id", "session_id", "session_timeout", "session_check"),
        *("client_protocol_version", "enable_http_compression", "compress", "decompress"),
        *("wait_end_of_query", "send_progress_in_http_headers", "buffer_size", "role", "quota_key"),
        *(
            "http_headers_progress_interval_ms",
            "readonly",
            "cancel_http_readonly_queries_on_client_close",
        ),
    )
)


class Shim(ThreadingHTTPServer):
    """One embedded engine, one statement at a time."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, folder: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.engine = chdb.connect(folder)
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed in tests; that is no fault of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shim

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._serve(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self, body: bytes) -> None:
        options = {k: v[-1] for k, v in parse_qs(urlsplit(self.path).query, True).items()}
        if self.path.startswith("/ping"):
            self._answer(200, b"Ok.\n")
            return
        kind = self.headers.get("Content-Type", "")
        files: dict[str, bytes] = {}
        if kind.startswith("multipart/form-data"):
            for name, value in _parts(kind, body):
                if f"{name}_structure" in options or f"{name}_format" in options:
                    files[name] = value
                else:
                    options[name] = value.decode()
            body = b""
        try:
            self._answer(200, *self._run(options, body, files))
        except Exception as error:  # noqa: BLE001 - as a server does: whatever it was, it is told
            text = str(error)
            code = _CODE.search(text)
            self._answer(
                500, text.encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1"}
            )

    def _run(
        self, options: dict[str, str], body: bytes, files: dict[str, bytes]
    ) -> tuple[bytes, dict[str, str]]:
        statement = options.get("query", "").encode()
        data = None
        if statement and body:
            data = body
        elif not statement:
            statement, body = body, b""
        parameters = {k[6:]: v for k, v in options.items() if k.startswith("param_")}
        settings = {
            k: v
            for k, v in options.items()
            if k not in _NOT_SETTINGS
            and not k.startswith("param_")
            and not k.endswith(("_structure", "_format", "_types"))
        }
        opened: list[int] = []
        try:
            for name, value in files.items():
                opened.append(_memory(value))
                source = (
                    f"file('/proc/self/fd/{opened[-1]}', '{options[f'{name}_format']}', "
                    f"'{options[f'{name}_structure']}')"
                )
                statement = re.sub(
                    rb"\bFROM %s\b" % name.encode(), b"FROM " + source.encode(), statement
                )
            if data is not None:
                opened.append(_memory(data))
                statement = _from_file(statement, f"/proc/self/fd/{opened[-1]}")
            return self._execute(statement.decode(), parameters, settings)
        finally:
            for each in opened:
                os.close(each)

    def _execute(
        self, statement: str, parameters: dict[str, str], settings: dict[str, str]
    ) -> tuple[bytes, dict[str, str]]:
        found = _FORMAT.search(statement.encode())
        name = found[1].decode() if found else "TabSeparated"
        engine: Any = self.server.engine
        with self.server.lock:
            for setting, value in settings.items():
                engine.query(f"SET {setting} = '{value}'")
            try:
                result = engine.query(statement, name, params=parameters)
                return bytes(result.bytes() or b""), {"X-ClickHouse-Format": name}
            finally:
                for setting in settings:
                    engine.query(f"SET {setting} = DEFAULT")

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "X-ClickHouse-Server-Display-Name": "shim",
            "X-ClickHouse-Timezone": "UTC",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _parts(kind: str, body: bytes) -> list[tuple[str, bytes]]:
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
    )
    found = []
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        found.append((str(name), payload if isinstance(payload, bytes) else b""))
    return found


def _memory(data: bytes) -> int:
    opened = os.memfd_create("shim")
    view = memoryview(data)
    while view:
        view = view[os.write(opened, view) :]
    return opened


def _from_file(statement: bytes, path: str) -> bytes:
    """``INSERT … FORMAT x`` with data behind it, as one that reads the data from a file."""
    head, _, rest = statement.partition(b"FORMAT")
    before, settings, after = head.partition(b"SETTINGS")
    source = f"FROM INFILE '{path}' ".encode()
    return before + source + settings + after + b"FORMAT" + rest


def main() -> None:
    """Serve until killed."""
    folder, port = sys.argv[1], int(sys.argv[2])
    Shim(folder, port).serve_forever()


if __name__ == "__main__":
    main()
