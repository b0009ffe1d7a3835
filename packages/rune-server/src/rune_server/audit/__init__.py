"""The audit log: what was done, by whom, in a chain that cannot be altered unnoticed."""

from __future__ import annotations

from rune_server.audit.chain import Fault, Verified, record, verify
from rune_server.audit.read import Entry, entries

__all__ = ["Entry", "Fault", "Verified", "entries", "record", "verify"]
