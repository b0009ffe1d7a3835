"""Failures: how they are named without leaking content, and which of them close the way.

The message of an exception is often built from the text being handled, so it is never kept,
logged or sent. The exception's type and the place it was raised at say enough to find it.
"""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import TYPE_CHECKING

from rune_core.errors import RulesError
from rune_core.policy.globs import globs
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.policy.model import FailRule

POLICY_LAYER = "policy"
REDACTION_LAYER = "redaction"
PIPELINE_LAYER = "pipeline"
VALUE_LAYER = "value"

_CLOSED_FOR_ANY_CALL = frozenset((POLICY_LAYER, PIPELINE_LAYER))


MAX_REASON = 500
_MAX_KNOWN = 256
_known: set[tuple[str, str]] = set()


def log_failure(log: logging.Logger, what: str, reason: str) -> None:
    """Log a failure as an error the first time, at DEBUG when it comes again.

    What is broken stays broken for every text that follows; a host's log is not ours to fill.
    Every single failure is counted in ``shield.stats``.
    """
    first = (what, reason) not in _known
    if first and len(_known) < _MAX_KNOWN:
        _known.add((what, reason))
    log.log(logging.ERROR if first else logging.DEBUG, "%s: %s", what, reason)


def describe(error: BaseException) -> str:
    """Type and place of an exception, such as ``KeyError at scanner.py:12``.

    RulesError alone speaks for itself: it is made before any text is looked at, from rule files,
    and whoever has to mend them needs to know which.
    """
    if type(error) is RulesError:
        text = str(error)
        return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} …"
    trace = error.__traceback__
    if trace is None:
        return type(error).__name__
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = PurePath(trace.tb_frame.f_code.co_filename).name
    return f"{type(error).__name__} at {file}:{trace.tb_lineno}"


def closes(
    layer: str, surface: Surface, tool_risk: str | None, overrides: tuple[FailRule, ...]
) -> bool:
    """Whether the failure of a layer stops the text or call (fail closed).

    The policies' ``on_error`` comes first; then this table, which ``docs/fail-modes.md``
    explains:

    - a failed redaction closes everywhere: the harmful part is known and still there;
    - on tool calls of high risk, a failure of layer 1, of the policy or of the pipeline closes;
    - on other tool calls a failure of the policy or the pipeline closes unless the risk is low;
    - everything else stays open, and the result says ``degraded``.
    """
    for rule in overrides:
        if (
            surface in rule.surfaces
            and (not rule.tool_risk or tool_risk in rule.tool_risk)
            and globs((rule.layer,))(layer)
        ):
            return rule.closed
    if layer == REDACTION_LAYER:
        return True
    if surface is not Surface.TOOL_CALL:
        return False
    if layer in _CLOSED_FOR_ANY_CALL:
        return tool_risk != "low"
    return tool_risk == "high" and layer in ("l1_rules", "policy_patterns", VALUE_LAYER)
