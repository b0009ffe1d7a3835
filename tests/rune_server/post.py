"""A mail server on this machine that keeps what it gets."""

from __future__ import annotations

import re
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from benchmarks.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


class Post:
    """What came."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.port = free_port()

    @property
    def dsn(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert envelope.rcpt_tos == [mail["to"]]
        self.mails.append(mail)
        return "250 OK"

    def link(self, path: str) -> str:
        """The token of the last mail's link."""
        found = re.search(rf"https://[^/\s]+/{path}/(\S+)", self.mails[-1].get_content())
        assert found is not None
        return found[1]


@contextmanager
def running() -> Iterator[Post]:
    """One that runs for the length of the block."""
    found = Post()
    server = Controller(found, hostname="127.0.0.1", port=found.port)
    server.start()
    try:
        yield found
    finally:
        server.stop()
