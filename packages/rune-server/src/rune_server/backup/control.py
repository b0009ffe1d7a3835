"""How ``rune backup`` asks the running server: a socket in the data folder, for its owner alone.

Only the process that holds the embedded ClickHouse can back it up. One line of JSON each way.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec
import structlog

from rune_server.backup.creation import create, prune
from rune_server.errors import ConfigurationError, ServerError

if TYPE_CHECKING:
    from rune_server.platform import Platform
    from rune_server.settings import Settings

_log = structlog.get_logger("rune_server.backup")
SOCKET = "control.sock"
_MOST_BYTES = 65_536
_LONGEST_PATH = 100
"""Bytes of a socket's path; systems differ, and none takes less."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the server says.

    Attributes:
        folder: The back-up that was made.
        left_out: What is not in it.
        removed: Older ones that were removed.
        error: Why there is none.
    """

    folder: str = ""
    left_out: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    error: str = ""


async def serve(platform: Platform) -> None:
    """The job: answer until cancelled."""
    path = platform.settings.data_dir / SOCKET
    if not hasattr(asyncio, "start_unix_server") or len(os.fsencode(path)) > _LONGEST_PATH:
        _log.warning("`rune backup` cannot reach this server: the data folder's path is too long")
        await asyncio.Event().wait()
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(
            lambda reader, writer: _answer(platform, reader, writer), path=str(path)
        )
    finally:
        os.umask(before)
    try:
        async with server:
            await server.serve_forever()
    finally:
        path.unlink(missing_ok=True)


async def _answer(
    platform: Platform, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        if (await reader.readline()).strip() == b'"backup"':
            answer = await _back_up(platform)
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError) as error:
        _log.info("a request for a back-up broke off", kind=type(error).__name__)
    finally:
        writer.close()


async def _back_up(platform: Platform) -> Answer:
    from rune_server.backup.manifest import read_manifest

    try:
        folder = await create(platform)
        removed = await prune(platform, platform.settings.backup_keep)
        manifest = read_manifest(folder, platform.vault)
    except (ServerError, OSError) as error:
        # Ours say what to do; the system's say what is wrong with a path of the operator's own.
        return Answer(error=str(error))
    return Answer(str(folder), manifest.left_out, tuple(removed))


async def ask(settings: Settings) -> Answer:
    """Have the server that runs on ``settings``' data folder make a back-up.

    Raises:
        ConfigurationError: None answers there.
    """
    path = settings.data_dir / SOCKET
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=_MOST_BYTES)
    except OSError:
        raise ConfigurationError(
            f"no server answers at {path}: start one with the same data_dir (`rune up` or "
            "`rune worker`); back-ups are made by the running server"
        ) from None
    try:
        writer.write(b'"backup"\n')
        await writer.drain()
        line = await reader.readline()
    finally:
        writer.close()
    if not line:
        raise ConfigurationError("the server ended before the back-up was made")
    return msgspec.json.decode(line, type=Answer)
