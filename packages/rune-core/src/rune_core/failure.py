"""Failures: how they are named and logged without leaking content.

The message of an exception is often built from the text being handled, so it is never kept,
logged or sent. The exception's type and the place it was raised at say enough to find it.
"""

from __future__ import annotations

import logging
from pathlib import PurePath

from rune_core.errors import ConfigError, ModelError, RulesError

MAX_REASON = 500
_MAX_KNOWN = 256
_known: set[tuple[str, str]] = set()


def log_failure(log: logging.Logger, what: str, reason: str, *, level: int = logging.ERROR) -> None:
    """Log a failure at ``level`` the first time, at DEBUG when it comes again.

    What is broken stays broken for every text that follows; a host's log is not ours to fill.
    Every single failure is counted in ``shield.stats``.
    """
    first = (what, reason) not in _known
    if first and len(_known) < _MAX_KNOWN:
        _known.add((what, reason))
    log.log(level if first else logging.DEBUG, "%s: %s", what, reason)


def describe(error: BaseException) -> str:
    """Type and place of an exception, such as ``KeyError at scanner.py:12``.

    Errors about rule files, models and settings speak for themselves: they are made from what the
    operator wrote, not from a text, and whoever has to mend them needs to know which.
    """
    if type(error) in (RulesError, ModelError, ConfigError):
        text = str(error)
        return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} …"
    trace = error.__traceback__
    if trace is None:
        return type(error).__name__
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = PurePath(trace.tb_frame.f_code.co_filename).name
    return f"{type(error).__name__} at {file}:{trace.tb_lineno}"
