"""A client of a Rune server's management API, for scripts: what the dashboard does, as methods.

::

    from rune_core.client import RuneClient

    with RuneClient(url="https://rune.example.com", api_key="rune_live_…") as rune:
        for agent in rune.list_agents():
            print(agent["agent_id"], agent["risk"])

``AsyncRuneClient`` has the same methods to await. Items are plain dicts, as the server's OpenAPI
document (``/v1/openapi.json``) describes them. Errors are those of ``rune_core.errors``:
``ServerStatusError`` carries the status, the stable ``code`` and the ``faults``.
"""

from __future__ import annotations

from rune_core.client.client import AsyncRuneClient, RuneClient

__all__ = ["AsyncRuneClient", "RuneClient"]
