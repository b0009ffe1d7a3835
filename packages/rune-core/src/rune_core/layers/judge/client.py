"""The request to the judge: any OpenAI-compatible ``/chat/completions``.

It has HTTP clients of its own, which no adapter guards. Retries, the time they may take together
and the size of an answer are bounded. What goes wrong is named by status and kind, never by what
was sent or answered.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rune_core.forks import import_http, in_child, unforked
from rune_core.http import async_transport, new_request, transport
from rune_core.version import VERSION

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    import httpx
    import tenacity

    from rune_core.layers.judge.settings import JudgeSettings

ATTEMPTS: Final = 3
MAX_ANSWER_BYTES: Final = 262_144
_TRY_AGAIN: Final = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
_NOT_SO: Final = frozenset((400, 415, 422, 501))
"""Statuses by which providers refuse a request that asks for a schema."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send one request to the judge. An effect; answered with the body of the answer.

    Attributes:
        client: Who sends it.
        body: The request's body. Not part of ``repr``.
        seconds: Time for it, retries included.
    """

    client: JudgeClient
    body: Mapping[str, Any]
    seconds: float

    def __repr__(self) -> str:
        return f"Send(seconds={self.seconds:g})"


class JudgeFailedError(Exception):
    """No answer came. The message says why, without content.

    Attributes:
        again: Whether the same request may succeed later.
        after: Seconds that the server asks to wait; 0 when it does not say.
        refused_format: Whether it may be the schema that was refused.
    """

    def __init__(
        self, why: str, *, again: bool = False, after: float = 0.0, refused_format: bool = False
    ) -> None:
        super().__init__(why)
        self.again = again
        self.after = after
        self.refused_format = refused_format


class JudgeTimeoutError(JudgeFailedError):
    """The time was up."""


class JudgeClient:
    """Asks one judge. Threads and event loops may share it; nothing is opened until used.

    Args:
        settings: Where it is.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: httpx.HTTPTransport | None = None
        self._context: ssl.SSLContext | None = None
        self._closed = False
        in_child(self._forked)

    def send(self, body: Mapping[str, Any], seconds: float) -> bytes:
        """Send one request on this thread.

        The time is checked between pieces of the answer, each of which may take what was left
        when the request went out: a server that drips can take up to twice ``seconds``.

        Raises:
            JudgeFailedError: No answer came; JudgeTimeoutError when the time was up.
        """
        _import_all()
        deadline = time.monotonic() + seconds

        def once() -> bytes:
            asked = self._asked(body, _left(deadline))
            with _faults(), closing(self._pooled().handle_request(asked)) as response:
                return _read(response, response.iter_bytes(), deadline)

        return _retrying(seconds)(once)

    async def asend(self, body: Mapping[str, Any], seconds: float) -> bytes:
        """``send`` on the running event loop, never longer than ``seconds``.

        The connection is closed with the question: a loop may end at any time.
        """
        _import_all()
        deadline = time.monotonic() + seconds
        with unforked():
            client = async_transport(self._settings.url, self._tls())

        async def once() -> bytes:
            asked = self._asked(body, _left(deadline))
            with _faults():
                response = await client.handle_async_request(asked)
                async with aclosing(response):
                    return await _aread(response, response.aiter_bytes(), deadline)

        try:
            async with asyncio.timeout(seconds), client:
                return await _aretrying(seconds)(once)
        except TimeoutError:
            raise JudgeTimeoutError("no answer in time") from None

    def close(self) -> None:
        """Close the connections, for good."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def __repr__(self) -> str:
        return f"JudgeClient(url={self._settings.url!r})"

    # -- inside

    def _pooled(self) -> httpx.HTTPTransport:
        with unforked(), self._lock:
            if self._closed:
                raise JudgeFailedError("closed on our side")
            if self._client is None:
                self._client = transport(self._settings.url, self._tls())
            return self._client

    def _forked(self) -> None:
        # The parent's sockets must not be spoken on.
        self._lock = threading.Lock()
        self._client = None

    def _tls(self) -> ssl.SSLContext | None:
        if self._context is None and self._settings.is_encrypted:
            import ssl

            import certifi

            context = ssl.create_default_context()
            # A container image often has no certificates of its own.
            context.load_verify_locations(certifi.where())
            self._context = context
        return self._context

    def _asked(self, body: Mapping[str, Any], seconds: float) -> httpx.Request:
        headers = {"User-Agent": f"rune-core/{VERSION}", "Accept": "application/json"}
        if self._settings.key is not None:
            headers["Authorization"] = f"Bearer {self._settings.key}"
        return new_request(
            "POST",
            f"{self._settings.url}/chat/completions",
            headers=headers,
            timeout=seconds,
            json=body,
        )


def _import_all() -> None:
    """Import what a question needs while nobody may fork."""
    with unforked():
        import_http()
        import tenacity  # noqa: F401


@contextmanager
def _faults() -> Iterator[None]:
    """Name what went wrong on the way as one of our errors."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        raise _failure(error) from None


def _retrying(seconds: float) -> tenacity.Retrying:
    import tenacity

    return tenacity.Retrying(**_retries(seconds))


def _aretrying(seconds: float) -> tenacity.AsyncRetrying:
    import tenacity

    return tenacity.AsyncRetrying(**_retries(seconds))


def _retries(seconds: float) -> dict[str, Any]:
    import tenacity

    return {
        "retry": tenacity.retry_if_exception(
            lambda error: isinstance(error, JudgeFailedError) and error.again
        ),
        "stop": tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(seconds),
        "wait": _pause(tenacity.wait_random_exponential(multiplier=0.25, max=4.0)),
        "reraise": True,
    }


def _pause(
    usual: Callable[[tenacity.RetryCallState], float],
) -> Callable[[tenacity.RetryCallState], float]:
    """The usual pause, or as long as the server asks for."""

    def seconds(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.after if isinstance(error, JudgeFailedError) else 0.0
        return max(asked, usual(state))

    return seconds


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise JudgeTimeoutError("no answer in time")
    return left


def _read(response: httpx.Response, pieces: Iterator[bytes], deadline: float) -> bytes:
    _check(response)
    body = bytearray()
    for piece in pieces:
        body += piece
        _check_progress(body, deadline)
    return bytes(body)


async def _aread(response: httpx.Response, pieces: AsyncIterator[bytes], deadline: float) -> bytes:
    _check(response)
    body = bytearray()
    async for piece in pieces:
        body += piece
        _check_progress(body, deadline)
    return bytes(body)


def _check_progress(body: bytearray, deadline: float) -> None:
    if len(body) > MAX_ANSWER_BYTES:
        raise JudgeFailedError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    _left(deadline)


def _check(response: httpx.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    raise JudgeFailedError(
        f"HTTP {status}",
        again=status in _TRY_AGAIN,
        after=_retry_after(response.headers.get("Retry-After", "")),
        refused_format=status in _NOT_SO,
    )


def _retry_after(value: str) -> float:
    return min(float(value), 3600.0) if value.isascii() and value.isdigit() else 0.0


def _failure(error: Exception) -> JudgeFailedError:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return JudgeTimeoutError("no answer in time")
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return JudgeFailedError("cannot connect", again=True)
    if isinstance(error, httpx.TransportError):
        return JudgeFailedError(f"broken off ({type(error).__name__})", again=True)
    return JudgeFailedError(f"cannot be asked ({type(error).__name__})")
