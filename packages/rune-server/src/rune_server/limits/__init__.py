"""Limits: how much may be asked, by address, by key, by organisation."""

from rune_server.limits.bucket import Limit, Taken
from rune_server.limits.limits import Limits
from rune_server.limits.memory import MemoryLimits
from rune_server.limits.redis import RedisLimits

__all__ = ["Limit", "Limits", "MemoryLimits", "RedisLimits", "Taken"]
