"""axe-core finds nothing serious on any page, light and dark; the keyboard reaches everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.dashboard.pictures import STRANGERS, pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from tests.rune_server.dashboard.conftest import Complaints, Visit

_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  const why = (node) => node.any.concat(node.all).map((check) => check.message)[0];
  return found.violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => [one.id, one.nodes.slice(0, 4).map((node) => [node.html, why(node)])]);
}"""


def violations(page: Page, axe: str) -> Any:
    # Through the debugger, which the page's content policy does not concern.
    page.evaluate(axe + "; undefined")
    return page.evaluate(_RUN)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_violation(
    as_role: Callable[..., Visit],
    visit: Callable[..., Visit],
    axe: str,
    scheme: str,
    complaints: Complaints,
) -> None:
    signed_in = as_role(scheme=scheme, reduced_motion="reduce")
    signed_in.go("/events")
    listed = list(pages(signed_in.page))
    stranger = visit(scheme=scheme, reduced_motion="reduce")
    found = {}
    for window, addresses in ((stranger, STRANGERS), (signed_in, listed)):
        for name, address in addresses:
            page = window.go(address)
            page.wait_for_load_state("networkidle") if name == "policy-dry-run" else None
            if name == "event-drawer":
                page.locator("#drawer .drawer-body").wait_for()
            wrong = violations(page, axe)
            if wrong:
                found[name] = wrong
    complaints.expect("404")
    assert not found, found


def test_menus_dialogs_and_palette_are_accessible(as_role: Callable[..., Visit], axe: str) -> None:
    page = as_role(reduced_motion="reduce").go("/events")
    page.keyboard.press("Control+k")
    page.locator("#palette-list [role=option]").first.wait_for()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    page.locator("#palette").wait_for(state="hidden")
    page.keyboard.press("?")
    page.locator("#help[open]").wait_for()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Filter").click()
    assert violations(page, axe) == []


def test_the_keyboard_works_the_list(as_role: Callable[..., Visit]) -> None:
    page = as_role().go("/events?action=block&range=7d")
    rows = page.locator("tr[data-id]")
    assert rows.count() > 2
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert rows.nth(1).get_attribute("aria-selected") == "true"
    page.keyboard.press("k")
    assert rows.nth(0).get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    drawer = page.locator("#drawer")
    drawer.get_by_text("Content is not here.").wait_for()
    page.wait_for_url(f"**open={rows.nth(0).get_attribute('data-id')}*")
    second = rows.nth(1).get_attribute("data-id")
    page.keyboard.press("]")
    page.wait_for_url(f"**open={second}*")
    page.keyboard.press("Escape")
    drawer.wait_for(state="hidden")
    page.wait_for_url(lambda url: "open=" not in url)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/agents")


def test_the_palette_goes_anywhere(as_role: Callable[..., Visit]) -> None:
    page = as_role().go("/")
    page.keyboard.press("Control+k")
    page.locator("#palette-list [role=option]").first.wait_for()
    page.keyboard.type("billing")
    page.keyboard.press("Enter")  # at once: what was typed counts, not what is shown so far
    page.wait_for_url("**/agents/billing-assistant")
    page.keyboard.press("Control+k")
    page.locator("#palette-list [role=option]").first.wait_for()
    page.keyboard.type("dark theme")
    page.keyboard.press("Enter")
    page.locator("html[data-theme=dark]").wait_for()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_focus_is_always_visible_and_nothing_catches_it(as_role: Callable[..., Visit]) -> None:
    """Tab through a page: every stop has an outline, and the end is reached."""
    page = as_role().go("/policies/new")
    seen: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
              const one = document.activeElement;
              const style = getComputedStyle(one);
              const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
              const pane = one.closest(".editor-pane");
              const framed = pane && getComputedStyle(pane).boxShadow !== "none";
              const name = one.id || one.name || one.textContent.trim().slice(0, 20);
              return [one.tagName, name, Boolean(ring || framed)];
            }"""
        )
        if stop[0] == "BODY":
            break
        assert stop[2], stop
        seen.append(stop[1])
        if stop[1] == "policy-text":
            page.keyboard.press("Escape")
    assert any("Save revision" in one for one in seen), seen


def test_less_motion_is_kept(as_role: Callable[..., Visit]) -> None:
    page = as_role(reduced_motion="reduce").go("/")
    longest = page.evaluate(
        """() => Math.max(...[...document.querySelectorAll("*")].map((one) => {
          const style = getComputedStyle(one);
          const seconds = (name) => parseFloat(style[name]) || 0;
          return Math.max(seconds("animationDuration"), seconds("transitionDuration"));
        }))"""
    )
    assert longest <= 0.01


def test_a_phone_opens_the_menu(as_role: Callable[..., Visit]) -> None:
    page = as_role(width=375, height=812, has_touch=True).go("/")
    assert not page.get_by_role("link", name="Policies").is_visible()
    page.get_by_role("button", name="Menu", exact=True).click()
    page.get_by_role("link", name="Policies").click()
    page.wait_for_url("**/policies")
