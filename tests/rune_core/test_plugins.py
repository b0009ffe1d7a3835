from __future__ import annotations

import inspect
import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from rune_core import ShieldConfig, hookimpl, hookspecs
from rune_core.plugins import BUILTIN, Plugins
from rune_core.testing import FakeScanner, RecordingSink, assert_redacted, shield_for_tests
from rune_scanner.finding import Threat

REPOSITORY = Path(__file__).parents[2]
HOOKS = [name for name in vars(hookspecs) if name.startswith("rune_")]

RULE = """
id = "tin-foil"
title = "tin foil"
threat = "policy_violation"
severity = "high"
confidence = 0.9
surfaces = "all"
text = "folded"
pattern = "tin foil"
label = "FOIL"
description = "For a test."
"""


def test_rune_scanners_adds_a_layer():
    result = shield_for_tests(FakeScanner({"evil": Threat.JAILBREAK})).scan_input("evil")
    assert "plugin:fake" in result.layers_executed


def test_rune_rule_folders_adds_rules_to_layer_1(tmp_path):
    (tmp_path / "tin-foil.toml").write_text(RULE)

    class Plugin:
        @hookimpl
        def rune_rule_folders(self):
            return [tmp_path]

    shield = shield_for_tests(Plugin(), l1=True)
    result = shield.scan_input("some tin foil here")
    assert [finding.rule_id for finding in result.findings] == ["tin-foil"]
    assert result.findings[0].layer == "l1_rules"


def test_rune_redactors_adds_a_style():
    class Upside:
        name = "upside"

        def redact(self, text, findings):
            for finding in sorted(findings, key=lambda f: -f.span.start):
                start, end = finding.span
                text = text[:start] + "~" + text[end:]
            return text

    class Plugin:
        @hookimpl
        def rune_redactors(self):
            return [Upside()]

    shield = shield_for_tests(
        FakeScanner({"evil": Threat.DATA_EXFILTRATION}), Plugin(), redaction_style="upside"
    )
    result = shield.scan_output("so evil!")
    assert_redacted(result)
    assert result.sanitized_content == "so ~!"


@pytest.mark.parametrize(
    ("style", "left"), [("label", "a [FAKE]"), ("mask", "a ****"), ("remove", "a ")]
)
def test_the_built_in_styles_come_through_the_hook(style, left):
    shield = shield_for_tests(
        FakeScanner({"evil": Threat.DATA_EXFILTRATION}), redaction_style=style
    )
    assert shield.scan_output("a evil").sanitized_content == left


def test_rune_event_sinks_adds_a_sink():
    sink = RecordingSink()
    with shield_for_tests(sink) as shield:
        shield.scan_input("x")
    assert len(sink.events) == 1


def test_rune_cli_commands_gets_the_app():
    seen = []

    class Plugin:
        @hookimpl
        def rune_cli_commands(self, app):
            seen.append(app)

    Plugins(ShieldConfig(plugins_enabled=False), object(), [Plugin()]).add_cli_commands("the app")
    assert seen == ["the app"]


def test_hooks_get_the_configuration():
    seen = []

    class Plugin:
        @hookimpl
        def rune_scanners(self, config):
            seen.append(config.cache_size)
            return []

    shield_for_tests(Plugin(), cache_size=3).scan_input("x")
    assert seen == [3]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_raising_hook_is_reported_and_takes_nothing_down(hook, tmp_path):
    def raises(*_):
        raise ValueError("no")

    plugin = type("Broken", (), {hook: hookimpl(lambda self: raises())})()
    sink = RecordingSink()
    with shield_for_tests(
        plugin, FakeScanner({"evil": Threat.PROMPT_INJECTION}), sink, redaction_style="mask"
    ) as shield:
        assert_redacted(shield.scan_document("evil"))
        shield._engine.plugins.add_cli_commands(object())
        shield._engine.plugins.rule_folders()
        coverage = shield.coverage()
    assert [(fault.hook, fault.reason.split(" ")[0]) for fault in coverage.plugin_faults] == [
        (hook, "ValueError")
    ]
    assert len(sink.events) == 1


def test_a_misspelt_hook_is_reported():
    class Plugin:
        @hookimpl
        def rune_scannners(self):
            return []

    shield = shield_for_tests(Plugin())
    assert any("rune_scannners: is not a hook" in line for line in shield.coverage().warnings)


def test_what_is_no_scanner_is_refused_by_name():
    class Nameless:
        def scan(self, text, context):
            return []

    class Mute:
        name = "mute"

    class Plugin:
        @hookimpl
        def rune_scanners(self):
            return [Nameless(), Mute()]

    shield = shield_for_tests(Plugin())
    shield.scan_input("x")
    reasons = [fault.reason for fault in shield.coverage().plugin_faults]
    assert reasons == [
        "a scanner of type Nameless has no name",
        "scanner 'mute' has no scan(text, context)",
    ]


def entry(name, value):
    return EntryPoint(name=name, value=value, group="rune")


def test_installed_plug_ins_are_found_and_a_broken_one_stands_alone(monkeypatch):
    entries = [
        entry("good", "rune_core.testing:RecordingSink"),
        entry("gone", "no_such_module_of_ours:plugin"),
    ]
    monkeypatch.setattr("rune_core.plugins.entry_points", lambda group: entries)
    plugins = Plugins(ShieldConfig(plugins_enabled=True), object(), [])
    assert plugins.names == (BUILTIN, "good")
    assert [(fault.plugin, fault.hook) for fault in plugins.faults] == [("gone", "load")]
    assert Plugins(ShieldConfig(plugins_enabled=False), object(), []).names == (BUILTIN,)


def test_built_in_layers_use_the_public_hooks():
    shield = shield_for_tests()
    assert [layer.name for layer in shield._engine.layers] == ["l1_rules", "l2_vector", "l3_judge"]
    assert shield._engine.plugins.names == (BUILTIN,)


# -- conventions


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook):
    source = Path(__file__).read_text(encoding="utf-8")
    assert re.search(rf"^def test_{hook}_", source, re.MULTILINE)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook):
    assert inspect.getdoc(getattr(hookspecs, hook))
    page = (REPOSITORY / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert f"## `{hook}`" in page


def test_the_page_documents_no_hook_that_is_not_there():
    page = (REPOSITORY / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `(rune_\w+)`", page, re.MULTILINE) == HOOKS
