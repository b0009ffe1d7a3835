"""Messages between the parts of one process and between processes: what changed, and for whom.

Nothing durable goes over the bus. A message says "look again", and whoever gets it reads the state
itself, so a lost message costs time and no data. See ``base`` for the contract.
"""

from __future__ import annotations

from rune_server.bus.base import LOOK_AGAIN, Bus, Subscription
from rune_server.bus.memory import MemoryBus
from rune_server.bus.redis import RedisBus

__all__ = ["LOOK_AGAIN", "Bus", "MemoryBus", "RedisBus", "Subscription", "open_bus"]


async def open_bus(redis_url: str | None = None) -> Bus:
    """The bus of this process: over Redis when there is an address, else within the process.

    Args:
        redis_url: Such as ``rediss://:password@redis:6379/0``.
    """
    if redis_url is None:
        return MemoryBus()
    bus = RedisBus(redis_url)
    await bus.start()
    return bus
