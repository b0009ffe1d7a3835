"""The ``rune`` command. Nothing here is imported by ``import rune_core``."""

from __future__ import annotations


def main() -> None:
    """Run the command line: the ``rune`` entry point."""
    try:
        from rune_core.cli.app import run

        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
