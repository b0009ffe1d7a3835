"""How well detection does on labelled texts: reading them, scoring them, telling the result.

Used by ``rune eval``, ``rune calibrate`` and the benchmark in the repository.
"""
