"""The contract of a bus, and the fan-out inside one process that both kinds share."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

LOOK_AGAIN: Final = b""
"""The message that stands for those that may have been lost, as after a reconnection."""
MAX_WAITING: Final = 256
"""Messages that wait for one subscriber; beyond that the oldest are dropped."""
MAX_MESSAGE: Final = 1024 * 1024


class Bus(Protocol):
    """Publish and subscribe by topic. Delivers at most once, in the publisher's order."""

    async def publish(self, topic: str, message: bytes) -> None:
        """Tell every subscriber of ``topic``, in this process and in others.

        Never waits for a subscriber. When the other processes cannot be reached, those in this
        one are told all the same.
        """

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[Subscription]:
        """Receive what is published from now on, until the block is left."""

    async def ready(self) -> bool:
        """Whether messages reach other processes now."""

    async def close(self) -> None:
        """End every subscription."""


class Subscription:
    """An async iterator of ``(topic, message)`` pairs.

    ``LOOK_AGAIN`` (an empty message) says that messages of this topic may have been lost. It ends
    when the bus is closed.
    """

    __slots__ = ("_closed", "_waiting", "_woken", "topics")

    def __init__(self, topics: tuple[str, ...]) -> None:
        self.topics = topics
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._woken = asyncio.Event()
        self._closed = False

    def put(self, topic: str, message: bytes) -> None:
        """Hand a message over; when too many wait, the oldest goes."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
        self._waiting.append((topic, message))
        self._woken.set()

    def end(self) -> None:
        """Let the iteration end after what waits."""
        self._closed = True
        self._woken.set()

    async def next(self, seconds: float | None = None) -> tuple[str, bytes] | None:
        """The next message; None when none came within ``seconds``, or the bus was closed."""
        if not self._waiting and not self._closed:
            self._woken.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft() if self._waiting else None

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more."""
        return self._closed and not self._waiting

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        found = await self.next()
        if found is None:
            raise StopAsyncIteration
        return found


class FanOut:
    """Subscriptions of one process, by topic. Used on one event loop."""

    def __init__(self) -> None:
        self._by_topic: dict[str, set[Subscription]] = {}
        self._closed = False

    @property
    def topics(self) -> frozenset[str]:
        """Topics that somebody listens to."""
        return frozenset(self._by_topic)

    def add(self, subscription: Subscription) -> frozenset[str]:
        """Begin to hand messages to a subscription. The topics that nobody had so far."""
        if self._closed:
            subscription.end()
            return frozenset()
        new = frozenset(subscription.topics) - self._by_topic.keys()
        for topic in subscription.topics:
            self._by_topic.setdefault(topic, set()).add(subscription)
        return new

    def remove(self, subscription: Subscription) -> frozenset[str]:
        """Stop handing messages to a subscription. The topics that nobody has any more."""
        gone: set[str] = set()
        for topic in subscription.topics:
            listeners = self._by_topic.get(topic)
            if listeners is None:
                continue
            listeners.discard(subscription)
            if not listeners:
                del self._by_topic[topic]
                gone.add(topic)
        return frozenset(gone)

    def hand_out(self, topic: str, message: bytes) -> None:
        """Hand a message to each subscription of the topic."""
        for subscription in self._by_topic.get(topic, ()):
            subscription.put(topic, message)

    def look_again(self) -> None:
        """Tell everybody that messages may have been lost."""
        for topic in self._by_topic:
            self.hand_out(topic, LOOK_AGAIN)

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        for listeners in self._by_topic.values():
            for subscription in listeners:
                subscription.end()


@asynccontextmanager
async def subscribed(fan_out: FanOut, topics: tuple[str, ...]) -> AsyncIterator[Subscription]:
    """A subscription for the length of a block."""
    subscription = Subscription(topics)
    fan_out.add(subscription)
    try:
        yield subscription
    finally:
        fan_out.remove(subscription)


def check_message(topic: str, message: bytes) -> None:
    """Refuse what no bus carries.

    Raises:
        ValueError: The message is empty, which has a meaning of its own, or longer than 1 MiB.
    """
    if not 0 < len(message) <= MAX_MESSAGE:
        raise ValueError(f"a message on {topic!r} must be 1 to {MAX_MESSAGE} bytes long")
