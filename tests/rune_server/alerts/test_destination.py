"""Addresses that tenants type in: none of them leads into our own network."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from rune_server.alerts.destination import check_url, post

HERE = ("127.0.0.0/8",)


class Receiver(ThreadingHTTPServer):
    """Takes POST requests on this machine."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.paths: list[str] = []
        self.hosts: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"ok"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.paths.append(self.path)
        self.server.hosts.append(self.headers["Host"])
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiver(context: ssl.SSLContext | None = None):
    server = Receiver(context)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def resolving(*answers: list[str]):
    """A resolver that gives these answers, one after the other; the last again and again."""
    asked: list[str] = []

    async def find(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    find.asked = asked  # type: ignore[attr-defined]
    return find


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:11211/_stats",
        "http://example.com/",
        "https://",
        "https:///path",
        "https://user:password@example.com/",
        "https://example.com\\@169.254.169.254/",
        "https://example.com/#fragment",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nX-Injected: 1",
        "https://ex\u00e4mple.com/",
        "https://" + "a" * 2000,
        "https://127.0.0.1/",
        "https://0.0.0.0/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://168.63.129.16/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:7f00:1::]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[ff02::1]/",
    ],
)
async def test_an_address_that_is_refused_as_written(url: str) -> None:
    assert check_url(url)
    sent = await post(url, b"{}", {}, find=resolving(["127.0.0.1"]))
    assert not sent.ok
    assert sent.final


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "localhost."]
)
async def test_other_spellings_of_this_machine(host: str) -> None:
    with receiver() as server:
        sent = await post(f"https://{host}:{server.server_port}/", b"{}", {})
    assert not sent.ok
    assert sent.status == 0
    assert server.paths == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:169.254.169.254"], []]
)
async def test_a_name_that_points_inside(addresses: list[str]) -> None:
    with receiver() as server:
        url = f"https://hooks.example.com:{server.server_port}/"
        sent = await post(url, b"{}", {}, find=resolving(addresses))
    assert not sent.ok
    assert server.paths == []


async def test_a_name_that_points_elsewhere_the_second_time() -> None:
    """DNS rebinding: it is resolved once, and what was checked is what is connected to."""
    with receiver() as server:
        # What is allowed leads to our receiver; what the name says a moment later does not count.
        find = resolving(["127.0.0.1"], ["169.254.169.254"])
        url = f"http://hooks.example.com:{server.server_port}/in"
        sent = await post(url, b"{}", {}, allow_networks=HERE, find=find)
        assert sent.ok
        assert find.asked == ["hooks.example.com"]
        assert server.hosts == [f"hooks.example.com:{server.server_port}"]
        # And the other way round: harmless at first sight, inside when it counts.
        assert check_url("https://hooks.example.com/") == ""
        later = await post(f"https://hooks.example.com:{server.server_port}/", b"{}", {}, find=find)
        assert not later.ok
        assert len(server.paths) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    with receiver() as inside, receiver() as server:
        server.status = status
        server.headers = {"Location": f"http://127.0.0.1:{inside.server_port}/secret"}
        url = f"http://127.0.0.1:{server.server_port}/"
        sent = await post(url, b"{}", {}, allow_networks=HERE)
        assert (sent.ok, sent.final) == (False, True)
        assert "redirects" in sent.answer
        assert inside.paths == []


async def test_nothing_of_an_answer_but_its_status_is_kept() -> None:
    with receiver() as server:
        server.status, server.body = 500, b"SECRET-OF-THE-INSIDE"
        url = f"http://127.0.0.1:{server.server_port}/"
        sent = await post(url, b"{}", {}, allow_networks=HERE)
        assert (sent.ok, sent.final, sent.answer) == (False, False, "HTTP 500")
        server.status, server.headers = 429, {"Retry-After": "120"}
        busy = await post(url, b"{}", {}, allow_networks=HERE)
        assert (busy.final, busy.retry_after) == (False, 120.0)
        server.status = 410
        assert (await post(url, b"{}", {}, allow_networks=HERE)).final


async def test_plain_http_stays_in_the_allowed_networks() -> None:
    assert check_url("http://93.184.215.14/", HERE)
    sent = await post(
        "http://hooks.example.com/", b"{}", {}, allow_networks=HERE, find=resolving(["1.1.1.1"])
    )
    assert not sent.ok
    assert "private or reserved" in sent.answer


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch) -> None:
    with receiver() as proxy, receiver() as server:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        url = f"http://127.0.0.1:{server.server_port}/"
        assert (await post(url, b"{}", {}, allow_networks=HERE)).ok
        assert proxy.paths == []


async def test_tls_checks_the_name_not_the_address() -> None:
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example.com").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with receiver(serving) as server:
        find = resolving(["127.0.0.1"])
        for host, ok in (("hooks.example.com", True), ("other.example.com", False)):
            sent = await post(
                f"https://{host}:{server.server_port}/",
                b"{}",
                {},
                allow_networks=HERE,
                find=find,
                context=trusting,
            )
            assert sent.ok is ok
        assert sent.answer == "TLS failed"
        untrusted = await post(
            f"https://hooks.example.com:{server.server_port}/",
            b"{}",
            {},
            allow_networks=HERE,
            find=find,
        )
        assert untrusted.answer == "TLS failed"


async def test_what_cannot_be_reached_is_said() -> None:
    with receiver() as server:
        port = server.server_port
    sent = await post(f"http://127.0.0.1:{port}/", b"{}", {}, allow_networks=HERE)
    assert (sent.ok, sent.final, sent.answer) == (False, False, "cannot be reached")


async def test_what_does_not_speak_http_is_said() -> None:
    async def garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(garble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sent = await post(f"http://127.0.0.1:{port}/", b"{}", {}, allow_networks=HERE)
    assert (sent.ok, sent.answer) == (False, "does not speak HTTP")


@given(st.ip_addresses(network="127.0.0.0/8") | st.ip_addresses(network="10.0.0.0/8"))
def test_no_spelling_of_a_private_address_passes(address) -> None:
    assert check_url(f"https://{address}/")
    mapped = f"::ffff:{address}"
    assert check_url(f"https://[{mapped}]/")
    low = int(address)
    assert check_url(f"https://[64:ff9b::{low >> 16:x}:{low & 0xFFFF:x}]/")
    assert check_url(f"https://[2002:{low >> 16:x}:{low & 0xFFFF:x}::1]/")
