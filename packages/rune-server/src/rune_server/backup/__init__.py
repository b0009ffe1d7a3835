"""Back-ups: made by the running server, by schedule or on demand, and put back into an empty one.

A back-up is a folder, sealed like what it is a copy of::

    2026-11-26T150000Z/
      manifest.json     what it holds, authenticated under the master key
      state.sealed      the state database, row by row: opens on SQLite and PostgreSQL alike
      spool/            events that were acknowledged and not written yet, sealed as they were
      analytics-us/     ClickHouse's own back-up of a region; from an encrypted disk, encrypted

The master key is not in it. Without that key it cannot be opened: keep the key elsewhere.
"""

from __future__ import annotations

from rune_server.backup.creation import create, prune
from rune_server.backup.manifest import Manifest, read_manifest
from rune_server.backup.restoration import restore

__all__ = ["Manifest", "create", "prune", "read_manifest", "restore"]
