from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.action import Action
from rune_core.policy.compiled import CompiledPolicy
from rune_core.policy.decision import RuleMatch
from rune_core.policy.evaluate import Facts, decide, evaluate
from rune_core.policy.load import load_default, load_text
from rune_core.policy.names import DATA_ALIASES
from rune_scanner import builtin_rules
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat


def policy(rules: str = "", *, builtin: bool = False, more: str = "") -> CompiledPolicy:
    text = f'version: "1.0"\n{more}\nrules:\n{rules}' if rules else f'version: "1.0"\n{more}'
    return CompiledPolicy(
        [load_text(text, name="mine")], builtin=load_default() if builtin else None
    )


def found(
    confidence=0.9,
    rule_id="injection-a",
    threat=Threat.PROMPT_INJECTION,
    surface=Surface.TOOL_RESULT,
    label="INJECTION",
):
    return Finding(rule_id, threat, Severity.HIGH, confidence, Span(0, 4), surface, label=label)


def decision_for(compiled, *findings, surface=Surface.TOOL_RESULT, **facts):
    done = evaluate(compiled, Facts(surface=surface, findings=findings, **facts))
    return decide("id", compiled.revision, done.matches)


def test_a_rule_matches_from_its_threshold_on():
    rules = "  - {name: r, scanner: prompt_injection, threshold: 0.8, action: redact}"
    assert decision_for(policy(rules), found(0.79)).action is Action.ALLOW
    decision = decision_for(policy(rules), found(0.8))
    assert (decision.action, decision.rule, decision.policy) == (Action.REDACT, "r", "mine")


def test_the_strictest_action_wins_and_all_matches_are_reported():
    decision = decision_for(
        policy(
            """
  - {name: cut, scanner: prompt_injection, action: redact}
  - {name: stop, scanner: prompt_injection, action: block}
  - {name: see, scanner: prompt_injection, action: flag}
"""
        ),
        found(),
    )
    assert decision.rule == "stop"
    assert [match.rule for match in decision.matches] == ["stop", "cut", "see"]
    assert "2 more rules matched" in decision.explanation


actions = st.sampled_from(Action)


@given(st.lists(st.tuples(actions, st.booleans(), st.booleans()), max_size=6))
def test_the_action_is_the_strictest_that_acts(rows):
    matches = [
        RuleMatch(
            f"r{i}",
            "p",
            "scanner",
            action,
            Severity.LOW,
            monitored=monitored,
            excepted_by="why" if excepted else "",
        )
        for i, (action, monitored, excepted) in enumerate(rows)
    ]
    decision = decide("id", "rev", matches)
    acting = [action.rank for action, monitored, excepted in rows if not monitored and not excepted]
    assert decision.action.rank == max(acting, default=0)
    would = [action.rank for action, _, excepted in rows if not excepted]
    assert decision.monitored_action.rank == max(would, default=0)
    assert len(decision.matches) == len(rows)


def test_several_weak_rules_can_reach_what_none_reaches_alone():
    rules = "  - {name: r, scanner: prompt_injection, threshold: 0.75, action: redact}"
    weak = [found(0.7, "a"), found(0.7, "b"), found(0.7, "c")]
    done = evaluate(policy(rules), Facts(Surface.TOOL_RESULT, findings=weak))
    assert [match.rule for match in done.matches] == ["r"]
    assert len(done.cuts) == 3


def test_only_what_reached_the_threshold_is_cut():
    rules = "  - {name: r, scanner: prompt_injection, threshold: 0.8, action: redact}"
    done = evaluate(
        policy(rules), Facts(Surface.TOOL_RESULT, findings=[found(0.9, "a"), found(0.4, "b")])
    )
    assert [cut.finding.rule_id for cut in done.cuts] == ["a"]


def test_detector_globs_narrow_a_rule():
    rules = """
  - name: r
    scanner: prompt_injection
    rules: ["injection-*"]
    except_rules: [injection-odd]
    action: block
"""
    assert decision_for(policy(rules), found(rule_id="injection-even")).blocked
    assert not decision_for(policy(rules), found(rule_id="injection-odd")).blocked
    assert not decision_for(policy(rules), found(rule_id="other")).blocked


def test_a_surface_narrows_a_rule():
    rules = "  - {name: r, scanner: all, surface: input, action: block}"
    assert decision_for(policy(rules), found(), surface=Surface.INPUT).blocked
    assert not decision_for(policy(rules), found(), surface=Surface.OUTPUT).blocked


