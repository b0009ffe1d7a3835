"""The page of settings says what the code says."""

from __future__ import annotations

from pathlib import Path

from rune_server.settings_page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "server" / "settings.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m rune_server.settings_page > docs/server/settings.md"
    )
