from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.action import Action
from rune_core.errors import PolicyLoadError
from rune_core.policy.load import load_default, load_files, load_text
from rune_core.policy.model import (
    AllowlistMatch,
    DataProtectionMatch,
    DenylistMatch,
    Mode,
    RateLimitMatch,
    ScannerMatch,
)
from rune_scanner.finding import Severity, Surface, Threat


def load(body: str):
    return load_text('version: "1.0"\n' + body)


def faults(text: str) -> list[str]:
    with pytest.raises(PolicyLoadError) as caught:
        load_text(text, path="p.yaml")
    return [str(error) for error in caught.value.errors]


def fault(body: str) -> str:
    (only,) = faults('version: "1.0"\n' + body)
    return only


def only_rule(body: str):
    (rule,) = load("rules:\n" + body).rules
    return rule


def test_the_built_in_policy_loads():
    policy = load_default()
    assert policy.name == "default"
    assert {s for rule in policy.rules for s in rule.surfaces} == set(Surface)


def test_a_full_scanner_rule():
    rule = only_rule(
        """
  - name: injected-results
    scanner: prompt_injection
    surface: [tool_result, document]
    threshold: 0.8
    action: redact
    severity: high
    mode: monitor
    rules: ["injection-*"]
    except_rules: [injection-odd]
    tools: ["mail.*"]
    agents: [billing]
    tags: [prod]
    extent: all
    description: What it is for.
"""
    )
    assert rule.name == "injected-results"
    assert rule.match == ScannerMatch(
        frozenset((Threat.PROMPT_INJECTION,)), 0.8, ("injection-*",), ("injection-odd",)
    )
    assert rule.surfaces == {Surface.TOOL_RESULT, Surface.DOCUMENT}
    assert (rule.action, rule.severity, rule.mode) == (
        Action.REDACT,
        Severity.HIGH,
        Mode.MONITOR,
    )
    assert (rule.tools, rule.agents, rule.tags) == (("mail.*",), ("billing",), ("prod",))


@pytest.mark.parametrize(
    ("scanner", "threat"),
    [
        ("pii", Threat.PII_EXPOSURE),
        ("pii_detection", Threat.PII_EXPOSURE),
        ("secrets", Threat.SECRET_EXPOSURE),
        ("data_exfiltration", Threat.DATA_EXFILTRATION),
    ],
)
def test_older_scanner_names_load(scanner, threat):
    rule = only_rule(f"  - {{name: r, scanner: {scanner}, action: block}}")
    assert rule.match.threats == {threat}


@pytest.mark.parametrize(
    ("direction", "surfaces"),
    [
        ("input", {Surface.INPUT}),
        ("output", {Surface.OUTPUT}),
        ("outbound", {Surface.OUTPUT, Surface.TOOL_CALL}),
        ("both", set(Surface)),
    ],
)
def test_direction_is_an_alias_of_surface(direction, surfaces):
    rule = only_rule(f"  - {{name: r, scanner: pii, action: block, direction: {direction}}}")
    assert rule.surfaces == surfaces


def test_alert_and_log_flag_and_alert_alerts():
    log = only_rule("  - {name: r, scanner: pii, action: log}")
    alert = only_rule("  - {name: r, scanner: pii, action: alert}")
    assert (log.action, log.alert) == (Action.FLAG, False)
    assert (alert.action, alert.alert) == (Action.FLAG, True)


@pytest.mark.parametrize(
    ("rule", "action"),
    [
        ("type: rate_limit, max_calls: 1, window_seconds: 1", Action.BLOCK),
        ("type: tool_allowlist, tools: [a]", Action.BLOCK),
        ("type: data_protection, patterns: [email]", Action.REDACT),
    ],
)
def test_rules_whose_action_is_plain_need_not_name_it(rule, action):
    assert only_rule(f"  - {{name: r, {rule}}}").action is action


