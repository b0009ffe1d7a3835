"""The bus of several processes: Redis publish/subscribe, one connection per process to listen.

Subscribers in the publishing process are told directly and at once; Redis carries the message to
the others. Each message carries the name of the process it came from, so that nobody gets it
twice. Redis keeps nothing: while it cannot be reached each process hears only itself, and once it
can again every subscriber is told to look again.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rune_server.bus.base import FanOut, Subscription, check_message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_log = structlog.get_logger("rune_server.bus")
PREFIX: Final = "rune:"
_ID_BYTES: Final = 8
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_TIMEOUT: Final = 2.0
_PING_SECONDS: Final = 5.0
_CONTROL: Final = PREFIX + "-"
"""A channel that is always subscribed: a connection without any cannot be listened on."""


class RedisBus:
    """Messages between processes.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
    """

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
        )
        # Listening waits as long as it must; only a ping tells a dead connection from a quiet one.
        self._listening: Redis = Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=_TIMEOUT
        )
        self._pubsub: Any = None
        self._fan_out = FanOut()
        self._id = secrets.token_bytes(_ID_BYTES)
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    async def start(self) -> None:
        """Begin to listen. Returns once connected, or after 2 s of trying, which then goes on."""
        self._task = asyncio.create_task(self._run(), name="rune-bus")
        with suppress(TimeoutError):
            async with asyncio.timeout(_TIMEOUT):
                await self._connected.wait()

    async def publish(self, topic: str, message: bytes) -> None:
        check_message(topic, message)
        self._fan_out.hand_out(topic, message)
        try:
            await self._redis.publish(PREFIX + topic, self._id + message)
        except (RedisError, OSError) as error:
            _log.warning("bus.unreachable", topic=topic, error=type(error).__name__)

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[Subscription]:
        subscription = Subscription(topics)
        new = self._fan_out.add(subscription)
        try:
            await self._tell("subscribe", new)
            yield subscription
        finally:
            # The last to leave a topic unsubscribes, even when it is being cancelled.
            gone = self._fan_out.remove(subscription)
            if gone:
                await asyncio.shield(self._tell("unsubscribe", gone))

    async def ready(self) -> bool:
        if not self._connected.is_set():
            return False
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    async def close(self) -> None:
        self._fan_out.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._redis.aclose()
        await self._listening.aclose()

    # -- inside

    async def _tell(self, what: str, topics: frozenset[str]) -> None:
        """Change what the listening connection hears; without one, the next will hear it all."""
        pubsub = self._pubsub
        if pubsub is None or not topics:
            return
        if what == "unsubscribe":  # unless somebody came back for it meanwhile
            topics -= self._fan_out.topics
            if not topics:
                return
        with suppress(RedisError, OSError):  # the listener meets the same fault and reconnects
            await getattr(pubsub, what)(*(PREFIX + topic for topic in topics))

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                _log.warning("bus.disconnected", error=type(error).__name__)
            finally:
                was_connected = self._connected.is_set()
                self._connected.clear()
                self._pubsub = None
            pause = _FIRST_PAUSE if was_connected else min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        async with self._listening.pubsub() as pubsub:
            topics = self._fan_out.topics
            await pubsub.subscribe(_CONTROL, *(PREFIX + topic for topic in topics))
            self._pubsub = pubsub
            missing = self._fan_out.topics - topics
            await self._tell("subscribe", missing)
            self._fan_out.look_again()
            self._connected.set()
            silent = False
            while True:
                message = await pubsub.get_message(timeout=_PING_SECONDS)
                if message is None:
                    if silent:
                        raise TimeoutError
                    silent = True
                    await pubsub.ping()
                    continue
                silent = False
                if message["type"] == "message":
                    self._take(message["channel"], message["data"])

    def _take(self, channel: bytes, data: bytes) -> None:
        if data[:_ID_BYTES] == self._id:
            return
        topic = channel.decode("utf-8", "replace").removeprefix(PREFIX)
        self._fan_out.hand_out(topic, data[_ID_BYTES:])
