"""The connection to a Rune server: what everything that talks to one shares.

Address, key, certificates, time-outs, the headers of every request, one pooled client per process
and the errors of the protocol. ``httpx`` is imported by the first request, not by this module.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
import threading
import time
import weakref
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from rune_core.endpoint import checked_key, server_url
from rune_core.errors import ConfigError, ServerAnswerError, ServerUnreachableError
from rune_core.forks import import_http, in_child, unforked
from rune_core.http import async_transport, new_request, transport
from rune_core.instance import instance_id
from rune_core.server_answer import Answer
from rune_core.server_fault import said, status_error, transport_error
from rune_core.version import VERSION

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncIterator, Iterator, Mapping

    import httpx

    from rune_core.config import ShieldConfig
    from rune_core.errors import ServerError

_log = logging.getLogger("rune_core.connection")
USER_AGENT = f"rune-core/{VERSION}"
KEY_HEADER = "X-Rune-Key"
INSTANCE_HEADER = "X-Rune-Instance"
MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_PROBLEM_BYTES = 65_536
_GOOD = frozenset((200, 201, 202, 204, 304))


class Connection:
    """The way to one server. Threads and processes may share it; nothing is opened until used.

    After a fork the child opens connections of its own.

    Args:
        config: ``url``, ``api_key``, ``ca_file``, ``tls_verify``, ``allow_http`` and
            ``connection_timeout_seconds``; the first two must be given.

    Raises:
        ConfigError: A setting cannot be used. Names it, and never holds the key.
    """

    _lock: threading.Lock
    _client: httpx.HTTPTransport | None
    _sockets: weakref.WeakSet[socket.socket]
    _async_clients: weakref.WeakKeyDictionary[AbstractEventLoop, httpx.AsyncHTTPTransport]

    def __init__(self, config: ShieldConfig) -> None:
        self.url = server_url(config.url, allow_http=config.allow_http)
        self._key = checked_key(config.api_key)
        self.timeout = config.connection_timeout_seconds
        self.ca_file = config.ca_file
        self.tls_verify = config.tls_verify
        if self.ca_file is not None:
            self.ssl_context()  # its faults should show at start-up
        if not self.tls_verify and self.is_encrypted:
            _log.warning("tls_verify is off: anybody on the way can pose as %s", self.url)
        self._closed = False
        self._reset()
        in_child(self._reset)

    @staticmethod
    def of(config: ShieldConfig) -> Connection | None:
        """The connection that the settings ask for; None when they name no server or no key.

        Raises:
            ConfigError: As the constructor.
        """
        if config.url is None or config.api_key is None:
            if config.url is not None or config.api_key is not None:
                has, lacks = ("url", "api_key") if config.url else ("api_key", "url")
                _log.warning("%s is set but %s is not: nothing is sent or fetched", has, lacks)
            return None
        return Connection(config)

    @property
    def is_encrypted(self) -> bool:
        """Whether the address is ``https``."""
        return self.url.startswith("https:")

    @property
    def identity(self) -> str:
        """Tells servers and organisations apart on disk: a hash of address and key.

        It gives nothing of the key away: that is 256 random bits.
        """
        return hashlib.sha256(f"{self.url}\0{self._key}".encode()).hexdigest()[:32]

    @property
    def instance(self) -> str:
        """The instance id that is sent with every request."""
        return instance_id()

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        seconds: float | None = None,
    ) -> Answer:
        """Send one request and read the whole answer.

        Args:
            method: The HTTP method.
            path: Path below the server's address, such as ``/v1/policies``.
            content: The body.
            headers: Headers besides those of every request.
            max_bytes: Longest answer that is read, after decompression.
            seconds: Time for the whole answer; by default three times ``timeout``. Checked
                between pieces of the answer; each piece has ``timeout`` of its own.

        Raises:
            ServerError: See ``rune_core.errors``; one of its subclasses.
        """
        deadline = time.monotonic() + (3 * self.timeout if seconds is None else seconds)
        with self.open(method, path, content=content, headers=headers) as response:
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                _check_progress(len(body), max_bytes, deadline, self.url)
            return Answer(response.status_code, dict(response.headers), bytes(body))

    async def arequest(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        seconds: float | None = None,
    ) -> Answer:
        """``request`` on an event loop."""
        deadline = time.monotonic() + (3 * self.timeout if seconds is None else seconds)
        async with self.aopen(method, path, content=content, headers=headers) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                _check_progress(len(body), max_bytes, deadline, self.url)
            return Answer(response.status_code, dict(response.headers), bytes(body))

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = None,
    ) -> Iterator[httpx.Response]:
        """Send one request and leave the answer's body to be read, as for a stream.

        Args:
            method: As in ``request``.
            path: As in ``request``.
            content: As in ``request``.
            headers: As in ``request``.
            read_timeout: Longest silence within the body, in seconds; by default ``timeout``.

        Raises:
            ServerError: One of its subclasses; also for what goes wrong while reading.
        """
        client = self.client()

        with self._faults():
            asked = self._asked(method, path, content, headers, {"trace": self._trace})
            response = client.handle_request(asked)
            try:
                if response.status_code not in _GOOD:
                    problem = bytearray()
                    for piece in response.iter_bytes():
                        problem += piece
                        if len(problem) > _MAX_PROBLEM_BYTES:
                            break
                    raise self._refusal(response, bytes(problem))
                _allow_silence(asked, read_timeout)
                yield response
            finally:
                response.close()

    @asynccontextmanager
    async def aopen(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """``open`` on an event loop."""
        client = self.async_client()

        with self._faults():
            asked = self._asked(method, path, content, headers)
            response = await client.handle_async_request(asked)
            try:
                if response.status_code not in _GOOD:
                    problem = bytearray()
                    async for piece in response.aiter_bytes():
                        problem += piece
                        if len(problem) > _MAX_PROBLEM_BYTES:
                            break
                    raise self._refusal(response, bytes(problem))
                _allow_silence(asked, read_timeout)
                yield response
            finally:
                await response.aclose()

    def client(self) -> httpx.HTTPTransport:
        """The pooled connections of this process, made by the first call."""
        # The lock comes second: a fork waits for unforked(), and must not find the lock held.
        with unforked(), self._lock:
            self._refuse_when_closed()
            if self._client is None:
                import_http()
                self._client = transport(self.url, self._tls())
            return self._client

    def async_client(self) -> httpx.AsyncHTTPTransport:
        """The pooled connections of the running event loop, made by the first call on it."""
        import asyncio

        loop = asyncio.get_running_loop()
        with unforked(), self._lock:
            self._refuse_when_closed()
            client = self._async_clients.get(loop)
            if client is None:
                import_http()
                client = async_transport(self.url, self._tls())
                self._async_clients[loop] = client
            return client

    def close(self) -> None:
        """Close the connections of this process's threads, for good.

        A thread that waits for an answer gets ServerUnreachableError at once, and so does every
        later request.
        """
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
            sockets = list(self._sockets)
        for opened in sockets:
            _shut(opened)
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        import asyncio

        with self._lock:
            client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def ssl_context(self) -> ssl.SSLContext:
        """The TLS settings: the system's and certifi's certificates, or those of ``ca_file``.

        Raises:
            ConfigError: ``ca_file`` holds no certificates.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"ca_file: {self.ca_file}: {said(error)}") from None
        if not self.tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca_file is None:
            import certifi

            # A container image often has no certificates of its own.
            context.load_verify_locations(certifi.where())
        return context

    def __repr__(self) -> str:
        return f"Connection(url={self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Connection holds a key and open sockets: make one where it is used")

    # -- inside

    def _reset(self) -> None:
        """Forget every client. After a fork the parent's sockets must not be spoken on."""
        self._lock = threading.Lock()
        self._client = None
        self._async_clients = weakref.WeakKeyDictionary()
        self._sockets = weakref.WeakSet()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise ServerUnreachableError(f"{self.url}: closed on our side", reason="closed")

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember each socket that httpcore opens: a thread waiting on one can be woken."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            opened = info["return_value"].get_extra_info("socket")
            if isinstance(opened, socket.socket):
                with self._lock:
                    self._sockets.add(opened)
                    closed = self._closed
                if closed:  # by another thread, while this one was connecting
                    _shut(opened)

    def _tls(self) -> ssl.SSLContext | None:
        return self.ssl_context() if self.is_encrypted else None

    def _asked(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        extensions: Mapping[str, Any] | None = None,
    ) -> httpx.Request:
        return new_request(
            method,
            self.url + path,
            headers=self._headers(headers),
            timeout=self.timeout,
            content=content,
            extensions=extensions,
        )

    def _headers(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        return {
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            INSTANCE_HEADER: self.instance,
            **(extra or {}),
            KEY_HEADER: self._key,
        }

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Name what went wrong on the way as one of our errors."""
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise transport_error(self.url, error) from None

    def _refusal(self, response: httpx.Response, body: bytes) -> ServerError:
        status, headers = response.status_code, response.headers
        return status_error(self.url, status, headers, body, secret=self._key)


def _allow_silence(request: httpx.Request, seconds: float | None) -> None:
    """Let the body take longer than the headers did. httpcore looks here when it reads one."""
    if seconds is not None:
        request.extensions["timeout"]["read"] = seconds


def _shut(opened: socket.socket) -> None:
    """Wake whoever waits on a socket."""
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _check_progress(size: int, max_bytes: int, deadline: float, url: str) -> None:
    if size > max_bytes:
        raise ServerAnswerError(f"{url}: the answer is longer than {max_bytes} bytes")
    if time.monotonic() > deadline:
        raise ServerUnreachableError(f"{url}: the answer came too slowly", reason="timeout")
