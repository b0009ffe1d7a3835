"""A pytest plug-in: every agent that a suite makes comes out as ``shield_agent`` would give it.

Guarded in place, for suites ask whether an agent is the very one they made. Agents whose model is
a name stay as they are: see ``shield_run_config``.
"""

from __future__ import annotations

from typing import Any

from agents import Agent, Model

from rune_openai import shield_agent

_original: Any = getattr(Agent, "__post_init__", lambda _self: None)


def _guarded(self: Any) -> None:
    _original(self)
    if isinstance(self.model, Model):
        vars(self).update(vars(shield_agent(self)))


Agent.__post_init__ = _guarded  # type: ignore[method-assign]
