"""The job that writes down when API keys were last used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rune_server.platform import Platform

EVERY_SECONDS = 30.0


async def run(platform: Platform) -> None:
    """Write it down twice a minute, and once more at the end."""
    try:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await platform.keys.flush_used()
    finally:
        await platform.keys.flush_used()
