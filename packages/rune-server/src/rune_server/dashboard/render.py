"""Templates: one Jinja environment, always escaping, undefined names are errors."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from rune_server.dashboard import formats, links
from rune_server.dashboard.assets.icons import ICONS

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from rune_server.dashboard.assets import StaticFiles


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a page is drawn: what macros need, however deep they are called.

    Attributes:
        zone: Their time zone.
        now: When the page is drawn.
        csrf_token: What their forms carry; empty when they are not signed in.
    """

    zone: ZoneInfo
    now: datetime
    csrf_token: str


reader: ContextVar[Reader] = ContextVar("reader")


def environment(static: StaticFiles) -> Environment:
    """The environment with every filter and function that templates use."""
    env = Environment(
        loader=PackageLoader("rune_server.dashboard", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    env.filters |= {
        "number": formats.number,
        "compact": formats.compact,
        "percent": formats.percent,
        "ms": formats.milliseconds,
        "size": formats.size,
        "duration": formats.duration,
        "iso": formats.iso,
        "initials": formats.initials,
        "fitted": formats.fitted,
        # Jinja's own leaves slashes, which a name may hold: it would lead elsewhere.
        "urlencode": lambda text: quote(str(text), safe=""),
        "moment": _moment,
        "words": lambda name: name.replace("_", " "),
        "kind_options": lambda kinds: [
            (name, f"{name.replace('_', ' ')}: {text}") for name, text in kinds.items()
        ],
    }
    env.globals |= {
        "static_url": static.url,
        "known_icon": known_icon,
        "spark_paths": formats.spark_paths,
        "query": links.query,
        "change": formats.change,
        "query_policy": lambda name: "/events" + links.query(policy=name, range="7d"),
        "csrf_token": lambda: reader.get().csrf_token,
    }
    return env


def known_icon(name: str) -> str:
    """The name of an icon that exists.

    Raises:
        LookupError: A template names one that is not in ``assets/icons.py``.
    """
    if name not in ICONS:
        raise LookupError(f"no icon {name!r}; add it to assets/icons.py")
    return name


def _moment(at: datetime, form: str = "short") -> str:
    return formats.moment(at, form, reader.get().zone, reader.get().now)
