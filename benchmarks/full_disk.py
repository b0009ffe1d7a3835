"""A disk that is full: what the edge answers, and that nothing acknowledged is lost.

    python -m benchmarks.full_disk        (needs root, to mount a small tmpfs)

The spool lies on a file system of 2 MB. While ClickHouse cannot be written to, events fill it; then
the edge has to refuse with 503 and Retry-After. Once there is room again it goes on by itself.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from benchmarks.made_events import made_events
from rune_server import settings as server_settings
from rune_server.analytics import Target, open_analytics
from rune_server.bus import MemoryBus
from rune_server.errors import UnavailableError
from rune_server.ingest import open_ingest, writer
from rune_server.storage import Vault


async def fill(folder: Path, mounted: Path) -> None:
    """Fill it, empty it, count."""
    settings = server_settings.load({"data_dir": mounted, "master_key": "00" * 32}, environ={})
    target = Target(database="rune_us", path=folder / "analytics", keys=(b"k" * 32,))
    organisation = uuid4()
    async with open_analytics({"us": target}) as analytics:
        store = await analytics.store(organisation)
        real = store.write

        async def down(_: object) -> object:
            raise UnavailableError(code="analytics_down")

        store.write = down  # type: ignore[method-assign,assignment]
        async with open_ingest(settings, Vault(b"m" * 32), analytics, MemoryBus()) as ingest:
            accepted, refused, codes = 0, 0, set()
            for number in range(400):
                events = made_events(200, seed=number)
                try:
                    found = await ingest.accept(organisation, "us", 30, events, datetime.now(UTC))
                    accepted += found.accepted
                except UnavailableError as told:
                    codes.add(told.code if told.retry_after else "no retry-after")
                    refused += 1
                    if refused > 20:
                        break
            assert refused > 20, "the disk never filled"
            assert codes == {"disk_full"}, codes
            store.write = real  # type: ignore[method-assign]
            writer.LONGEST_PAUSE = 0.5
            for _ in range(600):
                if not ingest.backlog:
                    break
                await asyncio.sleep(0.2)
            await asyncio.sleep(6)  # files go once the store is synced
            found = await ingest.accept(
                organisation, "us", 30, made_events(200, seed=-1), datetime.now(UTC)
            )
            accepted += found.accepted
            assert await ingest.settled(60)
            rows = await store.query("SELECT count(), uniqExact(event_id) FROM rune_us.events", {})
            rolled = await store.query("SELECT sum(events) FROM rune_us.events_by_minute", {})
            print(
                f"accepted {accepted}, refused requests {refused} with {sorted(codes)}; "
                f"rows {rows[0][0]}, ids {rows[0][1]}, rollup {rolled[0][0]}"
            )
            if not rows[0][0] == rows[0][1] == rolled[0][0] == accepted:
                raise SystemExit("what was acknowledged is not there exactly once")


def main() -> None:
    """Run it on a small file system."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = Path(folder) / "small"
        mounted.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mounted], check=True)
        try:
            asyncio.run(fill(Path(folder), mounted))
        finally:
            subprocess.run(["umount", "-l", mounted], check=True)


if __name__ == "__main__":
    main()
