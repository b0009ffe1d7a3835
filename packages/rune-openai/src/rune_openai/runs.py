"""Which run of the Agents SDK is going on."""

from __future__ import annotations

from threading import Lock
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from agents import get_current_span, get_current_trace

from rune_openai.ids import id_in_run

_lock = Lock()
_traces: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def run_marks() -> tuple[str, ...]:
    """Stand for the run that this task belongs to, while it is going on.

    Read off the SDK's tracing, where a run has a trace of its own unless the application began one
    around it, and turns, calls and questions are told in spans below the agent's. Inside a trace of
    the application nothing stands for the run alone once tracing is disabled.
    """
    span: Any = get_current_span()
    spans = () if span is None else (span.span_id, span.parent_id)
    marks = tuple(str(one) for one in spans if one and one != _NONE)
    trace = get_current_trace()
    if trace is None:
        return marks
    with _lock:
        return (*marks, _traces.setdefault(trace, uuid4().hex))


def ids_of_call(call_id: str | None) -> tuple[str, ...]:
    """Ids by which the run of a call may be known: in the run that is going on, and alone."""
    if not call_id:
        return ()
    return (*(id_in_run(call_id, mark) for mark in run_marks()), call_id)


_NONE = "no-op"  # the id of every span that nobody records
