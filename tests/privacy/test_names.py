"""Names that applications and models choose may be somebody's: those stay here too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from rune_core.testing import RecordingSink, shield_for_tests

if TYPE_CHECKING:
    from collections.abc import Callable

    from canary_watch import Watch

    from rune_core import Shield

SOMEBODY = (
    "ada.lovelace@example.org",
    "+4915112345678",
    "4915112345678",
    "4111111111111111",
    "Ada Lovelace, 12 St James's Square",
)


@pytest.mark.parametrize("name", SOMEBODY)
def test_what_may_be_somebodys_is_masked_or_hashed(name: str) -> None:
    sink = RecordingSink()
    with shield_for_tests(sink) as shield:
        with shield.session(session_id=name) as session:
            shield.validate_action("send", {name: 1, "to": 2})
            shield.validate_action(name, {})
            shield.scan_input("hello")
            shown = repr(session)
        shield.flush()
    events = msgspec.json.encode(sink.events).decode()
    assert len(sink.events) == 3
    assert name not in events
    assert name not in shown
    # The session can still be told from others, and one argument from another.
    assert len({event.session_id for event in sink.events}) == 1
    assert sink.events[0].session_id not in (None, "masked")
    assert {entry.name for entry in sink.events[0].arguments} == {"masked", "to"}


def test_names_stay_names() -> None:
    sink = RecordingSink()
    with shield_for_tests(sink) as shield, shield.session(session_id="chat-7f3a"):
        shield.validate_action("mail/v2.send_all", {"to_address": 1, "cc-list": 2})
        shield.flush()
    [event] = sink.events
    assert (event.tool, event.session_id) == ("mail/v2.send_all", "chat-7f3a")
    assert [entry.name for entry in event.arguments] == ["to_address", "cc-list"]


def test_a_status_holds_no_such_name(
    watch: Watch, make_shield: Callable[[str], Shield], finish: Callable[..., None]
) -> None:
    shield = make_shield("raise")
    for name in SOMEBODY:
        shield.validate_action(name, {name: name}, agent_id="desk")
    finish(shield, planted=0)
    [server] = watch._servers
    said = b"".join(request.raw for request in server.requests)
    assert b"/v1/status" in said
    assert not [name for name in SOMEBODY if name.encode() in said]
