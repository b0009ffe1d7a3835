"""Gives things names as people do, through the forms, and gives them their old ones back.

The demo server is shared by all tests of the folder. What a test puts into it under ``Naming``
is taken out when the block ends, whether the test passed or not, so that it cannot make others
fail.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.dashboard.running import PERSONS

if TYPE_CHECKING:
    from types import TracebackType

    from playwright.sync_api import Page
    from tests.rune_server.dashboard.conftest import Visit


class Naming:
    """Names of one person's window. What it makes or changes is undone at the end.

    Args:
        window: Of somebody who may all that is asked of it.
        role: Whose window it is.
    """

    def __init__(self, window: Visit, role: str = "owner") -> None:
        self._window = window
        self._role = role
        self._undo = ExitStack()

    def __enter__(self) -> Naming:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def person(self, name: str) -> None:
        """Who is signed in."""
        self._undo.callback(self._post, "/settings/account/name", name=PERSONS[self._role].name)
        page = self._window.go("/settings/account")
        page.get_by_label("Name", exact=True).fill(name)
        page.locator("form[action='/settings/account/name'] button").click()
        page.locator("#toasts", has_text="Saved.").wait_for()

    def organisation(self, name: str) -> None:
        """The organisation."""
        page = self._window.go("/settings")
        form = page.locator("form[action='/settings']")
        kept: dict[str, str] = form.evaluate("form => Object.fromEntries(new FormData(form))")
        self._undo.callback(self._post, "/settings", **kept)
        form.get_by_label("Organisation").fill(name)
        form.get_by_role("button", name="Save").click()
        page.locator("#toasts", has_text="Saved.").wait_for()

    def key(self, name: str) -> None:
        """A new API key."""
        page = self._window.go("/keys")
        page.get_by_role("button", name="New key").first.click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Make key").click()
        page.get_by_text("This is the key.").wait_for()
        revoke = page.locator("tr", has_text=name).locator("form").first.get_attribute("action")
        self._undo.callback(self._post, str(revoke))

    def rule(self, name: str, *, agents: str = "") -> None:
        """A new alert rule."""
        page = self._window.go("/alerts/rules/new")
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Agents").fill(agents)
        page.get_by_role("button", name="Save rule").click()
        page.wait_for_url("**/alerts/rules")
        made = page.locator("tr", has_text=name).first.get_attribute("data-href")
        self._undo.callback(self._post, f"{made}/delete")

    def channel(self, name: str) -> None:
        """A new channel."""
        page = self._window.go("/alerts/channels")
        page.get_by_role("button", name="New channel").first.click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Kind").select_option("email")
        page.get_by_label("Mail addresses").fill("eve@northwind.example")
        page.get_by_role("button", name="Make channel").click()
        row = page.locator("ul.rows > li", has_text=name).first
        made = row.locator("form[action$='/delete']").get_attribute("action")
        self._undo.callback(self._post, str(made))

    def view(self, name: str) -> None:
        """A new saved view."""
        page = self._window.go("/events?action=block")
        page.get_by_role("button", name="Views").click()
        page.get_by_role("button", name="Save this view…").click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("The view was saved.").wait_for()
        row = page.locator("#views .inline", has_text=name).first
        made = row.locator("form[action$='/delete']").get_attribute("action")
        self._undo.callback(self._post, str(made))

    def agent(self, agent_id: str, name: str, *, description: str, tags: str = "") -> None:
        """What people call an agent that has reported."""
        page = self._window.go(f"/agents/{agent_id}")
        form = page.locator("#describe form")
        kept: dict[str, str] = form.evaluate("form => Object.fromEntries(new FormData(form))")
        self._undo.callback(self._describe, agent_id, kept)
        page.get_by_role("button", name="Describe").click()
        form.get_by_label("Name", exact=True).fill(name)
        form.get_by_label("What it does").fill(description)
        if tags:
            form.get_by_label("Tags").fill(tags)
        form.get_by_role("button", name="Save", exact=True).click()
        page.locator("main p", has_text=description).first.wait_for()

    def revision(self, address: str, yaml: str, *, note: str) -> None:
        """Another revision of a policy, not published."""
        page = self._window.go(address)
        before = page.locator("textarea[name=yaml]").input_value()
        self._undo.callback(self._revise, address, before)
        page.get_by_label("What changed").fill(note)
        page.locator("textarea[name=yaml]").fill(yaml)
        page.get_by_role("button", name="Save revision").click()
        page.get_by_text("Saved as revision").wait_for()

    def policy(self, name: str, yaml: str, *, note: str) -> str:
        """A new policy, not published; its address."""
        page = self._window.go("/policies/new")
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("What changed").fill(note)
        page.locator("textarea[name=yaml]").fill(yaml)
        page.get_by_role("button", name="Save revision").click()
        page.wait_for_url(lambda url: "/policies/" in url and not url.endswith("/new"))
        address = page.url.removeprefix(self._window.server.url)
        self._undo.callback(self._archive, address)
        return address

    def _archive(self, address: str) -> None:
        self._post(f"{address}/archive", version=self._version(f"{address}/rollout"))

    def _revise(self, address: str, yaml: str) -> None:
        self._post(address, yaml=yaml, note="As before", version=self._version(address))

    def _describe(self, agent_id: str, kept: dict[str, str]) -> None:
        version = self._version(f"/agents/{agent_id}", within="#describe ")
        self._post(f"/agents/{agent_id}/describe", **kept | {"version": version})

    def _version(self, address: str, *, within: str = "") -> str:
        page = self._window.go(address)
        return page.locator(f"{within}input[name=version]").first.input_value()

    def _post(self, path: str, **fields: str) -> None:
        token = csrf_token(self._window.go("/settings/account"))
        answer = self._window.context.request.post(
            self._window.server.url + path,
            form=fields | {"csrf_token": token},
            max_redirects=0,
        )
        assert answer.status == 303, (path, answer.status, answer.text()[:500])


def csrf_token(page: Page) -> str:
    """The token of who sees the page."""
    found: str = page.evaluate(
        "JSON.parse(document.body.getAttribute('hx-headers'))['X-CSRF-Token']"
    )
    return found
