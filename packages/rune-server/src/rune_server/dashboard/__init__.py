"""The dashboard: server-rendered pages over the services, live through server-sent events.

A request flows ``application`` (routes, errors, headers) → ``view`` (who is asking, in which
organisation) → ``pages/<noun>`` (calls services, holds no rules) → ``templates/<noun>``. What
browsers load beside the pages is in ``static`` (ours) and ``static/vendor`` (from npm, at build
time: see ``assets``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from rune_server.platform import Platform

__all__ = ["app"]


def app(platform: Platform) -> ASGIApp:
    """The dashboard as an ASGI application.

    Raises:
        AssetsError: The front-end packages are missing and cannot be fetched.
    """
    from rune_server.dashboard.application import create

    return create(platform)
