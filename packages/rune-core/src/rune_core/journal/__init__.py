"""The journal: what was scanned, encrypted, on this machine, for as long as its owner wants it.

It is another thing than the events: events are metadata and may leave; the journal is content and
never does. It is off unless switched on, needs ``rune-core[journal]``, and serves ``rune policy
backtest`` and ``rune policy except``.
"""
