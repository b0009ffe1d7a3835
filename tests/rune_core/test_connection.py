from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from rune_core import ShieldConfig
from rune_core.connection import USER_AGENT, Connection
from rune_core.endpoint import is_loopback, server_url
from rune_core.errors import (
    ConfigError,
    KeyRefusedError,
    ServerAnswerError,
    ServerBusyError,
    ServerError,
    ServerRefusedError,
    ServerUnreachableError,
)
from rune_core.instance import instance_id
from rune_core.server_fault import MAX_RETRY_AFTER, retry_after

KEY = "rune_live_" + "k" * 43


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("RUNE_STATE_DIR", str(tmp_path / "state"))
    for name in ("RUNE_URL", "RUNE_API_KEY", "RUNE_CA_FILE", "RUNE_ALLOW_HTTP", "RUNE_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self):
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        answer = self.server.answer
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def log_message(self, *_):
        pass


@contextmanager
def serving(context=None, handler=Handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.seen, server.bodies, server.answer = [], [], (200, {}, b"{}")
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def connection(server):
    made = connect(f"http://127.0.0.1:{server.server_port}")
    yield made
    made.close()


def connect(url, **settings):
    settings = {"allow_http": True, "connection_timeout_seconds": 20.0, **settings}
    return Connection(ShieldConfig(url=url, api_key=KEY, **settings))


# -- address and key


@pytest.mark.parametrize(
    "url",
    [
        "https://rune.example.com",
        "https://rune.example.com/",
        "https://rune.example.com:8443/below/",
        "https://[::1]:8443",
        "https://10.0.0.1",
    ],
)
def test_addresses(url):
    assert server_url(url, allow_http=False) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "allow", "says"),
    [
        ("http://rune.example.com", True, "https://"),
        ("http://localhost.example.com", True, "https://"),
        ("http://10.0.0.1", True, "https://"),
        ("http://localhost:8000", False, "allow_http"),
        ("http://127.0.0.1", False, "allow_http"),
        ("ftp://rune.example.com", True, "https://"),
        ("rune.example.com", True, "https://"),
        ("https://", True, "https://"),
        ("https://a:b@rune.example.com", True, "api_key"),
        ("https://rune.example.com?x=1", True, "path"),
        ("https://rune.example.com#x", True, "path"),
        ("https://rune.example.com:port", True, "address"),
        ("https://[::1", True, "address"),
    ],
)
def test_addresses_that_cannot_be_used_say_why_and_name_the_option(url, allow, says):
    with pytest.raises(ConfigError, match=r"^url: ") as caught:
        server_url(url, allow_http=allow)
    assert says in str(caught.value)
    assert "a:b" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("key", ["with space", "line\nbreak", "schlüssel", "tab\t"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_repeated(key):
    with pytest.raises(ConfigError, match=r"^api_key: ") as caught:
        Connection(ShieldConfig(url="https://rune.example.com", api_key=key))
    assert key not in str(caught.value)


def test_nothing_is_made_without_both_address_and_key(caplog):
    assert Connection.of(ShieldConfig()) is None
    assert not caplog.records
    assert Connection.of(ShieldConfig(url="https://rune.example.com")) is None
    assert Connection.of(ShieldConfig(api_key=KEY)) is None
    assert "api_key is not" in caplog.text
    assert "url is not" in caplog.text
    assert isinstance(
        Connection.of(ShieldConfig(url="https://rune.example.com", api_key=KEY)), Connection
    )


def test_a_certificate_file_that_cannot_be_used_is_named(tmp_path):
    for name, text in (("none.pem", None), ("empty.pem", "nothing")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigError, match=rf"^ca_file: .*{name}"):
            connect("https://rune.example.com", ca_file=path)


def test_the_module_does_not_import_httpx():
    code = "import sys, rune_core.connection; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- requests


def test_every_request_says_who_asks(server, connection):
    answer = connection.request("POST", "/v1/events", content=b"x", headers={"X-Other": "1"})
    assert (answer.status, answer.json()) == (200, {})
    [seen] = server.seen
    assert seen["x-rune-key"] == KEY
    assert seen["user-agent"] == USER_AGENT
    assert uuid.UUID(seen["x-rune-instance"]) == uuid.UUID(connection.instance)
    assert seen["x-other"] == "1"
    assert server.bodies == [b"x"]


async def test_requests_on_an_event_loop_are_the_same(server, connection):
    try:
        answer = await connection.arequest("GET", "/v1/policies")
        assert answer.status == 200
        assert server.seen[0]["x-rune-key"] == KEY
        server.answer = (401, {}, b"")
        with pytest.raises(KeyRefusedError):
            await connection.arequest("GET", "/v1/policies")
        server.answer = (200, {}, b"x" * 100)
        with pytest.raises(ServerAnswerError, match="longer"):
            await connection.arequest("GET", "/", max_bytes=99)
    finally:
        await connection.aclose()


def test_a_proxy_of_the_environment_gets_no_plain_text(server, connection, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert connection.request("GET", "/").status == 200


class Proxy(BaseHTTPRequestHandler):
    """Carries what is encrypted, unread."""

    def do_CONNECT(self):
        self.server.seen.append((self.path, self.headers.get("Proxy-Authorization")))
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port)), 10) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=self.pump, args=(there, self.connection))
            back.start()
            self.pump(self.connection, there)
            back.join()

    def pump(self, source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def log_message(self, *_):
        pass


async def test_a_proxy_of_the_environment_carries_what_is_encrypted(
    authority, tmp_path, monkeypatch
):
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(context) as server, serving(handler=Proxy) as proxy:
        url = f"https://localhost:{server.server_port}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@127.0.0.1:{proxy.server_port}")
        through = connect(url, ca_file=tmp_path / "ca.pem")
        assert through.request("GET", "/").status == 200
        assert (await through.arequest("GET", "/")).status == 200
        assert proxy.seen == [(url.removeprefix("https://"), "Basic bWU6cHc=")] * 2
        await through.aclose()
        through.close()
        monkeypatch.setenv("NO_PROXY", "example.com,localhost")
        past = connect(url, ca_file=tmp_path / "ca.pem")
        assert past.request("GET", "/").status == 200
        past.close()
        assert len(proxy.seen) == 2
        assert len(server.seen) == 3


