"""What each adapter guards under a shield, and what it cannot, for ``shield.coverage()``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_core.engine import Engine

Rows: TypeAlias = tuple[tuple[str, str], ...]
"""What, and how it is guarded or why it is not."""


@dataclass(frozen=True, slots=True)
class AdapterCoverage:
    """One adapter in use.

    Attributes:
        adapter: Name and version, such as ``rune-langchain/0.1.0``.
        framework: What it guards, such as ``langchain``.
        guarded: What it guards, and how.
        unguarded: What it cannot guard, and why.
        passed: Kinds of content that went through unread so far, such as images, and how often.
    """

    adapter: str
    framework: str
    guarded: Rows
    unguarded: Rows
    passed: Mapping[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The rows of a table."""
        rows = [(what, how) for what, how in self.guarded]
        rows += [(what, f"NOT guarded: {why}") for what, why in self.unguarded]
        rows += [
            (f"content of type {kind}", f"passed unread, {count} times")
            for kind, count in sorted(self.passed.items())
        ]
        width = max((len(what) for what, _ in rows), default=0)
        head = f"{self.framework} ({self.adapter})"
        return [head, *(f"  {what.ljust(width)}  {how}" for what, how in rows)]


_lock = Lock()
_in_use: WeakKeyDictionary[Engine, dict[str, AdapterCoverage]] = WeakKeyDictionary()
_passed: WeakKeyDictionary[Engine, dict[str, Counter[str]]] = WeakKeyDictionary()


def uses(engine: Engine, covers: AdapterCoverage) -> None:
    """Say that an adapter is in use."""
    with _lock:
        _in_use.setdefault(engine, {})[covers.framework] = covers


def passed_unread(engine: Engine, framework: str) -> Counter[str]:
    """The counter of what an adapter let through unread, to be added to."""
    with _lock:
        return _passed.setdefault(engine, {}).setdefault(framework, Counter())


def adapters_of(engine: Engine) -> tuple[AdapterCoverage, ...]:
    """The adapters in use, by framework."""
    with _lock:
        known = dict(_in_use.get(engine, {}))
        counted = {name: dict(c) for name, c in _passed.get(engine, {}).items()}
    return tuple(
        AdapterCoverage(c.adapter, c.framework, c.guarded, c.unguarded, counted.get(name, {}))
        for name, c in sorted(known.items())
    )
