"""The bus of a server that is one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.bus.base import FanOut, check_message, subscribed

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from rune_server.bus.base import Subscription


class MemoryBus:
    """Messages between the tasks of one event loop."""

    def __init__(self) -> None:
        self._fan_out = FanOut()

    async def publish(self, topic: str, message: bytes) -> None:
        check_message(topic, message)
        self._fan_out.hand_out(topic, message)

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[Subscription]:
        return subscribed(self._fan_out, topics)

    async def ready(self) -> bool:
        return True

    async def close(self) -> None:
        self._fan_out.close()
