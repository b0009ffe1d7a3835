"""The fail-mode table, held against the running pipeline cell by cell."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rune_core import Action, Found, LayerStatus, PolicyLoadError, Shield, ShieldConfig, hookimpl
from rune_core.fail_modes import FAIL_MODES, Stake, markdown, stake
from rune_core.policy.globs import globs
from rune_core.testing import FakeScanner, RecordingSink, shield_for_tests
from rune_scanner.finding import Surface, Threat

REPOSITORY = Path(__file__).parents[3]
PAGES = ("docs/fail-modes.md", "RATIONALE.md")
RISKS = ("low", "medium", "high")
EVIL = {"evil": Threat.PROMPT_INJECTION}
CUT_EVERYWHERE = """
  - {name: cut, scanner: prompt_injection, action: redact, threshold: 0.5}
  - {name: no-block, scanner: jailbreak, action: flag}
"""


def written_table(page: str) -> str:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    begin = "<!-- fail modes, from rune_core.fail_modes -->\n"
    return text[text.index(begin) + len(begin) : text.index("<!-- end of fail modes -->")]


def promised(layer: str) -> dict[Stake, bool]:
    """What RATIONALE.md says about a layer: read from the page, not from the code under test."""
    row = next(mode.what for mode in FAIL_MODES if mode.covers(layer))
    line = next(line for line in written_table("RATIONALE.md").splitlines() if row in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")][1:]
    words = {"open": False, "**closed**": True}
    return {column: words[cell] for column, cell in zip(Stake, cells, strict=True)}


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_show_the_table_of_the_code(page):
    """Print it anew with ``python -m rune_core.fail_modes``."""
    assert written_table(page) == markdown()


# -- every way to break a layer, by the layer that breaks


class Plugin:
    def __init__(self, *scanners):
        self.scanners = scanners

    @hookimpl
    def rune_scanners(self):
        return self.scanners


class Incomplete:
    name = "fake"

    def scan(self, _text, _context):
        return Found(note="limit: size", incomplete=True)


class Late:
    name = "fake"

    async def scan(self, _text, _context):
        await asyncio.sleep(60)


class BrokenRedactor:
    name = "broken"

    def redact(self, _text, _findings):
        raise ValueError("evil")

    @hookimpl
    def rune_redactors(self):
        return [self]


def crash(*_args, **_kwargs):
    raise RuntimeError("evil")


def too_deep() -> object:
    value: list[object] = []
    for _ in range(200):
        value = [value]
    return value


NO_TIME = {"scan_timeout_ms": 1e-6}
PATTERN = "  - {name: badge, type: data_protection, patterns: ['B-[0-9]{6}'], action: flag}\n"


def broken_model(monkeypatch, tmp_path):
    """Layer 2 believes that all it needs is installed and finds no model in its folder."""
    from rune_core.layers import l2_model

    monkeypatch.setattr(l2_model, "missing_packages", lambda _folder=None: None)
    monkeypatch.setattr(l2_model, "model_folder", lambda: tmp_path)


def broken_evaluation(monkeypatch, _tmp_path):
    monkeypatch.setattr("rune_core.pipeline.evaluate", crash)


def broken_pipeline(monkeypatch, _tmp_path):
    monkeypatch.setattr("rune_core.pipeline.fold", crash)


def broken_engine(monkeypatch, _tmp_path):
    """The engine was there when the Shield was made, and is gone when it is first needed."""
    monkeypatch.setattr("rune_scanner.match.find_spec", lambda _name: None)


def broken_rule(_monkeypatch, tmp_path):
    (tmp_path / "broken.toml").write_text('id = "broken"\n')
    return {"rule_folders": (tmp_path,)}


BREAKAGES = {
    "rules: no engine": ("l1_rules", {"l1": True, "engine": "re2"}, {"prepare": broken_engine}),
    "rules: a file that does not load": ("l1_rules", {"l1": True}, {"prepare": broken_rule}),
    "rules: no time left": ("l1_rules", {"l1": True, **NO_TIME}, {}),
    "patterns: no engine": (
        "policy_patterns",
        {"engine": "re2"},
        {"rules": PATTERN, "prepare": broken_engine},
    ),
    "patterns: no time left": ("policy_patterns", NO_TIME, {"rules": PATTERN}),
    "model: does not load": ("l2_vector", {"l2_enabled": True}, {"prepare": broken_model}),
    "model: no time left": (
        "l2_vector",
        {"l2_enabled": True, **NO_TIME},
        {"prepare": broken_model},
    ),
    "plug-in: raises": (
        "plugin:fake",
        {},
        {"plugins": lambda: [FakeScanner(error=KeyError("evil"))]},
    ),
    "plug-in: no time left": ("plugin:fake", NO_TIME, {"plugins": lambda: [FakeScanner()]}),
    "plug-in: looked at a part": (
        "plugin:fake",
        {},
        {"plugins": lambda: [Plugin(Incomplete())]},
    ),
    "plug-in: hangs": (
        "plugin:fake",
        {"scan_timeout_ms": 5},
        {"plugins": lambda: [Plugin(Late())], "asynchronous": True},
    ),
    "value: too deep": ("value", {}, {"value": too_deep}),
    "policy: raises": ("policy", {}, {"prepare": broken_evaluation}),
    "pipeline: raises": ("pipeline", {}, {"prepare": broken_pipeline}),
    "redaction: raises": (
        "redaction",
        {"redaction_style": "broken"},
        {
            "plugins": lambda: [FakeScanner(EVIL), BrokenRedactor()],
            "rules": CUT_EVERYWHERE,
            "defaults": "off",
        },
    ),
}


def outcomes(breakage, on_error, monkeypatch, tmp_path):
    """Whether each cell of (surface, risk) was stopped, with the failing layer's reports."""
    layer, settings, how = BREAKAGES[breakage]
    prepared = how["prepare"](monkeypatch, tmp_path) if "prepare" in how else None
    lines = ['version: "1.0"', f"defaults: {how.get('defaults', 'on')}"]
    if on_error:
        lines.append(f"on_error: {on_error}")
    rules = how.get("rules")
    policy = "\n".join(lines) + (f"\nrules:\n{rules}" if rules else "\n")
    plugins = how["plugins"]() if "plugins" in how else []
    shield = shield_for_tests(*plugins, policy=policy, **{**settings, **(prepared or {})})
    stopped = {}
    for surface in Surface:
        for risk in RISKS:
            value = how["value"]() if "value" in how else "something evil"
            fields = {"tool": "t", "tool_risk": risk}
            if how.get("asynchronous"):
                result = asyncio.run(shield.ascan(surface, value, **fields))
            else:
                result = shield.scan(surface, value, **fields)
            assert result.degraded, "a failure never looks like clean"
            assert any(r.layer == layer and r.failed for r in result.reports), result.reports
            assert shield.stats.layer_failures.get(layer), "every failure is counted"
            stopped[surface, risk] = result.blocked
            assert not result.blocked or result.decision.rule == "fail-closed"
    shield.close()
    return layer, stopped


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_every_cell_of_the_table(breakage, monkeypatch, tmp_path):
    layer, stopped = outcomes(breakage, None, monkeypatch, tmp_path)
    table = promised(layer)
    assert stopped == {
        (surface, risk): table[stake(surface, risk)] for surface in Surface for risk in RISKS
    }


