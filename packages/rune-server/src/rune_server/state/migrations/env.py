"""Alembic's environment. The connection comes from ``rune_server.state.migrations``."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from rune_server.state.base import Base, UtcDateTime
from rune_server.state.tables import import_all


def _render(kind: str, item: Any, _autogenerate_context: Any) -> str | Literal[False]:
    """Migrations name no types of ours, which later versions may rename."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


import_all()
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=_render,
)
context.run_migrations()
