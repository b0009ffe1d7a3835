"""The version, in one place: the installed distribution's."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("rune-core")
except PackageNotFoundError:  # running from a source tree that was never installed
    VERSION = "0+unknown"
