"""``python -m rune_core.cli`` is ``rune``."""

from __future__ import annotations

from rune_core.cli import main

main()
