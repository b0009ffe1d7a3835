"""The local events file: one JSON object a line, rotated, readable by its owner only."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rune_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rune_core.event.schema import Event


class JsonlSink:
    """Appends events to a file. Several processes may append to the same one.

    Args:
        path: The file. Its folder is made with the first event.
        max_bytes: Size from which the file is rotated to ``<name>.1``, ``<name>.2``, …;
            0 for never.
        keep: Rotated files to keep.
    """

    name = "jsonl"

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._encoder = msgspec.json.Encoder()

    def write(self, events: Sequence[Event]) -> None:
        """Append a batch with one write.

        Raises:
            ConfigError: The disk is full, read-only or gone. Names the file and the way out.
        """
        try:
            self._append(events)
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be written ({error.strerror}); let RUNE_EVENTS_PATH or "
                "RUNE_STATE_DIR name another place, or RUNE_EVENTS_TO_FILE=0 keep no file"
            ) from None

    def close(self) -> None:
        """Nothing is held open between batches."""

    def _append(self, events: Sequence[Event]) -> None:
        lines = bytearray()
        for event in events:
            lines += self._encoder.encode(event)
            lines += b"\n"
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Opened anew for each batch: after a fork or another process's rotation there is no
        # handle that points to the wrong file.
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            view = memoryview(lines)
            while view:
                view = view[os.write(handle, view) :]
        finally:
            os.close(handle)
        if self._max_bytes and size + len(lines) >= self._max_bytes:
            self._rotate()

    def _rotate(self) -> None:
        for number in range(self._keep, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = (
                self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            )
            # Another process may have rotated first; then there is nothing left to move.
            with suppress(FileNotFoundError):
                newer.replace(older)
        if not self._keep:
            self.path.unlink(missing_ok=True)
