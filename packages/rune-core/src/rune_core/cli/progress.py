"""A progress bar for long work: on stderr, on a terminal, and only when it takes a while."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")


def tracked(items: Iterable[_T], total: int, noun: str, *, least: int = 20) -> Iterator[_T]:
    """``items`` one by one, counted on a bar when there are at least ``least``."""
    with bar(total if total >= least else 0, noun) as advance:
        for item in items:
            yield item
            advance(1)


class Meter:
    """Tells a bar how far the reading of one source has come.

    Args:
        advance: Takes amounts.
        size: What the source comes to in the end, in bytes.
    """

    def __init__(self, advance: Callable[[int], None], size: int) -> None:
        self._advance = advance
        self._left = size

    def counted(self, pieces: Iterable[str]) -> Iterator[str]:
        """``pieces``, each counted when the next is asked for."""
        for piece in pieces:
            yield piece
            # Characters stand for bytes: close enough to see something move.
            amount = min(len(piece), self._left)
            self._left -= amount
            self._advance(amount)

    def finish(self) -> None:
        """Count what is left."""
        self._advance(self._left)
        self._left = 0


@contextmanager
def bar(total: int, noun: str, *, in_bytes: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar that the function handed out advances.

    Args:
        total: How much there is to do; 0 for no bar.
        noun: What is counted.
        in_bytes: Show amounts as sizes.
    """
    if not total or not sys.stderr.isatty():
        yield lambda _amount: None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from rune_core.cli.text import console

    amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        amount,
        TimeRemainingColumn(),
        console=console(sys.stderr),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        task = progress.add_task(noun, total=total)
        yield lambda done: progress.advance(task, done)
