"""Where the files of Rune's layer-2 model are. Data only: nothing is loaded here."""

from __future__ import annotations

from pathlib import Path

__all__ = ["folder"]


def folder() -> Path:
    """The folder that holds `manifest.json` and the files it names."""
    return Path(__file__).parent