def test_tool_access_is_an_allow_list():
    rule = only_rule("  - {name: r, scanner: tool_access, allowed_tools: [a, b], action: block}")
    assert rule.match == AllowlistMatch(("a", "b"))


def test_lists_limits_and_data_protection():
    policy = load(
        """
rules:
  - {name: allow, type: tool_allowlist, tools: [search, "fs.read_*"], action: block}
  - {name: none, type: tool_allowlist, tools: [], action: block}
  - {name: deny, type: tool_denylist, tools: [rm], action: block}
  - {name: rate, type: rate_limit, max_calls: 3, window_seconds: 1.5, per: session, action: ask}
  - name: data
    type: data_protection
    action: redact
    patterns: [email, "pii-*", secrets, 'EMP-\\d{6}', {regex: "PRJ[0-9]{4}", name: project}]
"""
    )
    allow, none, deny, rate, data = (rule.match for rule in policy.rules)
    assert allow == AllowlistMatch(("search", "fs.read_*"))
    assert none == AllowlistMatch(())
    assert deny == DenylistMatch(("rm",))
    assert rate == RateLimitMatch(3, 1.5, (), "session")
    assert data == DataProtectionMatch(
        names=("email", "pii-*"),
        threats=frozenset((Threat.SECRET_EXPOSURE,)),
        regexes=(("policy-data-4", r"EMP-\d{6}"), ("policy-data-project", "PRJ[0-9]{4}")),
        threshold=0.75,
    )


def test_the_file_mode_is_the_default_of_its_rules():
    policy = load(
        """
mode: monitor
rules:
  - {name: a, scanner: pii, action: block}
  - {name: b, scanner: pii, action: block, mode: enforce}
"""
    )
    assert [rule.mode for rule in policy.rules] == [Mode.MONITOR, Mode.ENFORCE]


def test_thresholds_follow_the_action():
    flag, block = load(
        "rules: [{name: a, scanner: pii, action: flag}, {name: b, scanner: pii, action: block}]"
    ).rules
    assert (flag.match.threshold, block.match.threshold) == (0.5, 0.75)


@pytest.mark.parametrize(("word", "kept"), [("off", False), ("on", True), ('"off"', False)])
def test_defaults(word, kept):
    assert load(f"defaults: {word}").defaults is kept


def test_every_fault_comes_at_once_with_file_line_and_key():
    errors = faults(
        """version: "2.0"
colour: red
rules:
  - name: a
    scanner: prompt_injektion
    action: blok
    threshold: 3
  - scanner: pii
    action: flag
exceptions:
  - rule: a
"""
    )
    assert errors == [
        'p.yaml:1: version: is not a version this release reads (write: version: "1.0")',
        errors[1],
        errors[2],
        errors[3],
        errors[4],
        "p.yaml:8: rules[1].name: is missing (every rule needs a name)",
        "p.yaml:11: exceptions[0].reason: is missing",
    ]
    assert errors[1].startswith("p.yaml:2: colour: is not a key of a policy (known keys:")
    assert errors[2].startswith("p.yaml:5: rules[0].scanner: 'prompt_injektion' is not a scanner")
    assert errors[3].startswith("p.yaml:6: rules[0].action: 'blok' is unknown (one of allow, flag")
    assert errors[4].startswith("p.yaml:7: rules[0].threshold: must be above 0 and at most 1")


def test_a_rule_of_no_kind_tells_its_other_faults_too():
    told = faults(
        """
version: "1.0"
rules:
  - {name: r, type: tool_allowlst, tools: [a], action: blok}
  - {nam: s, action: flag}
"""
    )
    for message, expected in zip(
        told,
        [
            "rules[0].type: 'tool_allowlst' is not a kind of rule (did you mean tool_allowlist? ",
            "rules[0].action: 'blok' is unknown",
            "rules[1]: has neither scanner nor type",
            "rules[1].nam: is not a key of a rule (did you mean name? known keys: ",
        ],
        strict=True,
    ):
        assert expected in message


