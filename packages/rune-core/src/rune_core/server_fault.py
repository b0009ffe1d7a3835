"""What went wrong between us and a server, as one of our errors (see ``rune_core.errors``)."""

from __future__ import annotations

import json
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from rune_core.errors import (
    KeyRefusedError,
    ServerAnswerError,
    ServerBusyError,
    ServerError,
    ServerRefusedError,
    ServerUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RETRY_AFTER = 86_400.0
_MAX_DETAIL = 200
_MAX_FAULTS = 100


def status_error(
    url: str, status: int, headers: Mapping[str, str], body: bytes, *, secret: str
) -> ServerError:
    """The error that an answer with this status stands for.

    Args:
        url: The server, for the message.
        status: The HTTP status; none of the good ones.
        headers: Names in lower case.
        body: The body: a problem document (RFC 9457), or anything.
        secret: The key, which is cut from what the server says.
    """
    if 300 <= status < 400:
        return ServerAnswerError(
            f"{url} answers {status}, a redirection, which is not followed: "
            "set url to the address that it leads to"
        )
    if status < 400:
        return ServerAnswerError(f"{url} answers {status}, which is none of the protocol's")
    problem = _problem(body)
    title, detail = (clean(problem.get(name), secret) for name in ("title", "detail"))
    message = ": ".join(part for part in (f"{url} answers {status}", title, detail) if part)
    kind: type[ServerBusyError | ServerRefusedError] = ServerRefusedError
    if status in (401, 403):
        kind = KeyRefusedError
    elif status in (408, 425, 429) or status >= 500:
        kind = ServerBusyError
    return kind(
        message,
        status=status,
        code=clean(problem.get("code"), secret),
        retry_after=retry_after(headers.get("retry-after"), headers.get("date")),
        rate_limits=headers.get("x-rune-rate-limits") or "",
        faults=_faults(problem, secret),
    )


def _faults(problem: Mapping[str, Any], secret: str) -> list[dict[str, str | int]]:
    """The places that a problem document names, each with text that is safe to show."""
    given = problem.get("errors")
    found: list[dict[str, str | int]] = []
    for each in given[:_MAX_FAULTS] if isinstance(given, list) else ():
        if isinstance(each, dict):
            line = each.get("line")
            found.append(
                {
                    "where": clean(each.get("where"), secret),
                    "line": line if isinstance(line, int) else 0,
                    "reason": clean(each.get("reason"), secret),
                }
            )
    return found


def transport_error(url: str, error: Exception) -> ServerError:
    """The error that an exception of httpx stands for."""
    import httpx

    if isinstance(error, httpx.TransportError | httpx.StreamError):
        reason, message = _transport_fault(error)
        return ServerUnreachableError(f"{url}: {message}", reason=reason)
    return ServerAnswerError(f"{url}: the answer cannot be read ({type(error).__name__})")


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds of a ``Retry-After`` header: 0 to a day; None when it cannot be read.

    Args:
        value: The header: seconds, or a date (RFC 9110, 10.2.3).
        date: The answer's ``Date`` header. A date is counted from there, so that a clock that is
            wrong on either side does no harm.
    """
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip()[:1].isdigit() else _until(value, date)
    except (ValueError, TypeError, OverflowError):
        return None
    if seconds != seconds:  # NaN
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _until(value: str, date: str | None) -> float:
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    return (_aware(parsedate_to_datetime(value)) - _aware(now)).total_seconds()


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def clean(text: object, secret: str = "") -> str:
    """What a server says, fit for a log: one short line, without the key if it repeats it."""
    if not isinstance(text, str):
        return ""
    if secret:
        text = text.replace(secret, "***")
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= _MAX_DETAIL else f"{line[:_MAX_DETAIL]} …"


def _problem(body: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _transport_fault(error: Exception) -> tuple[str, str]:
    """What kept an answer from coming, as a word and as a sentence."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return "timeout", "no answer in time"
    if isinstance(error, httpx.ProxyError):
        return "proxy", "the proxy of the environment refused"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls", f"TLS: {said(cause)}"
        if isinstance(cause, socket.gaierror):
            return "dns", "the name cannot be resolved"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return "connect", "no connection"
    return "network", f"the connection broke ({type(error).__name__})"


def said(error: OSError) -> str:
    """The reason of an operating system's or TLS error, which holds no content."""
    verify = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    return str(verify or error.strerror or type(error).__name__)
