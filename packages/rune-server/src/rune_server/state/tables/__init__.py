"""The tables, one module per duty. Importing this package imports them all."""

from __future__ import annotations

import importlib
import pkgutil


def import_all() -> None:
    """Import every module here, so that ``Base.metadata`` is complete."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