def test_conditions_are_refused_not_ignored():
    message = fault('rules: [{name: r, scanner: pii, action: block, when: "true"}]')
    assert "rules[0].when" in message
    assert "conditions belong to rules of type tool_call" in message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("rules: []\nrules: []", "key 'rules' stands twice (first on line 2)"),
        ("rules: [{name: a, name: b}]", "key 'name' stands twice"),
        ("description: &a x\nname: *a", "anchors (&name) are not accepted"),
        ("name: *a", "aliases (*name) are not accepted"),
        ("name: !!python/object:os.system x", "tags (!name) are not accepted"),
        ("rules: " + "[" * 40 + "]" * 40, "nested deeper than 16 levels"),
        ("<<: {name: x}", "merge keys (<<) are not accepted"),
        ("? [a]\n: b", "a key must be plain text"),
        ("rules: [", "is not valid YAML"),
        ("---\nname: second", "holds more than one document"),
        ("rules: 5", "must be a list"),
        ("rules: [5]", "must be a mapping"),
        ("mode: strict", "'strict' is unknown (one of enforce, monitor)"),
        ("rules: [{name: r, action: flag}]", "has neither scanner nor type"),
        ("rules: [{name: r, type: firewall, action: flag}]", "'firewall' is not a kind of rule"),
        ("rules: [{name: r, scanner: pii, action: flag, surface: mail}]", "'mail' is unknown"),
        ("rules: [{name: r, scanner: pii, action: flag, tools: [no]}]", "must be text (quote it)"),
        ("rules: [{name: r, type: tool_denylist, tools: [], action: block}]", "is empty"),
        ("rules: [{name: r, type: tool_denylist, action: block}]", "is missing"),
        (
            "rules: [{name: r, type: rate_limit, max_calls: 1.5, window_seconds: 1, action: ask}]",
            "whole number",
        ),
        (
            "rules: [{name: r, type: rate_limit, max_calls: 1, window_seconds: 0, action: ask}]",
            "must be positive",
        ),
        (
            "rules: [{name: r, type: data_protection, patterns: ['(a+)+$'], action: block}]",
            "rules[0].patterns[0]",
        ),
        (
            "rules: [{name: r, type: tool_denylist, tools: [a], surface: input, action: block}]",
            "applies to tool_call",
        ),
        (
            "rules: [{name: r, scanner: pii, action: flag, surface: input, direction: output}]",
            "is given beside surface",
        ),
        ("exceptions: [{rule: a, reason: b, until: soon}]", "must be a date"),
        ("tool_risk: {extreme: [a]}", "tool_risk.extreme"),
        ("on_error: maybe", "must be open or closed"),
        ("mcp: {servers: {}}", "write a tool_allowlist"),
    ],
)
def test_what_cannot_be_meant_is_refused(body, expected):
    messages = faults('version: "1.0"\n' + body)
    assert any(expected in message for message in messages), messages


@pytest.mark.parametrize("text", ["", "# nothing", "just text", "- a\n- b"])
def test_a_file_that_is_no_policy_is_refused(text):
    assert faults(text)


def test_two_rules_of_one_name_are_refused():
    message = fault(
        "rules:\n  - {name: a, scanner: pii, action: flag}\n"
        "  - {name: a, scanner: pii, action: block}"
    )
    assert "two rules are named 'a' (first on line 3)" in message


def test_a_doubled_name_is_told_beside_every_other_fault():
    messages = faults(
        'version: "2.0"\nrules:\n  - {name: a, scanner: pii, action: flag}\n'
        "  - {name: a, scanner: unheard, action: flag}\n"
        "  - {name: b, scanner: pii, action: flag, action: block}\n"
        "  - {name: b, scanner: pii, action: flag}\nrulez: []"
    )
    for expected in (
        "version: is not a version",
        "rules[1].name: two rules are named 'a' (first on line 3)",
        "'unheard'",
        "key 'action' stands twice",
        "rules[3].name: two rules are named 'b' (first on line 5)",
        "rulez: is not a key",
    ):
        assert any(expected in message for message in messages), (expected, messages)


