"""Moments in which this process must not be forked.

A child has only the thread that forked. What another thread was in the middle of stays as it is
in the child for ever: a module half imported, a lock held. So our threads do such things inside
``unforked()``, and a fork waits until they are done. They are short: nothing waits for a network
in there.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_WAIT = 5.0
_busy = threading.RLock()
_mine = threading.local()


@contextmanager
def unforked() -> Iterator[None]:
    """Hold back forks of this process until the block is left."""
    with _busy:
        yield


def _before() -> None:
    _mine.held = _busy.acquire(timeout=_MAX_WAIT)


def _after_in_parent() -> None:
    if _mine.held:
        _busy.release()


def _after_in_child() -> None:
    global _busy  # noqa: PLW0603 - a lock held by a thread that is not here cannot be released
    _busy = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
