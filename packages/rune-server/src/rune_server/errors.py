"""What can go wrong for a caller, as exceptions that carry their HTTP answer (RFC 9457).

::

    ServerError
    ├── ConfigurationError          the operator's: a setting that cannot be used; ends start-up
    └── ProblemError                     the caller's: becomes application/problem+json
        ├── InvalidError            400  malformed
        ├── UnauthenticatedError    401  no valid key or session
        ├── ForbiddenError          403  known, but not allowed
        ├── NotFoundError           404  does not exist, or not in the caller's organisation
        ├── RequestTimeoutError     408  the body came too slowly
        ├── ConflictError           409  does not fit with what is there
        ├── PreconditionFailedError 412  changed since the caller read it
        ├── TooLargeError           413
        ├── UnsupportedError        415
        ├── UnprocessableError      422  well-formed, but does not make sense; ``errors`` says where
        ├── PreconditionRequiredError 428  does not say what it is based on
        ├── TooManyRequestsError    429  with Retry-After
        └── UnavailableError        503  with Retry-After
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class ServerError(Exception):
    """The root of rune-server's exceptions."""


class ConfigurationError(ServerError):
    """A setting cannot be used. The message names it and says what would do."""


class ProblemError(ServerError):
    """An answer to a caller. ``detail`` is shown to them: never content, keys or internals.

    Args:
        detail: One sentence for the caller.
        code: A stable identifier for programs; by default the class's.
        errors: Where it is wrong: ``{"where": "rules[0].when", "line": 7, "reason": "…"}``.
        retry_after: Seconds after which trying again makes sense.
        headers: Further response headers.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    default_code: ClassVar[str] = "internal"

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        errors: Sequence[dict[str, Any]] = (),
        retry_after: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.code = code or self.default_code
        self.errors = list(errors)
        self.retry_after = retry_after
        self.headers = list(headers)

    def document(self) -> dict[str, Any]:
        """The problem+json body."""
        found: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            found["detail"] = self.detail
        if self.errors:
            found["errors"] = self.errors
        return found

    def all_headers(self) -> list[tuple[str, str]]:
        """Response headers, the content type and Retry-After among them."""
        found = [("content-type", "application/problem+json"), *self.headers]
        if self.retry_after is not None:
            found.append(("retry-after", str(max(1, round(self.retry_after)))))
        return found


class InvalidError(ProblemError):
    """The request is malformed."""

    status, title, default_code = 400, "Malformed request", "malformed"


class UnauthenticatedError(ProblemError):
    """No valid key or session."""

    status, title, default_code = 401, "Not signed in", "unauthenticated"


class ForbiddenError(ProblemError):
    """The caller is known but may not."""

    status, title, default_code = 403, "Not allowed", "forbidden"


class NotFoundError(ProblemError):
    """Nothing of this id in the caller's organisation."""

    status, title, default_code = 404, "Not found", "not_found"


class RequestTimeoutError(ProblemError):
    """The body came too slowly."""

    status, title, default_code = 408, "Request timeout", "timeout"


class ConflictError(ProblemError):
    """It does not fit with what is there, or is already there."""

    status, title, default_code = 409, "Conflict", "conflict"


class PreconditionFailedError(ProblemError):
    """It changed since the caller read it."""

    status, title, default_code = 412, "Changed meanwhile", "changed_meanwhile"


class TooLargeError(ProblemError):
    """More than is taken in one request."""

    status, title, default_code = 413, "Too large", "too_large"


class UnsupportedError(ProblemError):
    """A media type or encoding that is not spoken here."""

    status, title, default_code = 415, "Unsupported media type", "unsupported"


class UnprocessableError(ProblemError):
    """Well-formed, but it does not make sense."""

    status, title, default_code = 422, "Cannot be processed", "unprocessable"


class PreconditionRequiredError(ProblemError):
    """An edit that does not say which version it is based on."""

    status, title, default_code = 428, "Version required", "version_required"


class TooManyRequestsError(ProblemError):
    """Over a limit. Carries Retry-After."""

    status, title, default_code = 429, "Too many requests", "rate_limited"


class UnavailableError(ProblemError):
    """A store is down or full. Carries Retry-After."""

    status, title, default_code = 503, "Temporarily unavailable", "unavailable"