def test_two_rules_of_one_name_on_one_line_are_refused():
    rule = "{name: a, scanner: pii, action: flag}"
    assert "two rules are named 'a'" in fault(f"rules: [{rule}, {rule}]")


def test_files_of_a_folder_compose(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.yaml").write_text(
        'version: "1.0"\nrules: [{name: b, scanner: pii, action: flag}]'
    )
    (tmp_path / "deep" / "a.yml").write_text(
        'version: "1.0"\nname: mine\nrules: [{name: a, scanner: pii, action: flag}]'
    )
    (tmp_path / "notes.txt").write_text("not a policy")
    files = load_files(tmp_path)
    assert [(file.name, file.rules[0].name) for file in files] == [("b", "b"), ("mine", "a")]


def test_faults_of_all_files_come_at_once(tmp_path):
    rule = "rules: [{name: same, scanner: pii, action: flag}]"
    (tmp_path / "a.yaml").write_text(f'version: "1.0"\n{rule}')
    (tmp_path / "b.yaml").write_text(f'version: "1.0"\n{rule}')
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "d.yaml").write_text("version: 9")
    with pytest.raises(PolicyLoadError) as caught:
        load_files(tmp_path)
    found = {(error.path.rsplit("/", 1)[-1], error.key) for error in caught.value.errors}
    assert found == {("b.yaml", "rules[0].name"), ("c.yaml", ""), ("d.yaml", "version")}


def test_a_name_taken_by_a_file_with_other_faults_is_taken(tmp_path):
    (tmp_path / "a.yaml").write_text(
        'version: "1.0"\nrules: [{name: same, scanner: unheard, action: flag}]'
    )
    (tmp_path / "b.yaml").write_text(
        'version: "1.0"\nrules: [{name: same, scanner: pii, action: flag, tool: x}]'
    )
    with pytest.raises(PolicyLoadError) as caught:
        load_files(tmp_path)
    found = {(error.path.rsplit("/", 1)[-1], error.key) for error in caught.value.errors}
    assert found == {
        ("a.yaml", "rules[0].scanner"),
        ("b.yaml", "rules[0].name"),
        ("b.yaml", "rules[0].tool"),
    }
    (doubled,) = (error for error in caught.value.errors if error.key == "rules[0].name")
    assert "'same' already stands in" in doubled.message
    assert doubled.message.endswith("a.yaml:2")


@pytest.mark.parametrize("name", ["missing", "missing.yaml"])
def test_a_missing_location_is_refused(tmp_path, name):
    with pytest.raises(PolicyLoadError, match="does not exist"):
        load_files(tmp_path / name)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(PolicyLoadError, match="holds no policy files"):
        load_files(tmp_path)


@given(st.text(max_size=300))
def test_no_text_makes_loading_fail_otherwise_than_by_a_load_error(text):
    for candidate in (text, 'version: "1.0"\n' + text, 'version: "1.0"\nrules:\n' + text):
        try:
            load_text(candidate)
        except PolicyLoadError as error:
            assert error.errors  # noqa: PT017 - both outcomes are fine, any other exception is not


keys = st.sampled_from(
    ["name", "scanner", "type", "action", "threshold", "surface", "tools", "patterns", "when"]
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.text(max_size=4), max_size=3),
)


@given(st.lists(st.dictionaries(keys, values, max_size=6), max_size=4))
def test_no_rule_makes_loading_fail_otherwise_than_by_a_load_error(rules):
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, _data):
            return True

    text = yaml.dump({"version": "1.0", "rules": rules}, Dumper=Plain)
    try:
        load_text(text)
    except PolicyLoadError as error:
        assert error.errors  # noqa: PT017 - as above
