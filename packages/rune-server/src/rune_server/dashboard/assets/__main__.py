"""``python -m rune_server.dashboard.assets``: fetch the front-end packages."""

from __future__ import annotations

import argparse
import sys

from rune_server.dashboard.assets.packages import VENDOR, AssetsError, fetch, up_to_date


def main() -> int:
    """Fetch what is missing. Exit status 1 says that it could not."""
    parser = argparse.ArgumentParser(prog="python -m rune_server.dashboard.assets")
    parser.add_argument("--force", action="store_true", help="fetch although all is there")
    parser.add_argument("--check", action="store_true", help="fetch nothing; exit 1 if missing")
    arguments = parser.parse_args()
    if up_to_date() and not arguments.force:
        sys.stdout.write(f"{VENDOR} is up to date\n")
        return 0
    if arguments.check:
        sys.stderr.write(f"{VENDOR} is missing or older than frontend/package-lock.json\n")
        return 1
    try:
        fetch()
    except AssetsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"made {VENDOR}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
