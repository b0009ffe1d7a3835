"""Errors of rune-core.

::

    RuneError
    ├── ConfigError           an argument or environment variable that cannot be used
    ├── PolicyError           one fault in one policy file (path, line, key, message, hint)
    ├── PolicyLoadError       every PolicyError of a load, all at once
    ├── RulesError            layer 1 cannot run: its rules do not load or compile
    ├── ModelError            layer 2 cannot run: its model's files are missing or damaged
    ├── JournalError          the journal cannot be read: another key, or changed since
    ├── TraceError            a file of agent traces that cannot be read
    ├── PluginError           a plug-in that cannot be registered
    ├── UnguardableError      a function or value that cannot be guarded (also a TypeError)
    ├── ShieldClosedError     a Shield used after close()
    ├── ShieldBlockedError    a guarded text or call was stopped
    └── ServerError           a Rune server did not do what it was asked; never raised by a scan
        ├── ServerUnreachableError  no answer: no name, no connection, TLS, time-out
        ├── ServerAnswerError       an answer that is none of the protocol's
        └── ServerStatusError       an answer with an error status
            ├── ServerBusyError         later, perhaps: 429 and 5xx
            └── ServerRefusedError      not like this: other 4xx
                └── KeyRefusedError     401 and 403: the API key

No message here repeats scanned content, so every one of them may be logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rune_core.policy.decision import Decision
    from rune_core.result import ScanResult


class RuneError(Exception):
    """Base of everything that rune-core raises on purpose."""


class ConfigError(RuneError, ValueError):
    """An argument, environment variable or configuration key that cannot be used."""


class PolicyError(RuneError):
    """One fault in a policy file.

    Attributes:
        path: The file, as it was given.
        line: 1-based line of the key; 0 when the fault is the file's.
        key: The YAML key, such as ``rules[2].action``; empty when none is to blame.
        message: What is wrong.
        hint: The way out.
    """

    def __init__(
        self, path: str, message: str, *, line: int = 0, key: str = "", hint: str = ""
    ) -> None:
        self.path = path
        self.line = line
        self.key = key
        self.message = message
        self.hint = hint
        where = f"{path}:{line}" if line else path
        subject = f" {key}:" if key else ""
        tail = f" ({hint})" if hint else ""
        super().__init__(f"{where}:{subject} {message}{tail}")


class PolicyLoadError(RuneError):
    """Every fault found while loading policies, so that all can be mended in one go.

    Attributes:
        errors: The faults, ordered by path and line.
    """

    def __init__(self, errors: Sequence[PolicyError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.path, error.line)))
        noun = "fault" if len(self.errors) == 1 else "faults"
        lines = "\n".join(f"  {error}" for error in self.errors)
        super().__init__(f"{len(self.errors)} {noun} in policy files:\n{lines}")


class RulesError(RuneError):
    """The rules of layer 1 cannot be loaded or compiled. Names files and rules."""


class ModelError(RuneError):
    """The model of layer 2 cannot be loaded. Names the file and the way out."""


class JournalError(RuneError):
    """The journal cannot be read. Names the file and the way out."""


class TraceError(RuneError):
    """A file of agent traces cannot be read. Names the file, the line and what is expected."""


class PluginError(RuneError):
    """A plug-in, or something that it registered, does not fit the hook."""


class UnguardableError(RuneError, TypeError):
    """A function or a value that cannot be guarded without changing what it does."""


class ShieldClosedError(RuneError):
    """A Shield was used after ``close()``."""


class ShieldBlockedError(RuneError):
    """A guarded text or tool call was stopped.

    The message names the rule and the reason, never the content.

    Attributes:
        scan_result: The whole result, with findings, reports and decision.
        policy_result: The decision: ``scan_result.decision``.
    """

    def __init__(self, scan_result: ScanResult, message: str = "") -> None:
        self.scan_result = scan_result
        self.policy_result: Decision = scan_result.decision
        self.message = message or scan_result.explanation
        super().__init__(self.message)

    def __reduce__(self) -> tuple[type[ShieldBlockedError], tuple[ScanResult, str]]:
        """Pickle by what the constructor takes, so that process pools can hand it back."""
        return type(self), (self.scan_result, self.message)


class ServerError(RuneError):
    """A Rune server did not do what it was asked. The message names the server, never the key."""


class ServerUnreachableError(ServerError):
    """No answer came.

    Attributes:
        reason: ``dns``, ``connect``, ``tls``, ``timeout``, ``proxy``, ``network`` or ``closed``.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


class ServerAnswerError(ServerError):
    """An answer came that is none of the protocol's: another server, a proxy, too large."""


class ServerStatusError(ServerError):
    """An answer with an error status.

    Attributes:
        status: The HTTP status.
        code: The machine-readable ``code`` of the problem document; empty when there is none.
        retry_after: Seconds to wait that the server asks for; None when it does not.
        rate_limits: The ``X-Rune-Rate-Limits`` header; empty when there is none.
        faults: Where the request is wrong, as far as the server says: ``where``, ``line`` and
            ``reason`` of each, at most 100.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        retry_after: float | None = None,
        rate_limits: str = "",
        faults: Sequence[Mapping[str, str | int]] = (),
    ) -> None:
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.rate_limits = rate_limits
        self.faults = tuple(faults)
        super().__init__(message)


class ServerBusyError(ServerStatusError):
    """The server cannot now: 429, 5xx. The same request may pass later."""


class ServerRefusedError(ServerStatusError):
    """The server will not: another 4xx. The same request would be refused again."""


class KeyRefusedError(ServerRefusedError):
    """The API key is unknown, expired or revoked (401), or lacks a permission (403)."""
