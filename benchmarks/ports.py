"""Ports for servers that a test or a measurement starts."""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _LAST = 20_000, 32_000
_tried = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, and that nobody is given by chance.

    It lies below the ports that a system gives to outgoing connections: one of those may be gone
    again before the server that it is meant for listens. Processes begin at different places, so
    that two which run at once are not given the same.
    """
    for number in itertools.islice(_tried, _LAST - _FIRST):
        port = _FIRST + number % (_LAST - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"no port from {_FIRST} to {_LAST} is free")