async def test_requests_of_ours_tell_the_applications_log_nothing(server, connection, caplog):
    caplog.set_level(logging.INFO)
    assert connection.request("GET", "/").status == 200
    assert (await connection.arequest("GET", "/")).status == 200
    await connection.aclose()
    assert caplog.records == []
    async with httpx.AsyncClient() as theirs:
        await theirs.get(connection.url)
    assert [record.name for record in caplog.records] == ["httpx"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ServerRefusedError),
        (401, KeyRefusedError),
        (403, KeyRefusedError),
        (404, ServerRefusedError),
        (413, ServerRefusedError),
        (422, ServerRefusedError),
        (429, ServerBusyError),
        (500, ServerBusyError),
        (502, ServerBusyError),
        (503, ServerBusyError),
    ],
)
def test_an_error_status_becomes_an_error_with_the_problem(server, connection, status, kind):
    problem = {"type": "about:blank", "title": "No", "detail": "Why.", "code": "some_code"}
    headers = {"Content-Type": "application/problem+json", "Retry-After": "7"}
    server.answer = (status, headers, json.dumps(problem).encode())
    with pytest.raises(kind) as caught:
        connection.request("GET", "/")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, "some_code")
    assert caught.value.retry_after == 7.0
    assert str(caught.value) == f"{connection.url} answers {status}: No: Why."


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"x"', b"[" * 100_000, b"\xff\xfe{}"])
def test_an_error_without_a_problem_document_is_one_all_the_same(server, connection, body):
    server.answer = (503, {}, body)
    with pytest.raises(ServerBusyError) as caught:
        connection.request("GET", "/")
    assert caught.value.code == ""
    assert caught.value.retry_after is None


