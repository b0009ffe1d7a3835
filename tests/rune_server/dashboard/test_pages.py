"""Every page, for every role: it draws, without a complaint, in a weight, at every width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.dashboard.pictures import pages
from benchmarks.dashboard.running import PERSONS, STRANGER

from rune_server.dashboard.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.dashboard.running import DemoServer
    from tests.rune_server.dashboard.conftest import Complaints, Visit

MAX_BYTES = 300_000
WIDTHS = (375, 2560)


SETTLED = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"


def test_every_page_draws_is_light_and_fits(as_role: Callable[..., Visit]) -> None:
    """First visit of each page, with everything it loads: below 300 kB.

    Nothing makes a page scroll sideways at any width; what is wider scrolls inside its own frame.
    """
    visit = as_role()
    found = list(_addresses(visit))
    assert len(found) > 30
    page = visit.page
    # As if each page were the first that is visited.
    network = visit.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[int] = []
    page.on(
        "requestfinished",
        lambda request: sizes.append(request.sizes()["responseBodySize"]),
    )
    for name, address in found:
        sizes.clear()
        answer = page.goto(visit.server.url + address)
        assert answer is not None
        assert answer.status == 200, (name, answer.status)
        assert page.locator("h1").count() == 1, name
        page.wait_for_load_state("load")
        # The page with its style sheets, or the cache was asked after all.
        assert 30_000 < sum(sizes) < MAX_BYTES, (name, sum(sizes))
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate(SETTLED)
            wide = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, (name, width, wide)
        page.set_viewport_size({"width": 1280, "height": 800})


def _addresses(visit: Visit) -> list[tuple[str, str]]:
    visit.go("/events")
    return [one for one in pages(visit.page) if one[0] != "not-found"]


# Whether a chart's axis is cut off: something is painted at the right edge of the band below it.
CUT_AXES = """() => [...document.querySelectorAll("[data-chart] canvas")].map((canvas) => {
  const band = Math.round(22 * devicePixelRatio);
  const pen = canvas.getContext("2d");
  const edge = pen.getImageData(canvas.width - 1, canvas.height - band, 1, band);
  return edge.data.some((value, at) => at % 4 === 3 && value > 0);
})"""
DRAWN = """() => {
  const charts = [...document.querySelectorAll("[data-chart]")];
  return charts.length > 0 && charts.every((chart) => chart.querySelector("canvas"));
}"""


def test_a_small_desk_cuts_nothing_off(as_role: Callable[..., Visit]) -> None:
    """At 1280: figures in one row, tables whole, and the last label of a chart's axis."""
    window = as_role(width=1280)
    page = window.go("/")
    rows = "boxes => new Set(boxes.map((box) => box.offsetTop)).size"
    assert page.locator(".stats > *").count() == 4
    assert page.locator(".stats > *").evaluate_all(rows) == 1
    page.set_viewport_size({"width": 500, "height": 800})
    assert page.locator(".stats > *").evaluate_all(rows) == 2
    page.set_viewport_size({"width": 1280, "height": 800})
    hidden = "box => box.scrollWidth - box.clientWidth"
    page = window.go("/agents/billing-assistant?range=7d")
    assert page.get_by_label("All tools, scrollable").evaluate(hidden) <= 0
    page = window.go("/policies")
    content = page.locator("tr[data-href]").first.get_attribute("data-href")
    page = window.go(f"{content}/history")
    assert page.get_by_label("Revisions, scrollable").evaluate(hidden) <= 0
    # The last of these labels stands as near to the edge as one can.
    for minute in range(0, 20, 5):
        since, until = "2026-01-01T00:00:00Z", f"2026-01-02T00:{minute:02}:00Z"
        page = window.go(f"/events?since={since}&until={until}")
        page.wait_for_function(DRAWN)
        assert page.evaluate(CUT_AXES) == [False], minute


