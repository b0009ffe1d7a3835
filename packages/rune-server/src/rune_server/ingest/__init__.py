"""Ingest: durable first, then into the store, exactly once.

::

    edge ──lines──> Spool ──fsync──> acknowledged
                      │ closed segments
                      └──> Writer ──token──> ClickHouse      quarantine: what it will never take
"""

from rune_server.ingest.ingest import Accepted, Ingest, open_ingest

__all__ = ["Accepted", "Ingest", "open_ingest"]
