"""Hold policy rules against the metadata of past decisions: what would have matched.

Content never reaches the server, so not every rule can be told. Each forecaster answers per event
``YES``, ``NO`` or ``MAYBE``, and never guesses: where metadata leaves a doubt, it is a ``MAYBE``.
"""

from __future__ import annotations

from rune_server.policies.forecast.forecasters import forecast
from rune_server.policies.forecast.seen import Seen, seen_of

__all__ = ["Seen", "forecast", "seen_of"]
