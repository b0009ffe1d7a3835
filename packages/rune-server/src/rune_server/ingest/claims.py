"""Keeps several writers from bringing the same event at the same moment.

A client that did not hear our answer may send an event again to another replica, and both may
write it at once, when neither finds it in the store. So each writer first claims its events in
Redis for its segment. Who comes second leaves an event out: the first has it on its disk and will
write it. A claim has to outlive the moment between asking the store and being visible there; it
expires after two minutes. Without Redis this gap stays open.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rune_server.analytics.rows import KEY_OF_LINE

if TYPE_CHECKING:
    from uuid import UUID

_log = structlog.get_logger("rune_server.ingest")
_SECONDS = 120
_TIMEOUT = 2.0
_CHUNK = 2_000

_SCRIPT = """
local taken = {}
for number, key in ipairs(KEYS) do
  if not redis.call('SET', key, ARGV[1], 'NX', 'EX', ARGV[2]) then
    if redis.call('GET', key) ~= ARGV[1] then
      taken[#taken + 1] = number
    end
  end
end
return taken
"""


class Claims:
    """Claims over Redis.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
    """

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
        )
        self._script: Any = self._redis.register_script(_SCRIPT)

    async def without_others(self, segment: UUID, lines: bytes) -> bytes:
        """The lines that this segment may write. All of them, while Redis is away."""
        split = lines.splitlines(keepends=True)
        taken: set[int] = set()
        try:
            for begin in range(0, len(split), _CHUNK):
                keys = [_name(line) for line in split[begin : begin + _CHUNK]]
                found = await self._script(keys=keys, args=[segment.bytes, _SECONDS])
                taken.update(begin + number - 1 for number in found)
                await asyncio.sleep(0)
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("events cannot be claimed", kind=type(error).__name__)
        if not taken:
            return lines
        return b"".join(line for number, line in enumerate(split) if number not in taken)

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()


def _name(line: bytes) -> bytes:
    match = KEY_OF_LINE.match(line)
    assert match is not None
    return b"rune:claim:" + match[1] + b":" + match[2]
