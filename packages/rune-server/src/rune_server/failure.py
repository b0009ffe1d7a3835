"""Exceptions in logs: by kind and place, never by message, which may hold what was sent."""

from __future__ import annotations

import traceback
from pathlib import PurePath


def described(error: BaseException) -> str:
    """The exception's type and where it was raised, such as ``KeyError at evaluate.py:41``."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} at {PurePath(last.filename).name}:{last.lineno}"
