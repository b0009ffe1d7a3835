"""The pages, one module per noun. Each lists its addresses in ``PAGES``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.dashboard.pages import gallery

if TYPE_CHECKING:
    from rune_server.dashboard.view import Page

PAGES: tuple[Page, ...] = (*gallery.PAGES,)
"""Every address. The first that matches answers."""
