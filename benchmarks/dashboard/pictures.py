"""A picture of every page, in light and dark, on a desk and on a phone.

    python -m benchmarks.dashboard.pictures            # into out/dashboard, which git ignores
    python -m benchmarks.dashboard.pictures --only events policies

Needs Debian's chromium (``apt-get install chromium``).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks.dashboard.running import CHROMIUM, CHROMIUM_FLAGS, PERSONS, DemoServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, BrowserContext
    from playwright.sync_api import Page as BrowserPage

SIZES = {"desk": (1440, 900), "phone": (375, 812)}
SCHEMES = ("light", "dark")


def pages(page: BrowserPage) -> Iterator[tuple[str, str]]:
    """Name and address of every page, as the demo has them."""
    yield "overview", "/"
    yield "events", "/events"
    yield "events-blocked", "/events?action=block&range=7d"
    event = page.locator("tr[data-id]").first.get_attribute("data-id")
    yield "event-drawer", f"/events?range=7d&action=block&open={_blocked(page) or event}"
    yield "event", f"/events/{event}"
    yield "sessions", "/sessions"
    yield "session", _first(page, "/sessions?q=agent:billing-assistant", "tr[data-href]")
    yield "agents", "/agents"
    yield "agent", "/agents/billing-assistant?range=7d"
    yield "threats", "/threats?range=7d"
    yield "threat", "/threats/prompt_injection?range=7d"
    yield "policies", "/policies"
    content = _first(page, "/policies", "tr[data-href]")
    yield "policy-editor", content
    yield "policy-cases", f"{content}/cases"
    yield "policy-diff", f"{content}/diff?before=1&after=3"
    yield "policy-dry-run", f"{content}/dry-run"
    yield "policy-rollout", f"{content}/rollout"
    yield "policy-history", f"{content}/history"
    yield "policy-new", "/policies/new"
    yield "alerts", "/alerts"
    yield "alert", _first(page, "/alerts", "li[data-href]")
    yield "alert-rules", "/alerts/rules"
    yield "alert-rule", "/alerts/rules/new"
    yield "alert-channels", "/alerts/channels"
    yield "keys", "/keys"
    yield "members", "/members"
    yield "audit", "/audit"
    yield "settings", "/settings"
    yield "account", "/settings/account"
    yield "welcome", "/welcome"
    yield "report", "/report"
    yield "design", "/design"
    yield "not-found", "/nothing"


def _first(page: BrowserPage, address: str, selector: str) -> str:
    page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + address)
    return page.locator(selector).first.get_attribute("data-href") or "/"


def _blocked(page: BrowserPage) -> str | None:
    base = "/".join(page.url.split("/", 3)[:3])
    page.goto(f"{base}/events?action=block&range=7d&q=agent:billing-assistant")
    rows = page.locator("tr[data-id]")
    return rows.first.get_attribute("data-id") if rows.count() else None


STRANGERS = (
    ("sign-in", "/sign-in"),
    ("sign-up", "/sign-up"),
    ("reset", "/reset"),
    ("second-factor", "/sign-in/second-factor"),
)


def sign_in(context: BrowserContext, url: str, role: str = "owner") -> BrowserPage:
    """A page of somebody signed in."""
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.get_by_label("Mail address").fill(PERSONS[role].email)
    page.get_by_label("Password").fill(PERSONS[role].password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/")
    return page


def take(browser: Browser, url: str, folder: Path, only: Sequence[str]) -> int:
    """Take them; how many browsers' complaints there were."""
    complaints: list[str] = []
    for scheme in SCHEMES:
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                ignore_https_errors=True,
                color_scheme=scheme,  # type: ignore[arg-type]
                viewport={"width": width, "height": height},
                device_scale_factor=2 if size == "phone" else 1,
                timezone_id="Europe/Berlin",
            )
            stranger = context.new_page()
            for name, address in STRANGERS:
                _shoot(stranger, url, name, address, folder, f"{size}-{scheme}", only, complaints)
            page = sign_in(context, url)
            found = context.new_page()
            found.goto(f"{url}/events")
            for name, address in pages(found):
                _shoot(page, url, name, address, folder, f"{size}-{scheme}", only, complaints)
            context.close()
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return len(complaints)


def _shoot(
    page: BrowserPage,
    url: str,
    name: str,
    address: str,
    folder: Path,
    suffix: str,
    only: Sequence[str],
    complaints: list[str],
) -> None:
    if only and name not in only:
        return

    def heard(text: str) -> None:
        if name != "not-found":
            complaints.append(f"{name}: {text}")

    def on_console(message: object) -> None:
        if getattr(message, "type", "") == "error":
            heard(str(getattr(message, "text", "")))

    page.on("console", on_console)
    page.on("pageerror", lambda error: heard(str(error)))
    page.goto(url + address)
    page.wait_for_load_state("load")
    if name == "event-drawer":
        page.locator("#drawer .drawer-body").wait_for()
    if name == "policy-dry-run":
        page.locator("[hx-get] .table-wrap").wait_for()
    page.wait_for_timeout(700)
    page.screenshot(path=folder / f"{name}-{suffix}.png", full_page=name != "event-drawer")
    page.remove_listener("console", on_console)


def main() -> int:
    """Seed, serve, take the pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard.pictures")
    parser.add_argument("--into", type=Path, default=Path("out/dashboard"))
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--url", help="of a demo that is served already")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        if arguments.url:
            return take(browser, arguments.url, arguments.into, arguments.only)
        with DemoServer(Path(scratch), events=arguments.events) as server:
            return take(browser, server.url, arguments.into, arguments.only)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
