"""What the ``rune`` command exits with, and how errors become one line."""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from traceback import extract_tb

from rune_core.cli.text import printable


class ExitCode(IntEnum):
    """Exit codes of every ``rune`` command."""

    OK = 0
    """Nothing at or above the threshold; every check passed."""
    FINDINGS = 1
    """Something was found, or a check failed."""
    USAGE = 2
    """A wrong argument, or rules or policies that do not load."""
    NOT_SCANNED = 3
    """Something could not be scanned, and what could be is below the threshold."""
    INTERNAL = 70
    """A fault in Rune."""
    INTERRUPTED = 130
    """Ctrl-C."""
    PIPE_CLOSED = 141
    """Whoever read the output stopped reading, as in ``rune rules list | head``."""


class CliError(Exception):
    """A mistake the user can mend. The message is one line, or a heading and indented lines."""

    def __init__(self, message: str, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.code = code


def debugging() -> bool:
    """Whether ``RUNE_DEBUG`` asks for tracebacks."""
    return os.environ.get("RUNE_DEBUG", "").strip().lower() in ("1", "true", "yes", "on")


def report(error: BaseException) -> ExitCode:
    """Print ``error`` on stderr as a user should see it and say what to exit with.

    Messages of errors that Rune raises on purpose hold no scanned content and are shown. Of any
    other exception only the type and the place are shown: its message may be built from content.
    """
    from rune_core.errors import RuneError
    from rune_core.failure import describe
    from rune_scanner.errors import ScannerError

    if debugging():
        for frame in extract_tb(error.__traceback__):
            line = f"  {frame.filename}:{frame.lineno} in {frame.name}"
            print(line, file=sys.stderr)  # noqa: T201 - a command line prints
    if isinstance(error, KeyboardInterrupt):
        say("interrupted")
        return ExitCode.INTERRUPTED
    if isinstance(error, CliError):
        say(f"error: {error}")
        return error.code
    if isinstance(error, RuneError | ScannerError):
        say(f"error: {error}")
        return ExitCode.USAGE
    if isinstance(error, OSError) and error.filename is not None:
        say(f"error: {error.filename}: {error.strerror}")
        return ExitCode.USAGE
    hint = "" if debugging() else "; RUNE_DEBUG=1 shows where"
    say(f"internal error: {describe(error)}{hint}. This is a fault in Rune: please report it.")
    return ExitCode.INTERNAL


def say(message: str) -> None:
    """Print a message of Rune's own on stderr."""
    lines = message.split("\n")
    text = "\n".join(printable(line) for line in lines)
    print(f"rune: {text}", file=sys.stderr)  # noqa: T201 - a command line prints
