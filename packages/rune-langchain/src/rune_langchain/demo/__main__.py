"""``python -m rune_langchain.demo`` is ``rune demo``."""

from __future__ import annotations

from rune_langchain.demo.run import main

main()
