"""Tokens that a model reports, counted for budgets of ``max_tokens``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rune_core.session.session import Session

_PARTS = (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens"))


def count_usage(session: Session, usage: Any) -> None:
    """Count what a model reports in any of the usual forms; what is none of them counts nothing.

    Args:
        session: Whose tokens they are.
        usage: A mapping or object with ``total_tokens``, or with those of the prompt and the
            answer; None where the model tells nothing.
    """
    tokens = tokens_in(usage)
    if tokens:
        session.add_tokens(tokens)


def tokens_in(usage: Any) -> int:
    """The tokens in a report of usage; 0 where there are none."""
    if usage is None:
        return 0
    total = _number(usage, "total_tokens")
    if total is not None:
        return total
    for names in _PARTS:
        parts = [_number(usage, name) for name in names]
        if any(part is not None for part in parts):
            return sum(part or 0 for part in parts)
    return 0


def _number(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, Mapping) else getattr(usage, name, None)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
