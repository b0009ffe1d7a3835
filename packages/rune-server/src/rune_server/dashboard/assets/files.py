"""Serving the static files from memory: a few hundred kilobytes, read once, gzipped once.

Addresses carry a digest of all files (``/static/<digest>/js/app.js``), so browsers may keep them
for a year, and modules that import each other by relative paths always match.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rune_server.dashboard.assets.packages import DASHBOARD, ensure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

_STATIC = DASHBOARD / "static"
_SHEETS = ("tokens", "base", "layout", "components", "forms", "tables", "pages", "print")
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_SQUEEZED = (".js", ".css", ".svg")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent."""

    body: bytes
    squeezed: bytes | None
    media_type: str


class StaticFiles:
    """An ASGI app for ``/static/…``.

    Attributes:
        version: Digest over all files; part of every address.
        weights: Bytes sent for each path to a browser that takes gzip.
    """

    def __init__(self, files: Mapping[str, StaticFile]) -> None:
        self._files = files
        digest = hashlib.sha256()
        for name in sorted(files):
            digest.update(name.encode() + b"\0" + files[name].body)
        self.version = digest.hexdigest()[:12]
        self.weights = {name: len(one.squeezed or one.body) for name, one in files.items()}

    def url(self, path: str) -> str:
        """The address of a file under ``static``.

        Raises:
            LookupError: There is no such file.
        """
        if path not in self._files:
            raise LookupError(f"static/{path} does not exist")
        return f"/static/{self.version}/{path}"

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer GET and HEAD; anything else about a file is 404 or 405."""
        _, _, rest = scope["path"].removeprefix("/static/").partition("/")
        found = self._files.get(rest)
        method = scope["method"]
        if found is None or method not in {"GET", "HEAD"}:
            await _answer(send, 404 if found is None else 405, [], b"")
            return
        accepts = next(
            (value for name, value in scope["headers"] if name == b"accept-encoding"), b""
        )
        body, headers = found.body, [(b"content-type", found.media_type.encode())]
        if found.squeezed is not None:
            headers.append((b"vary", b"accept-encoding"))
            if b"gzip" in accepts:
                body = found.squeezed
                headers.append((b"content-encoding", b"gzip"))
        current = scope["path"].startswith(f"/static/{self.version}/")
        headers += [
            # A page of the version before may still ask for its files during an upgrade.
            (b"cache-control", b"public, max-age=31536000, immutable" if current else b"no-cache"),
            (b"x-content-type-options", b"nosniff"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        await _answer(send, 200, headers, body, head=method == "HEAD")


async def _answer(
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    *,
    head: bool = False,
) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


def load() -> StaticFiles:
    """Read every static file, the style sheets joined into ``app.css``.

    Raises:
        AssetsError: The npm packages are missing and cannot be fetched.
    """
    ensure()
    files: dict[str, StaticFile] = {}
    for path in sorted(_STATIC.rglob("*")):
        name = path.relative_to(_STATIC).as_posix()
        if path.suffix in _TYPES and not name.startswith((".", "css/")):
            files[name] = _file(path.suffix, path.read_bytes())
    sheets = [(_STATIC / "css" / f"{name}.css").read_bytes() for name in _SHEETS]
    sheets.insert(0, (_STATIC / "vendor" / "uplot.css").read_bytes())
    files["app.css"] = _file(".css", b"\n".join(sheets))
    return StaticFiles(files)


def _file(suffix: str, body: bytes) -> StaticFile:
    squeezed = gzip.compress(body, 9, mtime=0) if suffix in _SQUEEZED else None
    media_type = _TYPES.get(suffix) or mimetypes.types_map[suffix]
    return StaticFile(body, squeezed, media_type)