@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("then", ["open", "closed"])
def test_a_policy_overrides_every_cell(breakage, then, monkeypatch, tmp_path):
    _, stopped = outcomes(breakage, then, monkeypatch, tmp_path)
    assert set(stopped.values()) == {then == "closed"}


@pytest.mark.parametrize("breakage", [name for name in BREAKAGES if name != "plug-in: hangs"])
@pytest.mark.parametrize("surface", Surface)
@pytest.mark.parametrize("risk", RISKS)
def test_a_policy_overrides_one_cell_alone(breakage, surface, risk, monkeypatch, tmp_path):
    layer = BREAKAGES[breakage][0]
    table = promised(layer)
    turned = not table[stake(surface, risk)]
    entry = (
        f"[{{layer: '{layer}', surface: {surface}, tool_risk: {risk}, "
        f"then: {'closed' if turned else 'open'}}}]"
    )
    _, stopped = outcomes(breakage, entry, monkeypatch, tmp_path)
    assert stopped.pop((surface, risk)) is turned
    assert stopped == {key: table[stake(*key)] for key in stopped}


def test_every_row_is_tested():
    tested = {layer for layer, _, _ in BREAKAGES.values()}
    for mode in FAIL_MODES:
        for layer in mode.layers:
            # The judge breaks in ways of its own: tests/rune_core/judge.
            assert layer == "l3_judge" or any(map(globs((layer,)), tested)), layer


def test_a_risk_that_cannot_be_told_is_medium():
    assert stake(Surface.TOOL_CALL, None) is Stake.MEDIUM
    assert stake(Surface.TOOL_CALL, "odd") is Stake.MEDIUM
    assert {stake(s, "high") for s in Surface if s is not Surface.TOOL_CALL} == {Stake.TEXT}


# -- what is no layer

ASK = """
version: "1.0"
defaults: off
rules:
  - {name: ask, scanner: prompt_injection, action: ask, threshold: 0.5}
"""


def raises(_request):
    raise RuntimeError("evil")


def times_out(_request):
    raise TimeoutError("evil")


async def araises(_request):
    raise RuntimeError("evil")


async def atimes_out(_request):
    async with asyncio.timeout(0.001):
        await asyncio.sleep(60)


