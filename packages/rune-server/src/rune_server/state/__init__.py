"""What the server knows apart from events: organisations, people, keys, policies, alerts, audit."""

from __future__ import annotations

from rune_server.state.engine import State, open_state

__all__ = ["State", "open_state"]
