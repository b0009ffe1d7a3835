"""The page of all settings: ``python -m rune_server.settings_page > docs/server/settings.md``."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from pathlib import Path

from rune_server.settings import CONFIG_FILE_VARIABLE, Settings, variable_for

_HEAD = f"""# Settings of the server

Each is an environment variable, a key of the TOML file that `{CONFIG_FILE_VARIABLE}` names (its
name in small letters, without `RUNE_`), and some are options of the commands: see `rune up --help`.
An option beats the environment, which beats the file. All are checked at start-up, and every fault
is named at once.

Those marked *secret* never appear in a log, an error or a `repr`.

This page is made from the code by `python -m rune_server.settings_page`; a test holds it to that.

| variable | default | what it is |
|---|---|---|
"""


def page() -> str:
    """The page, as Markdown."""
    rows = []
    for setting in fields(Settings):
        secret = " *(secret)*" if setting.metadata["secret"] else ""
        rows.append(
            f"| `{variable_for(setting.name)}` | {_shown(setting.default)} "
            f"| {setting.metadata['help']}{secret} |"
        )
    return _HEAD + "\n".join(rows) + "\n"


def _shown(default: object) -> str:
    if default is MISSING:
        return "the user's data folder"
    if default is None or default in ("", ()):
        return "–"
    if isinstance(default, bool):
        return "`1`" if default else "`0`"
    return f"`{default.name if isinstance(default, Path) else default}`"


if __name__ == "__main__":
    sys.stdout.write(page())
