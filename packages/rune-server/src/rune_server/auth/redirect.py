"""Where to go after signing in: never to another site."""

from __future__ import annotations

MAX_PATH = 2000


def local_path(path: str) -> str:
    r"""``path`` if it is one of this site, else ``/``.

    Browsers read ``//host``, ``/\host`` and what holds tabs or line breaks as other sites.
    """
    if not path.startswith("/") or path.startswith("//") or "\\" in path or len(path) > MAX_PATH:
        return "/"
    return path if path.isascii() and path.isprintable() else "/"