def test_what_a_server_says_is_one_short_line_without_the_key(server, connection):
    said = {"title": f"key {KEY} is bad\r\nERROR forged line", "detail": "x" * 1000}
    server.answer = (401, {}, json.dumps(said).encode())
    with pytest.raises(KeyRefusedError) as caught:
        connection.request("GET", "/")
    text = str(caught.value)
    assert KEY not in text
    assert "***" in text
    assert len(text) < 500
    assert len(text.splitlines()) == 1


def test_redirections_are_not_followed(server, connection):
    server.answer = (302, {"Location": "http://127.0.0.1:1/"}, b"")
    with pytest.raises(ServerAnswerError, match="redirection"):
        connection.request("GET", "/")
    assert len(server.seen) == 1


def test_an_answer_that_is_too_long_is_not_read(server, connection):
    server.answer = (200, {}, b"x" * 1000)
    with pytest.raises(ServerAnswerError, match="longer than 999"):
        connection.request("GET", "/", max_bytes=999)
    assert len(connection.request("GET", "/", max_bytes=1000).body) == 1000


def test_answers_that_cannot_be_read(server, connection):
    server.answer = (200, {"Content-Encoding": "gzip"}, b"this is no gzip")
    with pytest.raises(ServerAnswerError, match="DecodingError"):
        connection.request("GET", "/")
    server.answer = (200, {}, b"not json")
    with pytest.raises(ServerAnswerError, match="JSON"):
        connection.request("GET", "/").json()
    server.answer = None
    with pytest.raises(ServerUnreachableError) as caught:
        connection.request("GET", "/")
    assert caught.value.reason == "network"


def test_a_server_that_hangs_is_given_up():
    with serving() as server:
        release = threading.Event()
        server.RequestHandlerClass = type("H", (Handler,), {"do_GET": lambda _: release.wait(60)})
        slow = connect(f"http://127.0.0.1:{server.server_port}", connection_timeout_seconds=0.05)
        with pytest.raises(ServerUnreachableError) as caught:
            slow.request("GET", "/")
        assert caught.value.reason == "timeout"
        release.set()
        slow.close()


def test_nobody_there(server):
    port = server.server_port
    for url, reason in (
        ("http://127.0.0.1:1", "connect"),
        ("https://name.invalid", "dns"),
        (f"https://127.0.0.1:{port}", "tls"),
    ):
        connection = connect(url)
        with pytest.raises(ServerUnreachableError) as caught:
            connection.request("GET", "/")
        assert caught.value.reason == reason, url
        connection.close()


# -- TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls_server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(context) as running:
        yield running


