"""Content that goes in must not come out of events, logs, exceptions or reprs, whatever fails."""

from __future__ import annotations

import asyncio
import functools
import logging
import traceback

import msgspec
import pytest

from rune_core import RuneError, ShieldBlockedError, hookimpl
from rune_core.testing import FakeScanner, RecordingSink, assert_no_content, shield_for_tests
from rune_scanner.finding import Surface, Threat

CANARY = "zq7canary9xkwj"
TEXT = f"please evil {CANARY} now"
PHRASES = {"evil": Threat.PROMPT_INJECTION}


class Raising:
    """Raises with the text in the message, as careless code does."""

    name = "raising"

    def scan(self, text, _context):
        raise ValueError(f"cannot handle {text}")


class AsyncRaising:
    name = "async-raising"

    async def scan(self, text, _context):
        raise ValueError(f"cannot handle {text}")


class Chained:
    name = "chained"

    def scan(self, text, _context):
        try:
            int(text)
        except ValueError as error:
            raise RuntimeError(text) from error


class Liar:
    """Returns findings that carry the text in every field that takes one."""

    name = "liar"

    def scan(self, text, context):
        from rune_scanner.finding import Finding, Severity, Span

        return [
            Finding(
                f"leak\n{text}", Threat.JAILBREAK, Severity.HIGH, 0.6, Span(0, 1), context.surface
            )
        ]


class NamedAfterText:
    name = f"named\n{CANARY}"

    def scan(self, _text, _context):
        return []


class Plugin:
    def __init__(self, *scanners):
        self.scanners = scanners

    @hookimpl
    def rune_scanners(self):
        return self.scanners


class BrokenSink(RecordingSink):
    def write(self, events):
        super().write(events)
        raise OSError(f"could not write {CANARY}")


class BrokenRedactor:
    name = "broken"

    def redact(self, text, _findings):
        raise ValueError(text)

    @hookimpl
    def rune_redactors(self):
        return [self]


def handler(request):
    raise RuntimeError(f"nobody home for {request.content}")


ASK = """
version: "1.0"
rules:
  - {name: ask-pay, type: tool_denylist, tools: [pay], action: ask}
  - {name: stop-nuke, type: tool_denylist, tools: [nuke], action: block}
  - {name: allow, type: tool_allowlist, tools: [pay, nuke, send], action: flag}
  - {name: data, type: data_protection, patterns: ['zq7[a-z]{6}9[a-z]{4}'], action: redact}
"""


def every_call(shield):
    """Call everything, sync and async, and keep what comes back or is raised."""
    outcomes: list[object] = []

    def attempt(call):
        try:
            outcome = call()
            if asyncio.iscoroutine(outcome):
                outcome = asyncio.run(outcome)
            outcomes.append(outcome)
        except RuneError as error:
            outcomes.append(error)

    for surface in Surface:
        for name in ("scan", "ascan", "guard_text", "aguard_text", "guard_value", "aguard_value"):
            attempt(functools.partial(getattr(shield, name), surface, TEXT))
        attempt(lambda s=surface: shield.guard_value(s, {"a": TEXT, TEXT: [TEXT]}))
    for tool in ("pay", "nuke", "send", TEXT):
        for name in ("validate_action", "avalidate_action", "guard_call", "aguard_call"):
            attempt(functools.partial(getattr(shield, name), tool, {"x": TEXT, TEXT: 1}))
    # What a protected function returns is its own result; only what is raised counts here.
    attempt(lambda: shield.protect(tool="t")(lambda: TEXT)() and None)
    attempt(lambda: shield.protect(tool="t")(lambda x: x)(TEXT) and None)
    with shield.session(session_id=f"for {TEXT}", agent_id="a"):
        attempt(lambda: shield.scan_input(TEXT, {"user": TEXT}, source=TEXT))
    return outcomes


SCENES = {
    "plain": lambda: {"plugins": [FakeScanner(PHRASES)]},
    "rules": lambda: {"plugins": [FakeScanner(PHRASES)], "l1": True},
    "raising": lambda: {"plugins": [Plugin(Raising()), FakeScanner(PHRASES)]},
    "async raising": lambda: {"plugins": [Plugin(AsyncRaising())]},
    "chained": lambda: {"plugins": [Plugin(Chained())]},
    "liar": lambda: {"plugins": [Plugin(Liar())]},
    "odd name": lambda: {"plugins": [Plugin(NamedAfterText())]},
    "broken redactor": lambda: {
        "plugins": [FakeScanner(PHRASES), BrokenRedactor()],
        "redaction_style": "broken",
    },
    "asking": lambda: {
        "plugins": [FakeScanner(PHRASES)],
        "policy": ASK,
        "approval_handler": handler,
    },
    "broken rules": lambda: {
        "plugins": [FakeScanner(PHRASES)],
        "l1": True,
        "rule_folders": ("no/such/folder",),
    },
    "logging": lambda: {"plugins": [FakeScanner(PHRASES)], "on_block": "log"},
    "replacing": lambda: {"plugins": [FakeScanner(PHRASES)], "on_block": "replace"},
}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("broken", ["nothing", "fold", "evaluate", "widened", "build"])
def test_no_content_comes_out(scene, broken, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    settings = SCENES[scene]()
    sink = BrokenSink()

    if broken != "nothing":

        def crash(*args, **_kwargs):
            raise RuntimeError(f"broke on {TEXT} {args}")

        module = "rune_core.queue.worker" if broken == "build" else "rune_core.pipeline"
        monkeypatch.setattr(f"{module}.{broken}", crash)

    shield = shield_for_tests(sink, *settings.pop("plugins"), debug=True, **settings)
    outcomes = every_call(shield)
    coverage = shield.coverage()
    shield.close()
    # `Liar` and the odd name put the canary into names themselves: those stay in the process.
    inside = scene in ("liar", "odd name")
    assert len(outcomes) > 60
    assert_no_content(sink.events, CANARY)
    assert broken == "build" or sink.events
    if not inside:
        for outcome in outcomes:
            assert CANARY not in repr(outcome), type(outcome)
            if isinstance(outcome, BaseException):
                shown = "".join(traceback.format_exception(outcome))
                assert CANARY not in shown
        assert CANARY not in str(coverage)
        assert CANARY not in caplog.text
        for record in caplog.records:
            assert CANARY not in repr(record.__dict__)


def test_a_blocked_errors_chain_holds_no_content():
    shield = shield_for_tests(Plugin(Raising()), FakeScanner(PHRASES))
    with pytest.raises(ShieldBlockedError) as caught:
        shield.guard_text("input", TEXT)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_the_canary_test_can_see():
    """The test must fail when content does come out; otherwise it proves nothing."""
    sink = RecordingSink()
    with shield_for_tests(sink) as shield:
        shield.validate_action(CANARY, {})
    # A tool's name is metadata and is let through when it looks like a name.
    assert CANARY.encode() in msgspec.json.encode(sink.events)
    with pytest.raises(AssertionError):
        assert_no_content(sink.events, CANARY)
