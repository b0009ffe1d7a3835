"""Writes ``0001_initial`` from the tables: ``python -m rune_server.state.migrations.regenerate``.

Until the first release there is this one migration. After it, say what changed and a further one
is written: ``python -m rune_server.state.migrations.regenerate "what changed"``.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine

from rune_server.state.migrations import FOLDER, config

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

VERSIONS = FOLDER / "versions"


async def _write(message: str, revision: str, *, first: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = create_async_engine(f"sqlite+aiosqlite:///{Path(folder) / 'scratch.db'}")

        def revise(connection: Connection) -> None:
            if not first:
                command.upgrade(config(connection), "head")
            command.revision(
                config(connection), message=message, rev_id=revision, autogenerate=True
            )

        async with engine.begin() as connection:
            await connection.run_sync(revise)
        await engine.dispose()


def main() -> None:
    """Regenerate the first migration, or write a further one when told what changed."""
    existing = sorted(VERSIONS.glob("[0-9]*.py"))
    if len(sys.argv) > 1:
        number = f"{len(existing) + 1:04}"
        asyncio.run(_write(sys.argv[1], number, first=False))
    else:
        if len(existing) > 1:
            raise SystemExit("there are later migrations: say what changed instead")
        for path in existing:
            path.unlink()
        asyncio.run(_write("initial", "0001", first=True))
    files = [str(path) for path in VERSIONS.glob("[0-9]*.py")]
    for arguments in (("format", "-q"), ("check", "-q", "--fix"), ("format", "-q")):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, *files], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
