"""Actions: what is done about a text or a tool call, from mildest to strictest."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """``allow < flag < redact < ask < block``; the strictest match decides."""

    ALLOW = "allow"
    FLAG = "flag"
    REDACT = "redact"
    ASK = "ask"
    BLOCK = "block"

    @property
    def rank(self) -> int:
        """0 for allow to 4 for block, for comparing."""
        return _RANK[self]


_RANK = {action: rank for rank, action in enumerate(Action)}


class OnBlock(StrEnum):
    """What ``protect`` and the adapters do when a decision stops something."""

    RAISE = "raise"
    """Raise ShieldBlockedError."""
    REPLACE = "replace"
    """Hand on a short neutral message instead."""
    LOG = "log"
    """Let it pass, record it. What redact rules matched is still cut."""
    ALERT = "alert"
    """The same, with an alert event."""