def test_certificates_are_checked_against_the_given_file(tls_server, authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    url = f"https://localhost:{tls_server.server_port}"
    trusting = connect(url, ca_file=path)
    assert trusting.request("GET", "/").status == 200
    trusting.close()
    doubting = connect(url)
    with pytest.raises(ServerUnreachableError, match=r"TLS: .*certificate") as caught:
        doubting.request("GET", "/")
    assert caught.value.reason == "tls"
    doubting.close()
    assert len(tls_server.seen) == 1


def test_a_certificate_for_another_name_is_refused(tls_server, authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    connection = connect(f"https://127.0.0.1:{tls_server.server_port}", ca_file=path)
    with pytest.raises(ServerUnreachableError, match="TLS"):
        connection.request("GET", "/")
    connection.close()


def test_checks_can_be_switched_off_and_that_is_said(tls_server, caplog):
    connection = connect(f"https://localhost:{tls_server.server_port}", tls_verify=False)
    assert "tls_verify is off" in caplog.text
    assert connection.request("GET", "/").status == 200
    connection.close()


# -- the key stays inside


def test_the_key_is_in_no_repr_log_or_error(server, connection, caplog):
    caplog.set_level(logging.DEBUG)
    server.answer = (500, {}, b"")
    with pytest.raises(ServerError) as caught:
        connection.request("POST", "/v1/events", content=b"{}")
    shown = [repr(connection), str(caught.value), repr(caught.value), caplog.text]
    shown += [repr(record.__dict__) for record in caplog.records]
    shown.append(repr(connection.client()))
    assert not [text for text in shown if KEY in text]
    with pytest.raises(TypeError, match="key"):
        pickle.dumps(connection)


# -- processes


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_opens_connections_of_its_own(server, connection):
    connection.request("GET", "/parent")
    mine = connection.client()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = b"?"
        try:
            answer = connection.request("GET", "/child")
            status = b"y" if answer.status == 200 and connection.client() is not mine else b"n"
        finally:
            os.write(write, status)
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"y"
    os.close(read)
    os.close(write)
    assert connection.client() is mine
    assert connection.request("GET", "/parent").status == 200


def test_the_instance_is_kept(tmp_path):
    folder = tmp_path / "state"
    first = instance_id(folder)
    assert uuid.UUID(first).version == 4
    path = folder / "instance"
    assert path.read_text().strip() == first
    assert path.stat().st_mode & 0o777 == 0o600 or os.name == "nt"
    assert in_other_process(folder) == first
    assert [item.name for item in folder.iterdir()] == ["instance"]


def test_processes_that_start_together_agree(tmp_path):
    folder = tmp_path / "state"
    with_pipe = [start_other_process(folder) for _ in range(4)]
    ids = {process.communicate()[0].strip() for process in with_pipe}
    assert len(ids) == 1


@pytest.mark.parametrize("text", ["", "no id", "\x00" * 500])
def test_an_instance_file_that_holds_no_id_is_written_anew(tmp_path, text):
    path = tmp_path / "instance"
    path.write_text(text)
    found = in_other_process(tmp_path)
    assert str(uuid.UUID(path.read_text().strip())) == found


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_where_nothing_can_be_kept_each_process_has_its_own(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    folder = blocked / "state"
    assert instance_id(folder) == instance_id(folder)
    assert in_other_process(folder) != instance_id(folder)
    if not hasattr(os, "fork"):
        return
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, instance_id(folder).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 36).decode() != instance_id(folder)
    os.close(read)
    os.close(write)


def start_other_process(folder):
    code = (
        "import sys, pathlib; from rune_core.instance import instance_id; "
        "print(instance_id(pathlib.Path(sys.argv[1])))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )


def in_other_process(folder):
    return start_other_process(folder).communicate()[0].strip()


# -- Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("1.5", 1.5),
        ("999999999", MAX_RETRY_AFTER),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e999", MAX_RETRY_AFTER),
        ("nan", None),
    ],
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(value) == seconds


def test_retry_after_as_a_date_counts_from_the_servers_own_clock():
    now = datetime(2020, 1, 1, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after(later, format_datetime(now, usegmt=True)) == 90.0
    assert retry_after(format_datetime(now, usegmt=True), later) == 0.0
    assert retry_after(later) == 0.0


@given(st.text(), st.none() | st.text())
def test_retry_after_never_raises(value, date):
    seconds = retry_after(value, date)
    assert seconds is None or 0.0 <= seconds <= MAX_RETRY_AFTER


def test_closing_wakes_a_thread_that_waits_and_is_for_good(server):
    release = threading.Event()
    server.RequestHandlerClass = type("H", (Handler,), {"do_GET": lambda _: release.wait(60)})
    connection = connect(f"http://127.0.0.1:{server.server_port}", connection_timeout_seconds=60.0)
    faults = []

    def ask():
        try:
            connection.request("GET", "/")
        except ServerUnreachableError as error:
            faults.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    deadline = time.monotonic() + 30
    while not connection._sockets and time.monotonic() < deadline:
        time.sleep(0.005)
    connection.close()
    thread.join(30)
    assert not thread.is_alive()
    release.set()
    assert len(faults) == 1
    with pytest.raises(ServerUnreachableError) as caught:
        connection.request("GET", "/")
    assert caught.value.reason == "closed"
