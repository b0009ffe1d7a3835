"""Layers that raise, hang, answer late or answer nonsense."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from rune_core import Action, Found, LayerStatus, hookimpl
from rune_core.testing import FakeScanner, assert_blocked, shield_for_tests
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat

EVIL = {"evil": Threat.PROMPT_INJECTION}


class Plugin:
    def __init__(self, *scanners):
        self.scanners = scanners

    @hookimpl
    def rune_scanners(self):
        return self.scanners


class AsyncScanner(FakeScanner):
    async def scan(self, text, context):
        await asyncio.sleep(0)
        return super().scan(text, context)


class Answering:
    """Answers whatever it is given."""

    def __init__(self, answer, name="answering"):
        self.answer = answer
        self.name = name

    def scan(self, _text, _context):
        return self.answer() if callable(self.answer) else self.answer


def report(result, layer):
    return next(report for report in result.reports if report.layer == layer)


def finding(start=0, end=1, confidence=0.9, **changes):
    values = {
        "rule_id": "r",
        "threat": Threat.PROMPT_INJECTION,
        "severity": Severity.HIGH,
        "surface": Surface.INPUT,
        "layer": "l1_rules",
    }
    return Finding(**{**values, **changes}, confidence=confidence, span=Span(start, end))


def test_a_raising_scanner_is_an_error_report_and_the_others_count():
    broken = FakeScanner(name="broken", error=ValueError("evil"))
    shield = shield_for_tests(broken, FakeScanner(EVIL))
    result = shield.scan_input("evil")
    assert_blocked(result)
    assert report(result, "plugin:broken").status is LayerStatus.ERROR
    assert report(result, "plugin:broken").reason.startswith("ValueError at testing.py:")
    assert result.degraded
    assert shield.stats.layer_failures == {"plugin:broken": 1}


def test_two_scanners_of_one_name_both_count():
    result = shield_for_tests(
        FakeScanner({"one": Threat.JAILBREAK}), FakeScanner({"two": Threat.PROMPT_INJECTION})
    ).scan_input("one two")
    assert {f.layer for f in result.findings} == {"plugin:fake", "plugin:fake.2"}
    assert set(result.threats_detected) == {Threat.JAILBREAK, Threat.PROMPT_INJECTION}


def test_an_async_scanner_is_awaited_by_the_async_methods():
    shield = shield_for_tests(AsyncScanner(EVIL))
    result = asyncio.run(shield.ascan_input("evil"))
    assert_blocked(result)
    assert result.layers_executed == ("plugin:fake",)


def test_an_async_scanner_under_a_sync_method_is_reported_not_lost():
    shield = shield_for_tests(AsyncScanner(EVIL))
    result = shield.scan_input("evil")
    lost = report(result, "plugin:fake")
    assert lost.status is LayerStatus.SKIPPED
    assert "asynchronous" in lost.reason
    assert any("plugin:fake" in line for line in shield.coverage().warnings)


def test_what_a_sync_method_had_to_skip_is_looked_at_by_the_async_one():
    shield = shield_for_tests(AsyncScanner(EVIL))
    assert not shield.scan_input("evil").blocked
    assert asyncio.run(shield.ascan_input("evil")).blocked


async def test_a_slow_async_scanner_times_out():
    async def forever():
        await asyncio.sleep(60)

    shield = shield_for_tests(Plugin(Answering(forever)), scan_timeout_ms=20)
    started = time.monotonic()
    result = await shield.ascan_input("x")
    assert time.monotonic() - started < 30
    assert report(result, "plugin:answering").status is LayerStatus.TIMEOUT
    assert result.degraded


async def test_a_timeout_error_of_its_own_is_an_error_not_a_timeout():
    def raises():
        raise TimeoutError

    result = await shield_for_tests(Plugin(Answering(raises))).ascan_input("x")
    assert report(result, "plugin:answering").status is LayerStatus.ERROR


async def test_cancelling_a_scan_cancels_it():
    started = asyncio.Event()

    async def forever():
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(shield_for_tests(Plugin(Answering(forever))).ascan_input("x"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_heavy_scanner_does_not_stall_the_event_loop():
    scanning, turned = threading.Event(), threading.Event()

    class Slow(FakeScanner):
        def scan(self, text, context):
            scanning.set()
            assert turned.wait(20)  # for a loop that goes on
            return super().scan(text, context)

    async def turn():
        while not scanning.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.001)
        turned.set()

    shield = shield_for_tests(Slow(EVIL, heavy=True), scan_timeout_ms=60_000)
    result, _ = await asyncio.gather(shield.ascan_input("evil"), turn())
    assert result.blocked


def test_layers_after_the_time_is_up_are_timeouts():
    def slow():
        time.sleep(0.03)
        return []

    shield = shield_for_tests(
        Plugin(Answering(slow, "slow"), Answering([], "late")), scan_timeout_ms=10
    )
    assert report(shield.scan_input("x"), "plugin:late").status is LayerStatus.TIMEOUT


@pytest.mark.parametrize(
    "answer",
    [
        [finding(0, 99)],
        [finding(-1, 1)],
        [finding(2, 1)],
        [finding(confidence=1.5)],
        [finding(confidence=float("nan"))],
        [finding(threat="weather")],
        [finding(severity="awful")],
        ["not a finding"],
        7,
        object(),
    ],
)
def test_nonsense_is_an_error_report(answer):
    result = shield_for_tests(Plugin(Answering(answer))).scan_input("text")
    assert report(result, "plugin:answering").status is LayerStatus.ERROR
    assert result.findings == ()
    assert result.degraded


def test_good_findings_beside_nonsense_count():
    result = shield_for_tests(Plugin(Answering([finding(0, 4), "junk"]))).scan_input("text")
    assert len(result.findings) == 1
    assert result.degraded


def test_a_scanner_cannot_speak_in_the_name_of_another_layer():
    result = shield_for_tests(Plugin(Answering([finding(layer="l1_rules")]))).scan_input("text")
    assert result.findings[0].layer == "plugin:answering"


@pytest.mark.parametrize("answer", [None, [], (), Found()])
def test_finding_nothing_is_an_answer(answer):
    result = shield_for_tests(Plugin(Answering(answer))).scan_input("text")
    assert report(result, "plugin:answering").status is LayerStatus.RAN
    assert not result.degraded


def test_an_incomplete_look_ran_but_degrades():
    answer = Found(note="limits hit: depth", incomplete=True)
    result = shield_for_tests(Plugin(Answering(answer))).scan_input("text")
    assert report(result, "plugin:answering").status is LayerStatus.RAN
    assert result.degraded


def test_surfaces_and_skip_reason_keep_a_layer_away():
    class Picky(FakeScanner):
        def skip_reason(self, context, _findings):
            return "only for Mondays" if context.agent_id == "tuesday" else None

    scanner = Picky(EVIL, surfaces=frozenset((Surface.INPUT,)))
    shield = shield_for_tests(scanner)
    assert report(shield.scan_output("evil"), "plugin:fake").reason == "not for this surface"
    skipped = shield.scan_input("evil", agent_id="tuesday")
    assert report(skipped, "plugin:fake").reason == "only for Mondays"
    assert scanner.seen == []


def test_layers_that_are_not_there_say_so():
    result = shield_for_tests(l2_enabled=True).scan_input("x")
    assert report(result, "l1_rules").reason == "disabled by configuration"
    assert "not installed" in report(result, "l2_vector").reason
    assert report(result, "l3_judge").reason == "not configured"
    assert result.layers_executed == ()


# -- fail open, fail closed


def failing(**settings):
    return shield_for_tests(l1=True, rule_folders=("no/such/folder",), **settings)


def test_a_broken_rules_layer_is_open_and_degraded_on_texts():
    result = failing().scan_tool_result("anything")
    assert (result.action, result.degraded, result.l1_result) == (Action.ALLOW, True, "error")


@pytest.mark.parametrize(("risk", "blocked"), [("high", True), ("medium", False), ("low", False)])
def test_a_broken_rules_layer_closes_calls_of_high_risk(risk, blocked):
    result = failing().validate_action("t", {}, tool_risk=risk)
    assert result.blocked is blocked
    assert result.degraded
    if blocked:
        assert result.decision.rule == "fail-closed"


def test_the_risk_follows_from_the_name_unless_a_policy_says_otherwise():
    assert failing().validate_action("send_money", {}).blocked
    assert not failing().validate_action("read_calendar", {}).blocked
    policy = 'version: "1.0"\ntool_risk: {low: [send_money]}'
    assert not failing(policy=policy).validate_action("send_money", {}).blocked


@pytest.mark.parametrize(
    ("on_error", "input_blocked", "call_blocked"),
    [
        ("closed", True, True),
        ("open", False, False),
        ("[{layer: l1_rules, surface: input, then: closed}]", True, True),
        ("[{layer: 'plugin:*', then: closed}]", False, True),
        ("[{tool_risk: [high], then: open}]", False, False),
    ],
)
def test_policies_change_the_table(on_error, input_blocked, call_blocked):
    shield = failing(policy=f'version: "1.0"\non_error: {on_error}')
    assert shield.scan_input("x").blocked is input_blocked
    assert shield.validate_action("t", {}, tool_risk="high").blocked is call_blocked


def test_a_failed_redaction_closes():
    class Broken:
        name = "broken"

        def redact(self, _text, _findings):
            raise ValueError("evil")

    class Redactors:
        @hookimpl
        def rune_redactors(self):
            return [Broken()]

    shield = shield_for_tests(FakeScanner(EVIL), Redactors(), redaction_style="broken")
    result = shield.scan_document("evil")
    assert_blocked(result, rule="fail-closed")
    assert result.sanitized_content is None
    assert report(result, "redaction").status is LayerStatus.ERROR


def test_a_crash_of_the_pipeline_is_a_result(monkeypatch):
    shield = shield_for_tests(FakeScanner(EVIL))

    def crash(*_args, **_kwargs):
        raise RuntimeError("evil")

    monkeypatch.setattr("rune_core.pipeline.fold", crash)
    result = shield.scan_input("evil")
    assert (result.action, result.degraded) == (Action.ALLOW, True)
    assert "unchecked" in result.explanation
    assert shield.validate_action("pay", {}).blocked


def test_a_crash_of_the_policy_closes_calls(monkeypatch):
    def crash(*_args, **_kwargs):
        raise RuntimeError("evil")

    monkeypatch.setattr("rune_core.pipeline.evaluate", crash)
    shield = shield_for_tests()
    result = shield.scan_output("x")
    assert (result.action, result.degraded) == (Action.ALLOW, True)
    assert report(result, "policy").status is LayerStatus.ERROR
    assert shield.validate_action("pay", {}).blocked
    assert not shield.validate_action("read", {}, tool_risk="low").blocked


def test_a_value_too_large_to_render_is_not_clean():
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    shield = shield_for_tests()
    result = shield.validate_action("pay", {"x": deep}, tool_risk="high")
    assert result.degraded
    assert result.blocked


def test_rules_that_do_not_load_are_named_where_someone_can_mend_them(tmp_path):
    (tmp_path / "broken-rule.toml").write_text('id = "broken-rule"\n')
    shield = shield_for_tests(l1=True, rule_folders=(tmp_path,))
    result = shield.scan_input("x")
    assert result.degraded
    assert "broken-rule.toml" in report(result, "l1_rules").reason
    assert any("broken-rule.toml" in line for line in shield.coverage().warnings)


def test_what_stays_broken_is_logged_as_an_error_once(caplog):
    caplog.set_level("DEBUG")
    shield = shield_for_tests(FakeScanner(name="logged-once", error=KeyError()))
    for number in range(3):
        shield.scan_input(str(number))
    levels = [r.levelname for r in caplog.records if "logged-once" in r.getMessage()]
    assert levels == ["ERROR", "DEBUG", "DEBUG"]
    assert shield.stats.layer_failures == {"plugin:logged-once": 3}
