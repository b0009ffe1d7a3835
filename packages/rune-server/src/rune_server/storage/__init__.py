"""What is stored is sealed: the vault, its master key, and what is not encrypted at rest."""

from __future__ import annotations

from rune_server.storage.vault import SealError, Segment, Vault

__all__ = ["SealError", "Segment", "Vault"]
