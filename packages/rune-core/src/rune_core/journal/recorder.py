"""Keeps what a Shield saw in the journal. What goes wrong here is counted, never raised."""

from __future__ import annotations

import importlib.util
import logging
import time
from threading import Lock
from typing import TYPE_CHECKING

from rune_core.errors import ConfigError
from rune_core.failure import describe, log_failure
from rune_core.forks import fork_safe
from rune_core.journal.entry import Entry, KeptMatch, content_of
from rune_core.journal.keys import INSTALL, JournalKeys

if TYPE_CHECKING:
    from rune_core.config import ShieldConfig
    from rune_core.context import ScanContext
    from rune_core.journal.segments import SegmentWriter
    from rune_core.result import ScanResult
    from rune_core.session.session import Session
    from rune_core.session.sources import Trust
    from rune_core.stats import Tally
    from rune_core.values import Rendered

_log = logging.getLogger("rune_core.journal")
_MAX_MATCHES = 64
_MAX_DETECTORS = 64


class Recorder:
    """Writes the journal of one Shield. The key is asked for with the first entry.

    Args:
        config: The settings.
        tally: Counts what could not be kept.

    Raises:
        ConfigError: What the journal needs is not installed, or the key's setting cannot be used.
    """

    def __init__(self, config: ShieldConfig, tally: Tally) -> None:
        if importlib.util.find_spec("cryptography") is None:
            raise ConfigError(
                f"journal_enabled: the journal is encrypted by cryptography; {INSTALL}"
            )
        self._config = config
        self._tally = tally
        self._keys = JournalKeys(config.journal_key, config.journal_folder.parent)
        self._lock = fork_safe(Lock())
        self._writer: SegmentWriter | None = None
        self._broken = False

    def decided(self, result: ScanResult, context: ScanContext, rendered: Rendered) -> None:
        """Keep a text or call that was decided. Never raises."""
        content, truncated = content_of(rendered.text)
        decision = result.decision
        self._keep(
            Entry(
                at=time.time_ns(),
                session=context.session.id,
                surface=result.surface.value,
                content=content,
                is_text=rendered.is_text,
                truncated=truncated,
                tool=context.tool,
                source=context.source,
                agent=context.agent_id,
                tags=context.agent_tags,
                decision=decision.id,
                action=decision.action.value,
                rule=decision.rule,
                revision=decision.revision,
                approval=decision.approval,
                matches=tuple(
                    KeptMatch(
                        rule=match.rule,
                        policy=match.policy,
                        kind=match.kind,
                        action=match.action.value,
                        detectors=match.detectors[:_MAX_DETECTORS],
                        monitored=match.monitored,
                        excepted=bool(match.excepted_by),
                    )
                    for match in decision.matches[:_MAX_MATCHES]
                ),
            )
        )

    def told(self, session: Session, text: str, trust: Trust, source: str | None) -> None:
        """Keep a text that a session was told about. Never raises."""
        content, truncated = content_of(text)
        self._keep(
            Entry(
                at=time.time_ns(),
                session=session.id,
                surface=trust.value,
                content=content,
                truncated=truncated,
                source=source,
                agent=session.agent_id,
                tags=session.agent_tags,
            )
        )

    def close(self) -> None:
        """Close the segment that is being written."""
        if self._writer is not None:
            self._writer.close()

    def _keep(self, entry: Entry) -> None:
        try:
            writer = self._writer
            if writer is None:
                with self._lock:
                    writer = self._writer = self._writer or self._open()
            writer.append(entry)
        except Exception as error:  # noqa: BLE001 - keeping must not break what is kept
            self._tally.count("journal_failed_total")
            if not self._broken:
                self._broken = True
                log_failure(_log, "the journal cannot be written", _why(error))

    def _open(self) -> SegmentWriter:
        from rune_core.journal.segments import SegmentWriter

        config = self._config
        return SegmentWriter(
            config.journal_folder,
            self._keys.for_writing(),
            max_bytes=config.journal_max_bytes,
            keep_days=config.journal_keep_days,
        )


def _why(error: Exception) -> str:
    # Messages of our own are without content and say what to do.
    return str(error) if isinstance(error, ConfigError) else describe(error)