def test_agents_tags_and_tools_narrow_a_rule():
    rules = """
  - name: r
    scanner: all
    agents: ["bill*"]
    tags: [prod, staging]
    tools: ["mail.*"]
    action: block
"""
    fits = {"agent_id": "billing", "tags": frozenset(["prod"]), "tool": "mail.read"}
    assert decision_for(policy(rules), found(), **fits).blocked
    for change in (
        {"agent_id": "support"},
        {"agent_id": None},
        {"tags": frozenset(["dev"])},
        {"tool": "fs.read"},
        {"tool": None},
    ):
        assert not decision_for(policy(rules), found(), **{**fits, **change}).blocked


def call(compiled, tool, **facts):
    return decision_for(compiled, surface=Surface.TOOL_CALL, tool=tool, **facts)


def test_an_allow_list_stops_what_is_not_on_it():
    rules = '  - {name: r, type: tool_allowlist, tools: [search, "fs.read_*"], action: block}'
    assert not call(policy(rules), "search").blocked
    assert not call(policy(rules), "fs.read_file").blocked
    for tool in ("Search", "fs.write_file", "search2", "xfs.read_file", ""):
        assert call(policy(rules), tool).blocked, tool


def test_a_deny_list_stops_what_is_on_it_in_any_case():
    rules = '  - {name: r, type: tool_denylist, tools: ["delete_*"], action: block}'
    for tool in ("delete_file", "DELETE_FILE", "Delete_"):
        assert call(policy(rules), tool).blocked, tool
    assert not call(policy(rules), "undelete_file").blocked


def test_tool_rules_say_nothing_about_results():
    rules = "  - {name: r, type: tool_allowlist, tools: [search], action: block}"
    assert not decision_for(policy(rules), surface=Surface.TOOL_RESULT, tool="rm").blocked


def test_a_made_up_tool_name_does_not_reach_the_explanation():
    rules = "  - {name: r, type: tool_allowlist, tools: [search], action: block}"
    decision = call(policy(rules), "my card is 4111\nsend it")
    assert "4111" not in decision.explanation
    assert "'masked'" in decision.explanation


def test_made_up_tool_names_do_not_fill_the_cache():
    compiled = policy("  - {name: r, type: tool_allowlist, tools: [search], action: block}")
    for number in range(3000):
        assert call(compiled, f"tool{number}").blocked
    assert len(compiled._tool_cache) <= 1024


@pytest.mark.parametrize("word", ["email", "EMAIL", "pii-em*", "pii"])
def test_data_protection_goes_by_id_label_or_threat(word):
    rules = f'  - {{name: r, type: data_protection, patterns: ["{word}"], action: redact}}'
    email = found(0.9, "pii-email-address", Threat.PII_EXPOSURE, label="EMAIL")
    phone = found(0.9, "phone", Threat.SECRET_EXPOSURE, label="PHONE")
    done = evaluate(policy(rules), Facts(Surface.TOOL_RESULT, findings=[email, phone]))
    assert [cut.finding.rule_id for cut in done.cuts] == ["pii-email-address"]


@pytest.mark.parametrize("word", ["credit_card", "Credit-Card", "card_number", "card"])
def test_data_goes_by_the_names_that_others_use(word):
    rules = f'  - {{name: r, type: data_protection, patterns: ["{word}"], action: redact}}'
    card = found(0.9, "pii-payment-card", Threat.PII_EXPOSURE, label="CARD")
    named = found(0.9, "credit_card", Threat.PII_EXPOSURE)  # a plug-in's detector of that name
    done = evaluate(policy(rules), Facts(Surface.OUTPUT, findings=[card]))
    assert [cut.finding.rule_id for cut in done.cuts] == ["pii-payment-card"]
    done = evaluate(policy(rules), Facts(Surface.OUTPUT, findings=[named]))
    assert len(done.cuts) == (word == "credit_card")


def test_every_name_that_others_use_stands_for_a_label_that_there_is():
    labels = {rule.label.casefold() for rule in builtin_rules()}
    assert set(DATA_ALIASES.values()) <= labels
    assert not DATA_ALIASES.keys() & labels


def test_monitor_records_and_does_not_act():
    rules = "  - {name: r, scanner: all, action: block, mode: monitor}"
    decision = decision_for(policy(rules), found())
    assert (decision.action, decision.monitored_action) == (Action.ALLOW, Action.BLOCK)
    assert decision.matches[0].monitored
    assert "only monitors" in decision.explanation


def test_monitored_redaction_cuts_nothing():
    rules = "  - {name: r, scanner: all, action: redact, mode: monitor}"
    assert evaluate(policy(rules), Facts(Surface.TOOL_RESULT, findings=[found()])).cuts == []


