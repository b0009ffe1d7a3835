"""What ``rune doctor`` says about the journal: whether it is kept, where, and if it can be read."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from rune_core.cli.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.config import ShieldConfig

AREA = "journal"


def journal(config: ShieldConfig) -> Iterator[Check]:
    """The journal of this machine, by these settings."""
    from rune_core.errors import ConfigError, JournalError
    from rune_core.journal.keys import INSTALL, JournalKeys

    folder = config.journal_folder
    there = folder.is_dir() and any(folder.iterdir())
    if not config.journal_enabled and not there:
        yield Check(AREA, "kept", "ok", "off: no content is kept")
        return
    if importlib.util.find_spec("cryptography") is None:
        yield Check(AREA, "encryption", "fail", "cryptography is not installed", INSTALL)
        return
    from rune_core.journal.segments import read, segments

    try:
        keys = JournalKeys(config.journal_key, folder.parent)
        size = sum(path.stat().st_size for path in segments(folder))
        count = sum(1 for _ in read(folder, keys.for_reading()))
    except (ConfigError, JournalError) as error:
        yield Check(AREA, "readable", "fail", str(error), "see docs/journal.md")
        return
    state = "kept" if config.journal_enabled else "off, but one is there"
    yield Check(
        AREA,
        "kept",
        "ok",
        f"{state}: content, encrypted, in {folder}: {count:,} entries, {size:,} of "
        f"{config.journal_max_bytes:,} bytes; key in {keys.where()}",
        "" if config.journal_enabled else "rune journal erase deletes it",
    )
