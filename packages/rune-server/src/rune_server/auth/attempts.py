"""How often somebody may try: sign-ins, codes, resets. Shared over Redis where there is one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from rune_server.errors import TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_server.auth.client import Client
    from rune_server.settings import Settings

_log = structlog.get_logger("rune_server.auth.attempts")


@dataclass(frozen=True, slots=True)
class Rule:
    """At most ``times`` in ``seconds``, for one address, one account, or the two together."""

    times: int
    seconds: int
    by_address: bool
    by_account: bool


RULES: dict[str, Sequence[Rule]] = {
    "sign-in": (
        Rule(10, 300, by_address=True, by_account=True),
        Rule(60, 300, by_address=True, by_account=False),
        # Many addresses against one account. High, so that nobody is locked out on purpose.
        Rule(100, 3600, by_address=False, by_account=True),
    ),
    "second factor": (Rule(5, 300, by_address=False, by_account=True),),
    "reset": (
        Rule(3, 3600, by_address=False, by_account=True),
        Rule(20, 3600, by_address=True, by_account=False),
    ),
    # Each sends a mail to an address that nobody has proven.
    "email": (
        Rule(5, 3600, by_address=False, by_account=True),
        Rule(20, 3600, by_address=True, by_account=False),
    ),
    "register": (Rule(10, 3600, by_address=True, by_account=False),),
    "token": (Rule(30, 300, by_address=True, by_account=False),),
    "oauth": (Rule(60, 300, by_address=True, by_account=False),),
    "invite": (Rule(100, 86_400, by_address=False, by_account=True),),
}


class Attempts:
    """Counts attempts."""

    def __init__(self, settings: Settings) -> None:
        self._local: Storage = MemoryStorage()
        self._shared: Storage | None = None
        if settings.redis_dsn:
            from limits.aio.storage import RedisStorage

            self._shared = RedisStorage(
                f"async+{settings.redis_dsn}", implementation="redispy", key_prefix="rune:attempts"
            )

    async def count(self, what: str, client: Client, account: str = "") -> None:
        """Count an attempt, and go on only while there are few.

        Raises:
            TooManyRequestsError: There were too many. Says when to try again.
        """
        for rule in RULES[what]:
            parts = [what]
            if rule.by_address:
                parts.append(client.network)
            if rule.by_account:
                parts.append(hashlib.sha256(account.encode("utf-8", "replace")).hexdigest()[:32])
            item = RateLimitItemPerSecond(rule.times, rule.seconds)
            if not await self._hit(item, parts):
                raise TooManyRequestsError(
                    "too many attempts; try again later", retry_after=rule.seconds
                )

    async def close(self) -> None:
        """Give back connections."""
        storage = getattr(self._shared, "storage", None)
        if storage is not None:
            await storage.aclose()

    async def _hit(self, item: RateLimitItemPerSecond, parts: Sequence[str]) -> bool:
        if self._shared is not None:
            try:
                return await SlidingWindowCounterRateLimiter(self._shared).hit(item, *parts)
            except Exception as error:  # noqa: BLE001 - whatever Redis raises, attempts are counted here
                _log.warning("attempts are counted in this process", kind=type(error).__name__)
        return await SlidingWindowCounterRateLimiter(self._local).hit(item, *parts)