def test_an_exception_lifts_one_rule_in_one_place():
    rules = """
  - {name: r, scanner: prompt_injection, action: block}
  - {name: other, scanner: prompt_injection, action: flag}
exceptions:
  - {rule: r, tool: wiki, surface: tool_result, reason: our wiki explains attacks}
"""
    lifted = decision_for(policy(rules), found(), tool="wiki")
    assert lifted.action is Action.FLAG
    assert [match.excepted_by for match in lifted.excepted] == ["our wiki explains attacks"]
    assert decision_for(policy(rules), found(), tool="mail").blocked
    assert decision_for(policy(rules), found(), tool="wiki", surface=Surface.DOCUMENT).blocked


def test_an_exception_for_a_detector_leaves_the_others():
    rules = """
  - {name: r, scanner: prompt_injection, action: block}
exceptions:
  - {rule: r, detector: injection-a, reason: known}
"""
    assert not decision_for(policy(rules), found(rule_id="injection-a")).blocked
    assert decision_for(
        policy(rules), found(rule_id="injection-a"), found(rule_id="injection-b")
    ).blocked


def test_an_exception_ends_with_its_day():
    rules = """
  - {name: r, scanner: prompt_injection, action: block}
exceptions:
  - {rule: r, reason: until the fix, until: 2001-01-01}
"""
    assert decision_for(policy(rules), found()).blocked


def test_an_exception_lifts_a_tool_rule():
    rules = """
  - {name: r, type: tool_denylist, tools: [rm], action: block}
exceptions:
  - {rule: r, agents: [janitor], reason: cleaning up}
"""
    assert call(policy(rules), "rm").blocked
    assert not call(policy(rules), "rm", agent_id="janitor").blocked


def test_a_rule_of_the_same_name_replaces_a_built_in_one():
    rules = "  - {name: injection-in-data, scanner: prompt_injection, action: flag}"
    compiled = policy(rules, builtin=True)
    assert compiled.replaced == ("injection-in-data",)
    assert decision_for(compiled, found(1.0)).action is Action.FLAG
    assert decision_for(policy("", builtin=True), found(1.0)).action is Action.REDACT


def test_defaults_off_drops_the_built_in_policy():
    compiled = policy("", builtin=True, more="defaults: off")
    assert compiled.defaults_off
    assert decision_for(compiled, found(1.0)).action is Action.ALLOW


def test_the_revision_follows_the_content():
    one = "  - {name: r, scanner: all, action: flag}"
    assert policy(one).revision == policy(one).revision
    assert policy(one).revision != policy(one.replace("flag", "block")).revision


@pytest.mark.parametrize(
    ("surface", "threat", "confidence", "action"),
    [
        (Surface.TOOL_RESULT, Threat.PROMPT_INJECTION, 0.9, Action.REDACT),
        (Surface.DOCUMENT, Threat.PROMPT_INJECTION, 0.8, Action.REDACT),
        (Surface.DOCUMENT, Threat.PROMPT_INJECTION, 0.6, Action.FLAG),
        (Surface.DOCUMENT, Threat.PROMPT_INJECTION, 0.4, Action.ALLOW),
        (Surface.INPUT, Threat.JAILBREAK, 0.84, Action.FLAG),
        (Surface.INPUT, Threat.JAILBREAK, 0.9, Action.BLOCK),
        (Surface.INPUT, Threat.SYSTEM_PROMPT_LEAK, 0.99, Action.FLAG),
        (Surface.INPUT, Threat.SECRET_EXPOSURE, 0.99, Action.FLAG),
        (Surface.OUTPUT, Threat.SECRET_EXPOSURE, 0.9, Action.REDACT),
        (Surface.TOOL_RESULT, Threat.SECRET_EXPOSURE, 0.9, Action.REDACT),
        (Surface.TOOL_CALL, Threat.SECRET_EXPOSURE, 0.99, Action.FLAG),
        (Surface.OUTPUT, Threat.PII_EXPOSURE, 0.99, Action.FLAG),
        (Surface.OUTPUT, Threat.DATA_EXFILTRATION, 0.9, Action.REDACT),
        (Surface.TOOL_CALL, Threat.DATA_EXFILTRATION, 0.9, Action.BLOCK),
        (Surface.TOOL_CALL, Threat.COMMAND_INJECTION, 0.92, Action.BLOCK),
        (Surface.TOOL_CALL, Threat.COMMAND_INJECTION, 0.8, Action.FLAG),
        (Surface.TOOL_DEFINITION, Threat.TOOL_MANIPULATION, 0.8, Action.BLOCK),
        (Surface.HANDOFF, Threat.PROMPT_INJECTION, 0.9, Action.BLOCK),
    ],
)
def test_what_the_built_in_policy_does(surface, threat, confidence, action):
    compiled = policy("", builtin=True)
    assert decision_for(compiled, found(confidence, "x", threat), surface=surface).action is action
