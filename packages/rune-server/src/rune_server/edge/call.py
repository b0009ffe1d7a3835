"""A request that passed the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from rune_server.actor import Actor
    from rune_server.auth.keys import KeyGrant
    from rune_server.http import Request
    from rune_server.http.request import Receive, Send
    from rune_server.platform import Platform

    Handler = Callable[["Call"], Awaitable[None]]


@dataclass(slots=True)
class Call:
    """What a handler gets.

    Attributes:
        platform: The platform.
        request: The request; its body is still to be read.
        receive: The ASGI channel to read from.
        send: The ASGI channel to answer on.
        grant: What the key allows.
        actor: The key, as services know who is asking.
        headers: Headers that the answer should carry, such as ``RateLimit-*``.
    """

    platform: Platform
    request: Request
    receive: Receive
    send: Send
    grant: KeyGrant
    actor: Actor
    headers: list[tuple[str, str]]

    async def body(self) -> bytes:
        """The body, decompressed, within the bounds of the settings.

        Raises:
            ProblemError: It is too long, too slow, or not what its headers say.
        """
        from rune_server.http import decoded_body, read_body

        settings = self.platform.settings
        raw = await read_body(
            self.request,
            self.receive,
            most=settings.max_body_bytes,
            seconds=settings.body_timeout_seconds,
        )
        return decoded_body(self.request, raw, most=settings.max_decoded_bytes)

    async def answer(
        self, status: int, document: object, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Answer with a JSON document."""
        from rune_server.http import send_json

        await send_json(
            self.send, status, document, [*self.headers, *headers], request_id=self.request.id
        )
