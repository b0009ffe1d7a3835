"""Finished runs as JSON lines, so that an interrupted measurement goes on where it stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

from benchmarks.agentdojo_replay.replay import Attacked, Honest, from_json, to_json
from benchmarks.agentdojo_replay.report import Done

if TYPE_CHECKING:
    from pathlib import Path

Key = tuple[str, str, str, str, str]


class Journal:
    """A file of finished runs. Lines of another revision, or broken ones, are left out.

    Args:
        path: The file; its folder is made.
        revisions: What a row's outcomes depend on, by row.
        resume: Whether to go on; else the file is begun anew.
    """

    def __init__(self, path: Path, revisions: dict[str, str], *, resume: bool) -> None:
        self._revisions = revisions
        self._known: dict[Key, Honest | Attacked | None] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        broken_end = False
        if resume and path.exists():
            text = path.read_text(encoding="utf-8")
            broken_end = bool(text) and not text.endswith("\n")
            for line in text.splitlines():
                self._recall(line)
        self._file: TextIO = path.open("a" if resume else "w", encoding="utf-8")
        if broken_end:
            self._file.write("\n")

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: Key) -> bool:
        return key in self._known

    def get(self, key: Key) -> Done:
        """A run that is known."""
        return Done(*key, outcome=self._known[key])

    def add(self, run: Done) -> None:
        """Write a finished run down."""
        entry = {"revision": self._revisions[run.row], "key": run[:5], **to_json(run.outcome)}
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _recall(self, line: str) -> None:
        try:
            entry: dict[str, Any] = json.loads(line)
            row, suite, user, injection, template = entry.pop("key")
            if entry.pop("revision") == self._revisions.get(row):
                self._known[row, suite, user, injection, template] = from_json(entry)
        except (ValueError, TypeError, KeyError, AttributeError):
            # An interrupted run may leave half a line behind: that run is made again.
            return
