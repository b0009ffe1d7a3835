"""One process's part of a back-up test, since a process can hold one embedded ClickHouse.

``stores.py make|back-up|look DATA_DIR`` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.made_events import made_events

from rune_server import audit
from rune_server import settings as server_settings
from rune_server.actor import Role as MemberRole
from rune_server.actor import member
from rune_server.backup import create
from rune_server.clock import SystemClock
from rune_server.control import ask, serve
from rune_server.platform import Role, open_platform
from rune_server.state import migrations, open_state
from rune_server.state.tables.organisations import Organisation
from rune_server.storage.master import open_vault

EVENTS = 500


async def main(what: str, data_dir: Path) -> dict:
    settings = server_settings.load({"data_dir": data_dir, "password_cost": 4})
    if what == "make":
        state = open_state(settings, open_vault(settings), SystemClock())
        await migrations.upgrade(state)
        await state.close()
    async with open_platform(settings, Role.ALL) as platform:
        if what == "make":
            return await _make(platform)
        if what == "back-up":
            server = asyncio.create_task(serve(platform))
            while not (data_dir / "control.sock").exists():  # noqa: ASYNC110 - another's file
                await asyncio.sleep(0.01)
            mode = (data_dir / "control.sock").stat().st_mode & 0o777
            answer = await ask(settings, "backup")
            server.cancel()
            return {"folder": answer.folder, "error": answer.error, "mode": mode}
        return await _look(platform)


async def _make(platform) -> dict:
    made = Organisation(name="Acmé", plan="growth", region="eu", created_at=platform.clock.now())
    async with platform.state.begin() as session:
        session.add(made)
    actor = member(made.id, "owner", MemberRole.OWNER)
    for number in range(3):
        async with platform.state.begin() as session:
            await audit.record(session, actor, action="thing.done", target=f"thing:{number}")
    await platform.analytics.insert(made.id, made_events(EVENTS, until=datetime.now(UTC)))
    spool = platform.settings.data_dir / "spool"
    (spool / "sub").mkdir(parents=True, exist_ok=True)
    (spool / "sub" / "1.segment").write_bytes(b"sealed events")
    folder = await create(platform)
    return {"organisation": str(made.id), "folder": str(folder)}


async def _look(platform) -> dict:
    from sqlalchemy import select

    async with platform.state.read() as session:
        (found,) = (await session.execute(select(Organisation))).scalars()
        chain = await audit.verify(session, found.id)
    page = await platform.analytics.events(found.id, limit=1000)
    file = platform.settings.data_dir / "spool" / "sub" / "1.segment"
    return {
        "organisation": str(found.id),
        "name": found.name,
        "events": len(page.items),
        "audit": [chain.entries, len(chain.faults)],
        "spool": file.read_text() if file.exists() else "",
    }


if __name__ == "__main__":
    os.umask(0o077)
    print(json.dumps(asyncio.run(main(sys.argv[1], Path(sys.argv[2])))))
