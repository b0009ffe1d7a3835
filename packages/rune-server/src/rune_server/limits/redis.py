"""Limits shared by several processes, in Redis; in this process while Redis is away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rune_server.limits.bucket import Taken
from rune_server.limits.memory import MemoryLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_server.limits.bucket import Limit

_log = structlog.get_logger("rune_server.limits")
_PREFIX = "rune:limit:"
_TIMEOUT = 0.5
_PAUSE = 5.0
"""Seconds in which Redis is not asked again after it did not answer."""

# The algorithm of ``bucket.take``, for several buckets at once and on Redis's clock.
_SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local after, tightest = {}, nil
for number, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[3 * number - 2]), tonumber(ARGV[3 * number - 1])
  local cost = tonumber(ARGV[3 * number])
  local begin = math.max(tonumber(redis.call('GET', key) or '0'), now)
  if begin > now + burst / rate + 60 then begin = now end
  local wait = begin + math.min(cost, burst) / rate - now - burst / rate
  if wait > 1e-6 then
    local left = math.max(0, burst - (begin - now) * rate)
    return {0, math.floor(burst), math.floor(left + 1e-3), tostring(begin - now), tostring(wait)}
  end
  after[number] = begin + cost / rate
  local left = math.floor(math.max(0, burst - (after[number] - now) * rate) + 1e-3)
  if tightest == nil or left < tightest[3] then
    tightest = {1, math.floor(burst), left, tostring(after[number] - now), '0'}
  end
end
for number, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.6f', after[number]),
    'PX', math.max(1000, math.ceil((after[number] - now) * 1000)))
end
return tightest
"""


class RedisLimits:
    """Buckets that every process sees.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        seconds: How long an answer may take.
    """

    def __init__(self, url: str, seconds: float = _TIMEOUT) -> None:
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds
        )
        self._script: Any = self._redis.register_script(_SCRIPT)
        self._local = MemoryLimits()
        self._ask_again = 0.0

    @property
    def is_shared(self) -> bool:
        """Whether Redis answers; otherwise each process counts for itself."""
        return time.monotonic() >= self._ask_again

    async def take(self, wanted: Sequence[tuple[str, Limit, float]]) -> Taken:
        """As ``MemoryLimits.take``, over all processes."""
        if not self.is_shared:
            return self._local.take(wanted)
        keys = [_PREFIX + name for name, _, _ in wanted]
        arguments = [
            value for _, limit, cost in wanted for value in (limit.per_second, limit.burst, cost)
        ]
        try:
            answer = await self._script(keys=keys, args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self._ask_again = time.monotonic() + _PAUSE
            _log.warning("limits are counted in this process", kind=type(error).__name__)
            return self._local.take(wanted)
        allowed, limit, remaining, reset, retry_after = answer
        return Taken(bool(allowed), int(limit), int(remaining), float(reset), float(retry_after))

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()
