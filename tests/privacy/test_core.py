"""Every public method of a Shield, synchronous and asynchronous, in every way that it can fail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from canary_scenes import SCENES

from rune_core import Surface
from rune_core.testing import RecordingSink, shield_for_tests

if TYPE_CHECKING:
    from collections.abc import Callable

    from canary_watch import Watch

    from rune_core import Shield

SCANS = ("input", "output", "document", "tool_result", "tool_definition", "handoff")


def exercise(shield: Shield, watch: Watch) -> None:
    """Call everything with a canary of its own in every position."""
    for surface in Surface:
        for name in ("scan", "ascan", "guard_text", "aguard_text", "guard_value", "aguard_value"):
            text = watch.text(f"{name} {surface}")
            source = watch.canary(f"{name} {surface} source")
            watch.attempt(
                f"{name} {surface}",
                lambda n=name, s=surface, t=text, o=source: getattr(shield, n)(s, t, source=o),
            )
        for name in ("guard_value", "aguard_value"):
            value = {
                f"key {watch.canary(f'{name} key')}": [watch.text(f"{name} deep"), 7],
                "b": watch.text(f"{name} value").encode(),
                "c": Odd(watch.canary(f"{name} object")),
            }
            watch.attempt(
                f"{name} {surface}", lambda n=name, s=surface, v=value: getattr(shield, n)(s, v)
            )
    for each in SCANS:
        for prefix in ("", "a"):
            name = f"{prefix}scan_{each}"
            text, user = watch.text(name), watch.canary(f"{name} context")
            extra = {"user_email": user, "session_id": f"of {watch.canary(f'{name} session id')}"}
            watch.attempt(name, lambda n=name, t=text, e=extra: getattr(shield, n)(t, e))
    for tool in ("pay", "nuke", "send", "lookup", "other"):
        for name in ("validate_action", "avalidate_action", "guard_call", "aguard_call"):
            args = {
                "q": watch.text(f"{name} {tool} argument"),
                "amount": watch.canary(f"{name} {tool} amount"),
                watch.text(f"{name} {tool} argument name"): 1,
                "deep": [{"to": watch.canary(f"{name} {tool} deep")}],
            }
            for _ in range(3):
                watch.attempt(name, lambda n=name, t=tool, a=args: getattr(shield, n)(t, a))
    made_up = f"tool named {watch.text('tool name')}"
    watch.attempt("made-up tool", lambda: shield.validate_action(made_up, {}))
    watch.attempt("text as args", lambda: shield.validate_action("t", watch.text("args")))
    exercise_protect(shield, watch)
    exercise_session(shield, watch)


def exercise_protect(shield: Shield, watch: Watch) -> None:
    secret = watch.text("what a tool raises")

    @shield.protect(tool="pay")
    def pay(q: str, amount: object = 0) -> str:
        return watch.text("what a tool returns")

    @shield.protect(tool="lookup")
    async def lookup(q: str) -> dict[str, str]:
        return {"found": watch.text("what an async tool returns")}

    @shield.protect
    def failing(q: str) -> str:
        raise ValueError(secret)

    @shield.protect(tool="aloud")
    async def afailing(q: str) -> str:
        raise ValueError(secret)

    for function in (pay, lookup, failing, afailing):
        watch.attempt("protect", lambda f=function: f(watch.text("protected")), show=False)
        watch.attempt("protect", lambda f=function: f(q=watch.text("protected")), show=False)
        watch.show("protected function", function)
    watch.attempt("wrong call", lambda: pay(1, 2, 3, watch.canary("too many")), show=False)


def exercise_session(shield: Shield, watch: Watch) -> None:
    with shield.session(session_id=f"for {watch.canary('session id')}", agent_id="a") as session:
        watch.attempt("in session", lambda: shield.scan_input(watch.text("said in session")))
        session.untrusted(watch.text("untrusted"), source=watch.canary("untrusted source"))
        result = watch.text("result in session")
        watch.attempt("in session", lambda: shield.scan_tool_result(result, tool="search"))
        for tool in ("pay", "send"):
            call = {"q": result[:30], "to": result}
            watch.attempt("traced call", lambda t=tool, c=call: shield.validate_action(t, c))
        watch.show("session", session)


class Odd:
    """Shows what it holds, and cannot be rendered."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        raise ValueError(self.text)

    __str__ = __repr__


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_comes_out(
    scene: str,
    watch: Watch,
    make_shield: Callable[[str], Shield],
    finish: Callable[..., None],
) -> None:
    shield = make_shield(scene)
    exercise(shield, watch)
    finish(shield, planted=200)


def test_the_watch_sees_what_goes_to_a_server(
    watch: Watch, make_shield: Callable[[str], Shield]
) -> None:
    """A name that looks like one does leave: it is found in the spool, the request and the span."""
    for scene in ("raise", "server is busy, events wait", "server rejects every event"):
        with make_shield(scene) as shield:
            shield.validate_action(watch.canary(scene), {})
            shield.flush(20.0)
    found = "\n".join(watch.found())
    assert "raise: as it is in POST /v1/events" in found
    assert "raise: as it is in a span" in found
    for scene in ("server is busy, events wait", "server rejects every event"):
        assert f"{scene}: as it is in the file spool/" in found


def test_the_watch_can_see(watch: Watch, state: Any) -> None:
    """Each way out is really watched: a leak through it is found and named."""
    sink = RecordingSink()
    watch.sink(sink)
    with shield_for_tests(sink, events_to_file=True) as shield:
        shield.validate_action(watch.canary("tool that looks like a name"), {})
        shield.flush()
    logging.getLogger("rune_core.x").debug("said %s", watch.canary("log"))
    watch.show("thing", watch.canary("repr"))
    found = "\n".join(watch.found())
    assert "tool that looks like a name: as it is in an event" in found
    assert "tool that looks like a name: as it is in the file events.jsonl" in found
    assert "log: as it is in a log record of rune_core.x" in found
    assert "repr: a part in thing" in found
    with pytest.raises(AssertionError):
        watch.check(planted=1)
