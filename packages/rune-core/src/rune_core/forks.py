"""What must happen around a fork.

A fork copies every lock as it is, and none of the threads that would release them: in the child,
locks that another thread held are free again. And a module that another thread was half through
importing is never finished there, so a fork waits for what our threads do inside ``unforked()``.
"""

from __future__ import annotations

import codecs
import os
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_L = TypeVar("_L")

_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_methods: list[weakref.WeakMethod[Callable[[], None]]] = []
_around: list[tuple[weakref.WeakMethod[Callable[[], None]], ...]] = []


def fork_safe(lock: _L) -> _L:
    """``lock`` itself; free in every child, whoever held it in the parent.

    Args:
        lock: A ``threading.Lock`` or ``RLock``. The state behind it must be whole at any moment,
            or be made anew by a method given to ``in_child``.
    """
    _locks.add(lock)
    return lock


_MAX_WAIT = 5.0
_busy = fork_safe(threading.RLock())
_mine = threading.local()


@contextmanager
def unforked() -> Iterator[None]:
    """Hold back forks of this process until the block is left.

    For what a thread of ours imports or compiles: milliseconds, never a wait for a network.
    """
    with _busy:
        yield


def import_http() -> None:
    """Import what requests need, now: to be called inside ``unforked()``."""
    import httpx  # noqa: F401

    # The first look-up of a host would import it otherwise.
    codecs.lookup("idna")


def in_child(method: Callable[[], None]) -> None:
    """Call a bound method in every child of a fork, as long as its object lives.

    Methods are called in the order in which they were given, after all locks are free.
    """
    _methods[:] = [known for known in _methods if known() is not None]
    _methods.append(weakref.WeakMethod(method))


def around_fork(before: Callable[[], None], in_parent: Callable[[], None]) -> None:
    """Call bound methods of one object around every fork, as long as it lives.

    For what must not be open while a process is copied. In the child, ``in_child`` methods run.

    Args:
        before: Called before the fork. Must be quick and never raise.
        in_parent: Called after it, in the parent.
    """
    _around[:] = [known for known in _around if known[0]() is not None]
    _around.append((weakref.WeakMethod(before), weakref.WeakMethod(in_parent)))


def _before_fork() -> None:
    _mine.held = _busy.acquire(timeout=_MAX_WAIT)
    _mine.then = []
    for before, in_parent in _around:
        method, then = before(), in_parent()
        if method is not None and then is not None:
            method()
            _mine.then.append(then)


def _after_fork_in_parent() -> None:
    for then in _mine.then:
        then()
    _mine.then = []
    if _mine.held:
        _busy.release()


def _after_fork() -> None:
    _mine.then = []
    for lock in list(_locks):
        lock._at_fork_reinit()
    for reference in _methods:
        method = reference()
        if method is not None:
            method()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork,
    )
