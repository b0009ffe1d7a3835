"""What all tests share."""

from __future__ import annotations

import gc
import logging
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long an example takes is the machine's business. With CI=true hypothesis makes the same
# examples each time, of its own accord; that is kept.
settings.register_profile(
    "rune", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("rune")


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Collect garbage when a module ends.

    An unclosed socket or file is reported when it is collected. Left to chance, that fails some
    test of another module; collected here, it fails the module that left it open.
    """
    yield
    gc.collect()
    # What is alive now is here to stay. Without this every later collection looked through the
    # objects of all modules before: five to thirteen seconds at the end of some.
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A process that is a server or a command sets logging up for good; a test run is many."""
    root, rune = logging.getLogger(), logging.getLogger("rune_core")
    off = root.manager.disable
    was = [(each, each.level, each.handlers[:], each.propagate) for each in (root, rune)]
    yield
    root.manager.disable = off
    for each, level, handlers, propagate in was:
        each.setLevel(level)
        each.handlers[:], each.propagate, each.disabled = handlers, propagate, False


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C works, here and in processes that are started, though a shell starts jobs in the
    background without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
