"""Structured logs: one event a line, metadata only, secrets masked should one ever get in."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rune_server.settings import Settings

_SECRETS = re.compile(
    r"rune_live_[A-Za-z0-9_-]{8,}"  # API keys
    r"|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # session tokens
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # passwords in addresses
)
# Libraries that log statements, values or addresses at their lower levels.
_QUIET = ("sqlalchemy", "alembic", "aiosqlite", "asyncpg", "httpx", "httpx2", "httpcore", "authlib")


def configure(settings: Settings) -> None:
    """Send Rune's and libraries' logs to stderr, as the settings say. Once per process."""
    level = getattr(logging, settings.log_level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        masked,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _without_traceback],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                masked,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def masked(logger: Any, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what looks like a key, a token or a password."""
    del logger, method
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = _SECRETS.sub("[masked]", value)
    return fields


def _without_traceback(
    logger: Any, method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Libraries' tracebacks may hold the values they worked on; the kind of error is kept."""
    del logger, method
    record = fields.get("_record")
    if record is not None and record.exc_info:
        kind = record.exc_info[0]
        fields["error"] = kind.__name__ if kind is not None else "unknown"
        record.exc_info = None
        record.exc_text = None
    fields.pop("exc_info", None)
    return fields
