"""Events on standard output, one JSON object a line: for containers whose log is their output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_core.event.schema import Event


class StdoutSink:
    """Writes events to the process's standard output, each on a line of its own."""

    name = "stdout"

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def write(self, events: Sequence[Event]) -> None:
        """Write a batch with one call, so that the host's own lines do not fall in between.

        Raises:
            OSError: The output is closed or its reader is gone.
            ValueError: The output is closed.
        """
        lines = b"".join(self._encoder.encode(event) + b"\n" for event in events)
        sys.stdout.write(lines.decode("utf-8"))
        sys.stdout.flush()

    def close(self) -> None:
        """The output is the host's."""