def _readable() -> list[str]:
    return [
        page.path
        for page in PAGES
        if page.method == "GET" and "{" not in page.path and not page.public
    ]


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_each_role_sees_what_it_may(
    as_role: Callable[..., Visit], role: str, complaints: Complaints
) -> None:
    """A page is drawn for those who hold its permission, and refused to the others."""
    from rune_server.actor import ROLE_PERMISSIONS, Role

    may = ROLE_PERMISSIONS[Role(role)]
    visit = as_role(role)
    for page in PAGES:
        if page.method != "GET" or "{" in page.path or page.public or page.path == "/events/live":
            continue
        answer = visit.context.request.get(visit.server.url + page.path, max_redirects=0)
        allowed = page.needs is None or page.needs in may
        assert answer.status == (200 if allowed else 403), (page.path, answer.status)
    menu = visit.go("/").locator("nav.sidebar .nav a")
    for index in range(menu.count()):
        path = menu.nth(index).get_attribute("href")
        answer = visit.context.request.get(visit.server.url + str(path))
        assert answer.status == 200, path
    assert not complaints


def test_strangers_are_sent_to_sign_in(visit: Callable[..., Visit]) -> None:
    window = visit()
    for path in _readable():
        answer = window.context.request.get(window.server.url + path, max_redirects=0)
        assert answer.status == 303, path
        assert answer.headers["location"].startswith("/sign-in?next="), path
    page = window.go("/events?action=block")
    page.get_by_label("Mail address").fill(PERSONS["viewer"].email)
    page.get_by_label("Password").fill(PERSONS["viewer"].password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/events?action=block")


def test_one_organisation_never_sees_the_other(
    as_role: Callable[..., Visit], visit: Callable[..., Visit], complaints: Complaints
) -> None:
    """Every address with an id of Northwind's answers Contoso's owner as if it did not exist."""
    mine = as_role()
    addresses = [address for name, address in _addresses(mine) if any(c.isdigit() for c in address)]
    theirs = visit()
    theirs.sign_in(STRANGER)
    tried = 0
    for address in addresses:
        if not address.startswith(("/policies/", "/alerts/", "/sessions/", "/events/")):
            continue
        if address.startswith(("/events?", "/alerts/rules/new")):
            continue
        answer = theirs.context.request.get(theirs.server.url + address.partition("?")[0])
        assert answer.status == 404, address
        tried += 1
    assert tried >= 8
    assert "billing" not in theirs.go("/members").content()
    for person in PERSONS.values():
        assert person.email not in theirs.page.content()
    theirs.go("/events")
    assert theirs.page.locator("tr[data-id]").count() > 0
    rows = theirs.page.locator("tr[data-id]")
    other = rows.first.get_attribute("data-id")
    answer = mine.context.request.get(f"{mine.server.url}/events/{other}")
    assert answer.status == 404
    assert not complaints


def test_what_does_not_exist_says_so(as_role: Callable[..., Visit], complaints: Complaints) -> None:
    visit = as_role()
    for path in ("/nothing", "/events/nothing", "/policies/nothing", "/threats/nothing"):
        page = visit.go(path)
        assert page.get_by_role("heading", name="Not found").is_visible()
    complaints.expect("404")
    answer = visit.context.request.post(f"{visit.server.url}/events", fail_on_status_code=False)
    assert answer.status in {403, 405}


def test_a_form_has_a_bound(server: DemoServer, visit: Callable[..., Visit]) -> None:
    """Anybody can send one to the sign-in page: it is not read to its end."""
    answer = visit().context.request.post(
        f"{server.url}/sign-in",
        data=b"email=a&password=" + b"x" * 3_000_000,
        headers={"content-type": "application/x-www-form-urlencoded", "origin": server.url},
    )
    assert answer.status == 413


def test_headers(server: DemoServer, as_role: Callable[..., Visit]) -> None:
    answer = as_role().context.request.get(f"{server.url}/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-store"
    assert "strict-transport-security" in answer.headers
