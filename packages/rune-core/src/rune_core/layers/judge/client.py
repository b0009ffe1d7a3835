"""The request to the judge: any OpenAI-compatible ``/chat/completions``.

It has HTTP clients of its own, which no adapter guards. Retries, the time they may take together
and the size of an answer are bounded. What goes wrong is named by status and kind, never by what
was sent or answered.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rune_core.forks import import_http, in_child, unforked
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
        self._client: httpx.Client | None = None
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
        with unforked():
            import_http()
            import httpx
            import tenacity

        deadline = time.monotonic() + seconds
        client = self._pooled()

        def once() -> bytes:
            left = _left(deadline)
            try:
                with client.stream("POST", **self._request(body), timeout=left) as response:
                    return _read(response, response.iter_bytes(), deadline)
            except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
                raise _failure(error) from None

        return tenacity.Retrying(**_retries(seconds))(once)

    async def asend(self, body: Mapping[str, Any], seconds: float) -> bytes:
        """``send`` on the running event loop, never longer than ``seconds``.

        The connection is closed with the question: a loop may end at any time.
        """
        with unforked():
            import_http()
            import httpx
            import tenacity

        deadline = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds), httpx.AsyncClient(**self._options()) as client:

                async def once() -> bytes:
                    left = _left(deadline)
                    try:
                        async with client.stream(
                            "POST", **self._request(body), timeout=left
                        ) as response:
                            return await _aread(response, response.aiter_bytes(), deadline)
                    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
                        raise _failure(error) from None

                return await tenacity.AsyncRetrying(**_retries(seconds))(once)
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

    def _pooled(self) -> httpx.Client:
        with unforked(), self._lock:
            if self._closed:
                raise JudgeFailedError("closed on our side")
            if self._client is None:
                import httpx

                self._client = httpx.Client(**self._options())
            return self._client

    def _forked(self) -> None:
        # The parent's sockets must not be spoken on.
        self._lock = threading.Lock()
        self._client = None

    def _options(self) -> dict[str, Any]:
        return {
            "verify": self._tls() if self._settings.is_encrypted else False,
            # A proxy of the environment may carry what is encrypted; plain text stays here.
            "trust_env": self._settings.is_encrypted,
            "follow_redirects": False,
        }

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            import ssl

            import certifi

            context = ssl.create_default_context()
            # A container image often has no certificates of its own.
            context.load_verify_locations(certifi.where())
            self._context = context
        return self._context

    def _request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"User-Agent": f"rune-core/{VERSION}", "Accept": "application/json"}
        if self._settings.key is not None:
            headers["Authorization"] = f"Bearer {self._settings.key}"
        return {
            "url": f"{self._settings.url}/chat/completions",
            "json": body,
            "headers": headers,
        }


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
