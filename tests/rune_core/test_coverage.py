from __future__ import annotations

import logging

from rune_core.testing import FakeScanner, shield_for_tests
from rune_scanner.finding import Surface, Threat


def warnings_of(shield):
    return "\n".join(shield.coverage().warnings)


def test_it_tells_which_layer_guards_which_surface():
    scanner = FakeScanner({"x": Threat.JAILBREAK}, surfaces=frozenset((Surface.INPUT,)))
    shield = shield_for_tests(scanner)
    shield.scan_input("a")
    shield.scan_input("b")
    coverage = shield.coverage()
    by_surface = {entry.surface: entry for entry in coverage.surfaces}
    assert set(by_surface) == set(Surface)
    assert (by_surface[Surface.INPUT].scans, by_surface[Surface.INPUT].seen) == (2, True)
    guards = {
        surface: next(c for c in entry.layers if c.layer == "plugin:fake")
        for surface, entry in by_surface.items()
    }
    assert (guards[Surface.INPUT].guards, guards[Surface.INPUT].runs) == (True, 2)
    assert not guards[Surface.OUTPUT].guards
    assert guards[Surface.OUTPUT].reason == "not for this surface"
    assert all(entry.policy_rules > 0 for entry in coverage.surfaces)


def test_it_prints_as_a_table():
    shield = shield_for_tests(FakeScanner())
    shield.scan_input("a")
    lines = str(shield.coverage()).splitlines()
    assert lines[0].split() == [
        "surface",
        "scans",
        "rules",
        "l1_rules",
        "l2_vector",
        "l3_judge",
        "plugin:fake",
    ]
    assert [line.split()[0] for line in lines[1:8]] == [surface.value for surface in Surface]
    assert "! layer l3_judge does not run: not configured" in lines


def test_it_names_what_is_missing_switched_off_or_failing():
    policy = """
version: "1.0"
defaults: off
rules:
  - {name: quiet, scanner: pii, action: block, mode: monitor}
exceptions:
  - {rule: quiet, reason: the boss said so}
"""
    shield = shield_for_tests(FakeScanner(error=ValueError()), policy=policy, api_key="k")
    shield.scan_input("a")
    text = warnings_of(shield)
    for part in (
        "layer l1_rules does not run: disabled by configuration",
        "layer l2_vector does not run: not installed",
        "nothing was scanned yet on: output",
        "layer plugin:fake failed 1 times",
        "the built-in policy is off",
        "rule quiet only monitors",
        "exception for rule quiet (inline): the boss said so",
        "a server is configured without url: nothing is sent or fetched",
    ):
        assert part in text, text
    coverage = shield.coverage()
    assert coverage.defaults_off
    assert coverage.monitored == ("quiet",)
    assert coverage.policies == ("inline",)


def test_it_names_rules_replaced():
    policy = 'version: "1.0"\nrules: [{name: secret-shown, scanner: secrets, action: flag}]'
    assert "built-in rule secret-shown is replaced by yours" in warnings_of(
        shield_for_tests(policy=policy)
    )


def test_it_names_detectors_that_do_not_exist():
    policy = """
version: "1.0"
rules:
  - {name: typo, type: data_protection, patterns: [emial, 'X[0-9]{4}'], action: redact}
  - {name: glob, scanner: all, rules: ["no-such-*"], action: block}
"""
    text = warnings_of(shield_for_tests(policy=policy, l1=True))
    assert "rule typo (inline) names 'emial', which no detector has; did you mean email?" in text
    assert "rule glob (inline) names 'no-such-*'" in text
    assert "X[0-9]" not in text
    assert "'l2-*'" not in text, "the built-in policy names layer 2, installed or not"


def test_the_first_scan_warns_once_of_names_that_no_detector_has(caplog):
    policy = """
version: "1.0"
rules:
  - {name: cards, type: data_protection, patterns: [credit_card], action: redact}
  - {name: typo, type: data_protection, patterns: [emial], action: redact}
"""
    shield = shield_for_tests(policy=policy, l1=True)
    for _ in range(3):
        shield.scan_output("My card is 4111 1111 1111 1111.")
    (record,) = caplog.records
    assert "rule typo (inline) names 'emial'" in record.getMessage()


def test_without_layer_2_the_first_untrusted_text_warns_once(caplog):
    shield = shield_for_tests(FakeScanner())
    shield.scan_input("a")
    assert not caplog.records
    for _ in range(3):
        shield.scan_document("a")
        shield.scan_tool_result("b")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "rules only" in record.getMessage()
