"""How the operator's commands ask the running server: a socket in the data folder, for its owner.

Only the process that holds the embedded ClickHouse can back it up or write it anew. A line each
way: the name of what is asked, and an ``Answer`` in JSON.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Literal

import msgspec
import structlog

from rune_server.backup.creation import create, prune
from rune_server.errors import ConfigurationError, ServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rune_server.platform import Platform
    from rune_server.settings import Settings

_log = structlog.get_logger("rune_server.control")
SOCKET = "control.sock"
Asked = Literal["key", "backup", "reseal"]
_MOST_BYTES = 65_536
_LONGEST_PATH = 100
"""Bytes of a socket's path; systems differ, and none takes less."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the server says.

    Attributes:
        key_id: Of the master key that the server seals under.
        folder: The back-up that was made.
        left_out: What is not in it.
        removed: Older ones that were removed.
        error: Why there is none, or why it was not sealed again.
    """

    key_id: str = ""
    folder: str = ""
    left_out: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    error: str = ""


class NobodyError(ConfigurationError):
    """No server answers on this data folder."""


async def serve(platform: Platform) -> None:
    """The job: answer until cancelled."""
    path = platform.settings.data_dir / SOCKET
    if not hasattr(asyncio, "start_unix_server") or len(os.fsencode(path)) > _LONGEST_PATH:
        _log.warning(
            "`rune backup` and `rune keys rotate` cannot reach this server: the data folder's path "
            "is too long"
        )
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
        asked = (await reader.readline()).decode("ascii", "replace").strip()
        do = _COMMANDS.get(asked)
        if do is not None:
            writer.write(msgspec.json.encode(await _tried(do, platform)) + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError) as error:
        _log.info("a command broke off", kind=type(error).__name__)
    finally:
        writer.close()


async def _tried(do: Callable[[Platform], Awaitable[Answer]], platform: Platform) -> Answer:
    try:
        return await do(platform)
    except (ServerError, OSError) as error:
        # Ours say what to do; the system's say what is wrong with a path of the operator's own.
        return Answer(error=str(error))


async def _key(platform: Platform) -> Answer:
    return Answer(platform.vault.key_id)


async def _back_up(platform: Platform) -> Answer:
    from rune_server.backup.manifest import read_manifest

    folder = await create(platform)
    removed = await prune(platform, platform.settings.backup_keep)
    manifest = read_manifest(folder, platform.vault)
    return Answer(
        platform.vault.key_id, str(folder), left_out=manifest.left_out, removed=tuple(removed)
    )


async def _reseal(platform: Platform) -> Answer:
    await platform.analytics.reseal()
    return Answer(platform.vault.key_id)


_COMMANDS: dict[str, Callable[[Platform], Awaitable[Answer]]] = {
    "key": _key,
    "backup": _back_up,
    "reseal": _reseal,
}


async def ask(settings: Settings, what: Asked) -> Answer:
    """Have the server that runs on ``settings``' data folder do something, and wait for it.

    Args:
        settings: For the data folder.
        what: ``backup`` makes one; ``reseal`` writes the embedded analytics anew under the current
            master key; ``key`` asks which that is.

    Raises:
        NobodyError: None answers there.
        ConfigurationError: It ended before it was done.
    """
    path = settings.data_dir / SOCKET
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=_MOST_BYTES)
    except OSError:
        raise NobodyError(
            f"no server answers at {path}: start one with the same data_dir (`rune up` or "
            "`rune worker`); back-ups are made by the running server"
        ) from None
    try:
        writer.write(f"{what}\n".encode())
        await writer.drain()
        line = await reader.readline()
    finally:
        writer.close()
    if not line:
        raise ConfigurationError(f"the server ended before it had answered `{what}`")
    return msgspec.json.decode(line, type=Answer)
