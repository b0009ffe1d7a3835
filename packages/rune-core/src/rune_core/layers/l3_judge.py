"""Layer 3: the judge, as a layer. The pipeline asks it last, when the policies have been heard."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

from rune_core.forks import unforked
from rune_core.layers.judge.settings import JudgeSettings

if TYPE_CHECKING:
    from rune_core.config import ShieldConfig
    from rune_core.context import ScanContext
    from rune_core.layers.base import Found
    from rune_core.layers.judge.judge import Judge

NAME: Final = "l3_judge"
ATTACK_RULE: Final = "l3-attack"
STRAYS_RULE: Final = "l3-not-asked-for"
RULES: Final = (ATTACK_RULE, STRAYS_RULE)
"""Ids of its findings: an attack on the agent, and a call that does not serve the user."""


class JudgeLayer:
    """Says whether there is a judge, and holds it.

    Args:
        config: Names it; see ``JudgeSettings``.

    Raises:
        ConfigError: A setting cannot be used.
    """

    name = NAME
    heavy = True
    surfaces = None
    # Its answers are kept by question, not with what the other layers said about a text.
    revision = "0"

    def __init__(self, config: ShieldConfig) -> None:
        self.settings = JudgeSettings.of(config) if config.l3_enabled else None
        self._reason = (
            "not configured"
            if config.l3_enabled or config.judge_url is None
            else "disabled by configuration"
        )
        self._lock = Lock()
        self._judge: Judge | None = None

    @property
    def judge(self) -> Judge | None:
        """The judge, made by the first question; None when there is none to ask."""
        if self.settings is None:
            return None
        if self._judge is None:
            # The lock comes second: a fork waits for unforked(), and must not find the lock held.
            with unforked(), self._lock:
                if self._judge is None:
                    from rune_core.layers.judge.judge import Judge

                    self._judge = Judge(self.settings)
        return self._judge

    def skip_reason(self, _context: ScanContext | None, _findings: object) -> str | None:
        return self._reason if self.settings is None else None

    def scan(self, _text: str, _context: ScanContext) -> Found:
        raise RuntimeError("the judge is asked by the pipeline, not as a scanner")

    def close(self) -> None:
        """Close its connections."""
        if self._judge is not None:
            self._judge.close()
