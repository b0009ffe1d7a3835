"""What people do: sign in with two factors, invite, write a policy, take on an alert."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pyotp
from benchmarks.dashboard.running import PERSONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.dashboard.running import DemoServer
    from tests.rune_server.dashboard.conftest import Complaints, Visit
    from tests.rune_server.post import Post

POLICY = """\
version: "1.0"
rules:
  - name: no-shell
    type: tool_denylist
    tools: [shell.run]
    action: block
"""


def test_wrong_passwords_say_nothing(visit: Callable[..., Visit], complaints: Complaints) -> None:
    window = visit()
    for email in (PERSONS["member"].email, "nobody@northwind.example"):
        page = window.go("/sign-in?next=//evil.example/")
        page.get_by_label("Mail address").fill(email)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        assert page.get_by_text("the address or the password is wrong").is_visible()
    complaints.expect("401")
    page.get_by_label("Mail address").fill(PERSONS["member"].email)
    page.get_by_label("Password").fill(PERSONS["member"].password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{window.server.url}/")


IN_SIGHT = """field => {
  const box = field.getBoundingClientRect();
  return box.top >= 0 && box.bottom <= innerHeight;
}"""


def test_invited_with_a_second_factor(
    as_role: Callable[..., Visit],
    visit: Callable[..., Visit],
    post: Post,
    complaints: Complaints,
) -> None:
    """Invite, join, set up an authenticator, sign out, sign in with code and with recovery code."""
    page = as_role().go("/members")
    page.get_by_role("button", name="Invite").click()
    page.get_by_label("Mail address").fill("noor@northwind.example")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.locator("#invite").get_by_role("button", name="Invite").click()
    page.get_by_text("noor@northwind.example").first.wait_for()
    assert post.mails[-1]["to"] == "noor@northwind.example"
    window = visit()
    page = window.go(f"/invitations/{post.link('invitations')}")
    page.get_by_text("Northwind").first.wait_for()
    page.get_by_label("Your name").fill("Noor Haddad")
    page.get_by_label("Password").fill("seven lanterns at dusk")
    page.get_by_role("button", name="Create account and join").click()
    page.get_by_role("heading", name="Overview").wait_for()
    page = window.go("/settings/account")
    page.get_by_role("button", name="Set it up").click()
    secret = page.locator("#second-factor .copy code").inner_text()
    assert page.locator(".qr svg").count() == 1
    page.get_by_label("Code", exact=True).fill("000000")
    page.get_by_role("button", name="Turn on").click()
    page.get_by_text("see that your phone's clock is right").wait_for()
    complaints.expect("422")
    # What the authenticator has scanned stays good, and its place stays in sight.
    assert page.locator("#second-factor .copy code").inner_text() == secret
    assert page.get_by_label("Code", exact=True).evaluate(IN_SIGHT)
    page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Turn on").click()
    recovery, another = page.locator(".notice-good pre").inner_text().split()[:2]
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in")
    page.get_by_label("Mail address").fill("noor@northwind.example")
    page.get_by_label("Password").fill("seven lanterns at dusk")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Second factor").wait_for()
    page.get_by_label("Code", exact=True).fill("123456")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("the code is wrong").wait_for()
    complaints.expect("401")
    page.get_by_label("Code", exact=True).fill(recovery)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Overview").wait_for()
    # Another address: wrong password, then the link that goes there.
    page = window.go("/settings/account")
    for password in ("wrong", "seven lanterns at dusk"):
        box = page.get_by_label("Mail address", exact=True)
        box.get_by_label("New address").fill("haddad@northwind.example")
        box.get_by_label("Your password").fill(password)
        box.get_by_label("Code of your second factor").fill(another)
        box.get_by_role("button", name="Send the link").click()
        if password == "wrong":
            page.get_by_text("the password is wrong").wait_for()
            complaints.expect("401")
    page.get_by_text("A link went to haddad@northwind.example.").wait_for()
    assert post.mails[-1]["to"] == "haddad@northwind.example"
    page = window.go(f"/email/{post.link('email')}")
    page.get_by_role("button", name="Use this address").click()
    page.get_by_text("Your address is haddad@northwind.example now.").wait_for()
    assert post.mails[-1]["to"] == "noor@northwind.example"
    page = as_role().go("/members")
    page.once("dialog", lambda dialog: dialog.accept())
    row = page.locator("tr", has_text="haddad@northwind.example")
    row.get_by_role("button", name="Remove").click()
    page.get_by_text("The member was removed.").wait_for()
    page = window.go("/")
    assert page.get_by_role("heading", name="No organisation").is_visible()
    assert page.get_by_text("can invite you").is_visible()
    assert page.get_by_label("Name").count() == 0


def test_a_policy_from_draft_to_force_and_back(
    as_role: Callable[..., Visit], complaints: Complaints
) -> None:
    window = as_role("member")
    page = window.go("/policies/new")
    page.get_by_label("Name").fill("no shell")
    field = page.locator("textarea[name=yaml]")
    field.fill(POLICY.replace("block", "explode"))
    page.locator("[data-editor-faults] .fault-line").first.wait_for()
    assert "Line 6" in page.locator("[data-editor-faults]").inner_text()
    assert page.locator(".editor-gutter .fault").inner_text() == "6"
    page.get_by_role("button", name="Save revision").click()
    page.get_by_text("Cannot be processed.").wait_for()
    complaints.expect("422")
    page.locator("textarea[name=yaml]").fill(POLICY)
    page.locator("[data-editor-rules]", has_text="no-shell").wait_for()
    page.get_by_role("button", name="Save revision").click()
    page.get_by_text("no shell was saved.").wait_for()
    page.get_by_role("link", name="Dry run").first.click()
    page.get_by_text("would have fired").first.wait_for(timeout=60_000)
    page.get_by_role("link", name="Cases").click()
    page.get_by_label("Cases, in YAML").fill(
        "cases:\n"
        "  - {name: a shell is refused, call: shell.run, args: {command: ls}, action: block}\n"
        "  - {name: reading is fine, call: read, args: {}, action: block}\n"
    )
    page.get_by_role("button", name="Run").click()
    page.get_by_text("1 of 2 as expected").wait_for(timeout=60_000)
    page.get_by_role("link", name="Roll-out").click()
    page.get_by_role("button", name="25%").click()
    page.get_by_text("is published for 25% of processes").wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Everywhere").click()
    page.get_by_text("is published everywhere").wait_for()
    page.get_by_role("link", name="Editor").click()
    page.locator("textarea[name=yaml]").fill(POLICY + "    severity: critical\n")
    page.get_by_label("What changed").fill("It matters")
    page.get_by_role("button", name="Save revision").click()
    page.get_by_text("Saved as revision 2").wait_for()
    page.get_by_role("link", name="Changes").click()
    assert page.locator(".diff .add").inner_text().strip().endswith("severity: critical")
    page.get_by_role("link", name="Roll-out").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Everywhere").click()
    page.get_by_text("Revision 2 is published everywhere").wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Roll back").click()
    page.get_by_text("Rolled back: revision 3").wait_for()
    page.get_by_role("link", name="History").click()
    assert page.get_by_text("It matters").is_visible()
    assert page.get_by_text("rolled back", exact=True).is_visible()
    page.get_by_role("link", name="Roll-out").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Archive").click()
    page.get_by_text("no shell was archived.").wait_for()


def test_the_editor_completes(as_role: Callable[..., Visit]) -> None:
    page = as_role().go("/policies/new")
    page.get_by_text("Agents would take this text.").wait_for()
    field = page.locator("textarea[name=yaml]")
    field.fill('version: "1.0"\nrules:\n  - name: x\n    ')
    field.press("End")
    page.wait_for_timeout(300)
    field.press_sequentially("thr")
    page.locator(".completions li", has_text="threshold").wait_for()
    field.press("Enter")
    assert field.input_value().endswith("    threshold: ")
    field.press_sequentially("0.8")
    field.press("Enter")
    field.press_sequentially("action: re")
    page.locator(".completions li", has_text="redact").wait_for()
    field.press("Tab")
    assert field.input_value().endswith("\n    action: redact")


def test_a_viewer_changes_nothing(
    as_role: Callable[..., Visit], server: DemoServer, complaints: Complaints
) -> None:
    """Neither by a button, which is not there, nor by hand, which is refused."""
    window = as_role("viewer")
    page = window.go("/policies")
    assert page.get_by_role("link", name="New policy").count() == 0
    token = page.evaluate("JSON.parse(document.body.getAttribute('hx-headers'))['X-CSRF-Token']")
    policy = page.locator("tr[data-href]").first.get_attribute("data-href")
    for path in (
        "/policies",
        f"{policy}/publish",
        f"{policy}/archive",
        "/alerts/rules/new",
        "/alerts/channels",
        "/keys",
        "/members",
        "/settings",
    ):
        for headers, status in (({"x-csrf-token": token}, 403), ({}, 403)):
            answer = window.context.request.post(
                server.url + path, headers=headers, form={"name": "x", "yaml": "x"}
            )
            assert answer.status == status, (path, answer.status)
    assert not complaints


def test_alerts_are_taken_on_and_resolved(as_role: Callable[..., Visit]) -> None:
    page = as_role("member").go("/alerts")
    row = page.locator("li[data-href]").first
    title = row.locator("a").first.inner_text()
    row.get_by_role("button", name="Take on").click()
    page.get_by_text("You have taken it on.").wait_for()
    page.get_by_role("link", name="Taken on").click()
    page.get_by_role("link", name=title).first.click()
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved.").first.wait_for()
    page.get_by_role("link", name="The events behind it").click()
    page.wait_for_url("**/events?**")


def test_filters_views_and_exports(as_role: Callable[..., Visit], server: DemoServer) -> None:
    window = as_role("member")
    # What the demo has of these hangs on the time of day.
    made = server.burst(2, action="block", agent_id="billing-assistant")
    page = window.go("/events?live=1")
    page.locator(f'tr[data-id="{made[0].event_id}"]').wait_for()
    page = window.go("/events?range=7d")
    page.get_by_label("Search events").fill("action:block agent:billing-assistant")
    page.get_by_label("Search events").press("Enter")
    page.wait_for_url("**/events?action=block&agent=billing-assistant&range=7d")
    shown = page.locator("tr[data-id]").count()
    assert shown > 0
    page.get_by_role("button", name="Filter").click()
    page.locator("#facets button", has_text="surface").click()
    page.locator("#facets a").first.click()
    page.wait_for_url("**surface=**")
    page.get_by_label("Remove filter surface").click()
    page.wait_for_url("**/events?action=block&agent=billing-assistant&range=7d")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Save this view…").click()
    page.get_by_label("Name").fill("billing, stopped")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("The view was saved.").wait_for()
    page = window.go("/events")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("link", name="billing, stopped").click()
    page.wait_for_url("**/events?action=block&agent=billing-assistant&range=7d")
    query = page.url.partition("?")[2]
    text = window.context.request.get(f"{server.url}/events/export.csv?{query}").text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["action"] for row in rows} == {"block"}
    assert {row["agent_id"] for row in rows} == {"billing-assistant"}
    lines = window.context.request.get(f"{server.url}/events/export.json?{query}").text()
    assert len([json.loads(line) for line in lines.splitlines()]) == len(rows) >= shown
    owner = as_role().go("/audit?action=events.")
    assert owner.get_by_text("events exported").count() >= 2


def test_keys_are_shown_once_and_revoked(as_role: Callable[..., Visit]) -> None:
    window = as_role("admin")
    page = window.go("/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("for a test")
    page.get_by_role("button", name="Make key").click()
    key = page.locator(".notice-good code").inner_text()
    assert key.startswith("rune_live_")
    page = window.go("/keys")
    assert key not in page.content()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("tr", has_text="for a test").get_by_role("button", name="Revoke").click()
    page.get_by_text("The key was revoked.").wait_for()


def test_time_zones(as_role: Callable[..., Visit]) -> None:
    """Times are shown in the browser's zone, or the one that was chosen."""
    window = as_role(timezone_id="Asia/Tokyo")
    window.go("/events")
    page = window.go("/events")
    assert page.locator("body").get_attribute("data-zone") == "Asia/Tokyo"
    assert "JST" in str(page.locator("tr[data-id] time").first.get_attribute("title"))
    page = window.go("/settings/account")
    page.get_by_label("Time zone").select_option("Europe/Lisbon")
    page.locator("form[action='/settings/account/zone'] button").click()
    page = window.go("/events")
    assert page.locator("body").get_attribute("data-zone") == "Europe/Lisbon"


def test_the_report_prints(as_role: Callable[..., Visit]) -> None:
    window = as_role("viewer")
    page = window.go("/report")
    page.emulate_media(media="print")
    assert page.get_by_role("heading", name="Northwind").is_visible()
    assert not page.get_by_role("button", name="Print").is_visible()
    assert len(page.pdf()) > 10_000
