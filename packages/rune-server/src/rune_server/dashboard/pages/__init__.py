"""The pages, one module per noun. Each lists its addresses in ``PAGES``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.dashboard.pages import (
    account,
    agents,
    alerts,
    events,
    exports,
    gallery,
    live,
    organisation,
    overview,
    palette,
    policies,
    report,
    sessions,
    sign_in,
    threats,
    welcome,
)

if TYPE_CHECKING:
    from rune_server.dashboard.view import Page

PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *live.PAGES,
    *exports.PAGES,
    *events.PAGES,
    *sessions.PAGES,
    *agents.PAGES,
    *threats.PAGES,
    *policies.PAGES,
    *alerts.PAGES,
    *report.PAGES,
    *account.PAGES,
    *organisation.PAGES,
    *welcome.PAGES,
    *palette.PAGES,
    *sign_in.PAGES,
    *gallery.PAGES,
)
"""Every address. The first that matches answers."""