@pytest.mark.parametrize("surface", Surface)
@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("on_error", ["open", "closed"])
@pytest.mark.parametrize("handler", [raises, times_out, None])
def test_no_answer_is_not_an_approval(surface, risk, on_error, handler):
    policy = f"{ASK}on_error: {on_error}\n"
    with shield_for_tests(
        FakeScanner(EVIL), policy=policy, approval_handler=handler, on_block="replace"
    ) as shield:
        guarded = shield.guard_text(surface, "evil", tool="t", tool_risk=risk)
    assert guarded.stopped
    assert guarded.result.decision.approval == "unavailable"
    assert "evil" not in guarded.text_to_use


@pytest.mark.parametrize("handler", [raises, times_out, araises, atimes_out])
@pytest.mark.parametrize("surface", Surface)
async def test_no_answer_is_not_an_approval_on_a_loop(surface, handler):
    with shield_for_tests(
        FakeScanner(EVIL), policy=ASK, approval_handler=handler, on_block="replace"
    ) as shield:
        guarded = await shield.aguard_text(surface, "evil", tool="t")
    assert guarded.stopped
    assert guarded.result.decision.approval == "unavailable"


def test_an_asynchronous_handler_under_a_synchronous_method_approves_nothing():
    async def approves(_request):
        return True

    with shield_for_tests(
        FakeScanner(EVIL), policy=ASK, approval_handler=approves, on_block="replace"
    ) as shield:
        guarded = shield.guard_text(Surface.INPUT, "evil")
    assert guarded.stopped
    assert guarded.result.decision.approval == "unavailable"


GOOD = 'version: "1.0"\nrules:\n  - {name: no-pay, type: tool_denylist, tools: [pay]}\n'
BAD = {
    "no YAML": "version: [",
    "unknown key": 'version: "1.0"\ncolour: red\n',
    "empty": "",
    "not UTF-8": b"\xff\xfe\x00",
}


def write(file, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("fault", BAD)
def test_a_broken_policy_file_at_start_up_is_an_error(fault, tmp_path):
    file = tmp_path / "team.yaml"
    write(file, BAD[fault])
    with pytest.raises(PolicyLoadError, match=r"team\.yaml"):
        Shield(config=ShieldConfig(local_policies_path=file, events_enabled=False))


@pytest.mark.parametrize("fault", [*BAD, "deleted", "a crash while reading"])
def test_a_broken_policy_file_at_a_reload_changes_nothing(fault, tmp_path, monkeypatch):
    file = tmp_path / "team.yaml"
    write(file, GOOD)
    with shield_for_tests(local_policies_path=file) as shield:
        revision = shield.policy_revision
        if fault == "deleted":
            file.unlink()
        elif fault in BAD:
            write(file, BAD[fault])
        else:
            monkeypatch.setattr("rune_core.policy.load.read_yaml", crash)
        reloaded = shield.reload_policies()
        assert not reloaded.ok
        assert not reloaded.changed
        assert "team.yaml" in str(reloaded.errors[0])
        assert shield.policy_revision == revision
        assert shield.validate_action("pay", {}).blocked
        assert any("team.yaml" in line for line in shield.coverage().warnings)
        monkeypatch.undo()
        write(file, GOOD)
        assert shield.reload_policies().ok


class BrokenSink(RecordingSink):
    def write(self, _events):
        raise OSError("evil")


class UnclosableSink(RecordingSink):
    def close(self):
        raise OSError("evil")


def test_a_broken_event_sink_hinders_nobody():
    good = RecordingSink("good")
    shield = shield_for_tests(BrokenSink("broken"), good, UnclosableSink("odd"), FakeScanner(EVIL))
    result = shield.scan_document("evil")
    assert (result.action, result.degraded) == (Action.REDACT, False)
    shield.close()
    assert len(good.events) == 1
    assert good.closed


def test_what_no_sink_took_is_counted():
    shield = shield_for_tests(BrokenSink("broken"))
    shield.scan_input("x")
    shield.close()
    assert sum(shield.stats.losses.values()) == 1


class BrokenHook:
    @hookimpl
    def rune_scanners(self):
        raise ValueError("evil")


def test_a_broken_hook_leaves_the_other_plugins_standing():
    with shield_for_tests(BrokenHook(), FakeScanner(EVIL)) as shield:
        assert shield.scan_document("evil").action is Action.REDACT
        assert [fault.hook for fault in shield.coverage().plugin_faults] == ["rune_scanners"]


def test_a_layer_that_is_not_there_is_no_failure():
    with shield_for_tests(l2_enabled=False, l3_enabled=False) as shield:
        result = shield.validate_action("pay", {}, tool_risk="high")
    assert not result.degraded
    assert {report.status for report in result.reports} == {LayerStatus.SKIPPED}
