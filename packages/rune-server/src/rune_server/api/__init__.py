"""The management API: everything the dashboard does, for programs. Thin over the services.

OpenAPI 3.1 at ``/v1/openapi.json``. Callers come with an API key (``X-Rune-Key``, or as a bearer
token) or with the dashboard's session.
"""

from __future__ import annotations

from rune_server.api.app import app, openapi

__all__ = ["app", "openapi"]
