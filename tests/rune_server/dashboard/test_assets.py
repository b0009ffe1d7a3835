"""The static files: from npm by a lock, served from memory, fit for a strict content policy."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from rune_server import dashboard
from rune_server.dashboard import assets
from rune_server.dashboard.assets import packages
from rune_server.dashboard.assets.icons import ICONS

DASHBOARD = Path(dashboard.__file__).parent
TEMPLATES = sorted((DASHBOARD / "templates").rglob("*.html"))


@pytest.fixture(scope="module")
def static() -> assets.StaticFiles:
    try:
        return assets.load()
    except assets.AssetsError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


async def get(
    static: assets.StaticFiles, path: str, *, method: str = "GET", encoding: str = ""
) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [(b"accept-encoding", encoding.encode())] if encoding else []
    await static(
        {"type": "http", "path": path, "method": method, "headers": headers}, receive, send
    )
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, sent[1]["body"]


def test_the_lock_pins_hashes_and_names_no_registry() -> None:
    lock = json.loads((DASHBOARD / "frontend" / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert set(packages) == {
        f"node_modules/{name}"
        for name in json.loads((DASHBOARD / "frontend" / "package.json").read_text())[
            "dependencies"
        ]
    }
    for one in packages.values():
        assert one["integrity"].startswith("sha512-")
        assert "resolved" not in one


async def test_files_are_served_squeezed_and_kept_for_ever(static: assets.StaticFiles) -> None:
    address = static.url("js/app.js")
    status, headers, body = await get(static, address, encoding="gzip, br")
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert "immutable" in headers["cache-control"]
    assert gzip.decompress(body) == (DASHBOARD / "static" / "js" / "app.js").read_bytes()
    status, headers, body = await get(static, address)
    assert (status, "content-encoding" in headers) == (200, False)
    status, headers, body = await get(static, address, method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    _, headers, _ = await get(static, "/static/another-version/js/app.js")
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "../application.py", "js/../../application.py", "vendor/made-for", "", "css"],
)
async def test_nothing_else_is_served(static: assets.StaticFiles, path: str) -> None:
    assert (await get(static, f"/static/{static.version}/{path}"))[0] == 404
    with pytest.raises(LookupError):
        static.url(path)


def test_every_page_weighs_little(static: assets.StaticFiles) -> None:
    """What a first visit loads beside its page: the bar is 300 kB with the page."""
    first = ("app.css", "vendor/htmx.js", "vendor/uplot.js", "vendor/inter.woff2")
    first += ("vendor/jetbrains-mono.woff2", "vendor/icons.svg")
    scripts = sum(size for name, size in static.weights.items() if name.startswith("js/"))
    assert sum(static.weights[name] for name in first) + scripts < 220_000


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_inline(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle=", text)
    assert not re.search(r"\son[a-z]+=", text)
    assert not re.search(r"hx-on|hx-vals=.js:|javascript:", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert "<style" not in text
    assert "|safe" not in text.replace(" ", "")


def test_every_icon_that_is_named_exists() -> None:
    named = set()
    for template in TEMPLATES:
        named |= set(re.findall(r'\bicon\("([a-z0-9-]+)"', template.read_text()))
    assert named <= set(ICONS)


def test_style_sheets_use_colours_by_name() -> None:
    """Tokens are the only place for colours, white and black on fixed grounds apart."""
    for sheet in (DASHBOARD / "static" / "css").glob("*.css"):
        if sheet.name in {"tokens.css", "print.css"}:
            continue
        found = set(
            re.findall(
                r"#[0-9a-fA-F]{3,8}\b", re.sub(r"light-dark\([^)]*\)", "", sheet.read_text())
            )
        )
        assert found <= {"#fff"}, (sheet.name, found)


def test_a_missing_npm_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packages, "VENDOR", tmp_path / "static" / "vendor")
    monkeypatch.setattr(packages, "_npm", lambda: [str(tmp_path / "no-such-npm")])
    with pytest.raises(assets.AssetsError, match=r"rune_server\.dashboard\.assets"):
        assets.ensure()
    assert not (tmp_path / "static" / "vendor").exists()


def test_a_package_that_was_tampered_with_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """npm compares what it gets with the lock; a wrong hash leaves the folder as it was."""
    static = assets.up_to_date()
    front = tmp_path / "frontend"
    shutil.copytree(DASHBOARD / "frontend", front)
    lock = (front / "package-lock.json").read_text()
    wrong = re.sub(r"sha512-[A-Za-z0-9+/]{20}", "sha512-" + "A" * 20, lock)
    (front / "package-lock.json").write_text(wrong)
    monkeypatch.setattr(packages, "FRONTEND", front)
    monkeypatch.setattr(packages, "VENDOR", tmp_path / "static" / "vendor")
    with pytest.raises(assets.AssetsError, match="npm ci failed"):
        assets.fetch()
    assert not (tmp_path / "static" / "vendor").exists()
    monkeypatch.undo()
    assert assets.up_to_date() == static
