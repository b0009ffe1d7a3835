"""``agents:`` and ``tags:`` at the top of a file, and which level of files a rule comes from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.action import Action
from rune_core.errors import PolicyLoadError
from rune_core.fail_modes import closes
from rune_core.policy.compiled import CompiledPolicy
from rune_core.policy.evaluate import Facts, decide, evaluate
from rune_core.policy.explain import explain
from rune_core.policy.load import load_default, load_text
from rune_core.testing import shield_for_tests
from rune_scanner.finding import Finding, Severity, Span, Surface, Threat


def file(name: str, rules: str = "", more: str = ""):
    body = f"\nrules:\n{rules}" if rules else ""
    return load_text(f'version: "1.0"\n{more}{body}\n', name=name)


def call(compiled: CompiledPolicy, tool: str, agent=None, tags=(), findings=()):
    facts = Facts(
        surface=Surface.TOOL_CALL,
        findings=findings,
        tool=tool,
        agent_id=agent,
        tags=frozenset(tags),
    )
    return decide("id", compiled.revision, evaluate(compiled, facts).matches)


def finding(surface=Surface.TOOL_CALL):
    return Finding("x-1", Threat.COMMAND_INJECTION, Severity.HIGH, 0.95, Span(0, 1), surface)


DENY = "  - {name: deny, type: tool_denylist, tools: [pay]}\n"


@pytest.mark.parametrize(
    ("agent", "tags", "stopped"),
    [
        ("billing-1", ("prod",), True),
        ("billing-1", ("prod", "eu"), True),
        ("billing-1", (), False),
        ("other", ("prod",), False),
        (None, ("prod",), False),
        (None, (), False),
    ],
)
def test_a_file_is_for_agents_that_have_the_id_and_a_tag(agent, tags, stopped):
    compiled = CompiledPolicy(
        [file("f", DENY, 'agents: ["billing-*"]\ntags: [prod, staging]')], builtin=None
    )
    assert call(compiled, "pay", agent, tags).blocked is stopped


names = st.sampled_from(["a", "b", "ab", "ba"])
globs = st.lists(st.sampled_from(["a", "b", "a*", "*b", "ab"]), max_size=2)
some_tags = st.lists(st.sampled_from(["x", "y"]), max_size=2)


@given(globs, some_tags, globs, some_tags, st.none() | names, some_tags)
def test_file_and_rule_are_intersected(file_agents, file_tags, agents, tags, agent, own):
    """The file's narrowing and the rule's let through what two rules, one of each, both would."""

    def stopped(top_agents, top_tags, rule_agents, rule_tags):
        more = "".join(
            f"{key}: {value}\n"
            for key, value in (("agents", top_agents), ("tags", top_tags))
            if value
        )
        rule = (
            f"  - {{name: r, type: tool_denylist, tools: [pay], "
            f"agents: {[*map(str, rule_agents)]}, tags: {rule_tags}}}"
        )
        return call(
            CompiledPolicy([file("f", rule, more)], builtin=None), "pay", agent, own
        ).blocked

    both = stopped(file_agents, file_tags, agents, tags)
    assert both == (stopped(file_agents, file_tags, [], []) and stopped([], [], agents, tags))


def test_it_narrows_exceptions_too():
    lifted = 'exceptions: [{rule: deny, reason: they pay}]\nagents: ["billing-*"]\ntags: [prod]'
    compiled = CompiledPolicy([file("a", DENY), file("b", "", lifted)], builtin=None)
    assert not call(compiled, "pay", "billing-1", ["prod"]).blocked
    assert call(compiled, "pay", "billing-1").blocked
    assert call(compiled, "pay", "other", ["prod"]).blocked
    assert call(compiled, "pay").blocked


@pytest.mark.parametrize("key", ["defaults: off", "on_error: closed", "tool_risk: {high: [pay]}"])
@pytest.mark.parametrize("narrowing", ["agents: [a]", "tags: [a]"])
def test_what_is_for_the_whole_process_cannot_be_narrowed(key, narrowing):
    with pytest.raises(PolicyLoadError) as caught:
        file("f", DENY, f"{narrowing}\n{key}")
    [fault] = caught.value.errors
    assert (fault.line, fault.key) == (3, key.partition(":")[0])
    assert "some agents only" in str(fault)


@pytest.mark.parametrize(
    ("top", "key"),
    [
        ("agents: []", "agents"),
        ("tags: []", "tags"),
        ("agents: {a: b}", "agents[0]"),
        ("tags: [1]", "tags[0]"),
        ("agents:", "agents[0]"),
    ],
)
def test_a_narrowing_that_names_nobody_is_a_fault(top, key):
    with pytest.raises(PolicyLoadError) as caught:
        file("f", DENY, top)
    assert key in {fault.key for fault in caught.value.errors}


def test_explanations_name_the_file():
    with shield_for_tests(policy=f'version: "1.0"\nagents: [a]\nrules:\n{DENY}') as shield:
        result = shield.validate_action("pay", {}, agent_id="b")
        told = explain(
            shield._engine.policies.current(), result, tool="pay", agent_id="b", tags=frozenset()
        )
    assert any("its file is for the agents a" in account.why for account in told.accounts)


# -- levels: built-in, own, server


def test_a_servers_rule_takes_the_place_of_one_of_that_name():
    mine = file("mine", "  - {name: deny, type: tool_denylist, tools: [pay], action: block}")
    theirs = file("theirs", "  - {name: deny, type: tool_denylist, tools: [pay], action: flag}")
    compiled = CompiledPolicy([mine], builtin=None, bundle=[theirs])
    decision = call(compiled, "pay")
    assert (decision.action, decision.policy) == (Action.FLAG, "theirs")
    assert (compiled.overridden, compiled.from_server) == (("deny",), ("theirs",))
    assert len(compiled.rules) == 1


def test_an_exception_beside_the_agent_lifts_no_rule_of_a_server():
    lifted = "exceptions: [{rule: '*', reason: I know better}]"
    compiled = CompiledPolicy(
        [file("mine", "  - {name: own, type: tool_denylist, tools: [buy]}", lifted)],
        builtin=None,
        bundle=[file("theirs", DENY)],
    )
    assert call(compiled, "pay").blocked
    assert not call(compiled, "buy").blocked
    by_server = CompiledPolicy(
        [file("mine", "  - {name: own, type: tool_denylist, tools: [buy]}")],
        builtin=None,
        bundle=[file("theirs", DENY, lifted)],
    )
    assert not call(by_server, "pay").blocked
    assert not call(by_server, "buy").blocked


def test_what_a_server_says_of_failures_and_risks_comes_first():
    mine = file("mine", "", "on_error: open\ntool_risk: {low: [pay]}")
    theirs = file("theirs", "", "on_error: closed\ntool_risk: {high: [pay]}")
    compiled = CompiledPolicy([mine], builtin=None, bundle=[theirs])
    assert closes("l1_rules", Surface.INPUT, None, compiled.on_error)
    assert compiled.for_tool("pay").risk == "high"


def test_a_rule_for_some_agents_replaces_for_these_only():
    builtin = file("default", "  - {name: deny, type: tool_denylist, tools: [pay]}")
    mild = "  - {name: deny, type: tool_denylist, tools: [pay], action: flag}"
    compiled = CompiledPolicy([], builtin=builtin, bundle=[file("b", mild, 'agents: ["b*"]')])
    assert call(compiled, "pay", "b1").action is Action.FLAG
    assert call(compiled, "pay", "c").action is Action.BLOCK
    assert call(compiled, "pay").action is Action.BLOCK
    assert sorted(rule.name for rule in compiled.rules) == ["default:deny", "deny"]
    assert compiled.replaced == ("deny",)
    # An exception written for the name still lifts what is left of it.
    lifting = file("m", "", "exceptions: [{rule: deny, reason: why}]")
    lifted = CompiledPolicy([lifting], builtin=builtin, bundle=[file("b", mild, "agents: [b]")])
    assert not call(lifted, "pay", "c").blocked


def test_a_rule_for_everybody_among_several_replaces_for_everybody():
    builtin = file("default", "  - {name: deny, type: tool_denylist, tools: [pay]}")
    rule = "  - {name: deny, type: tool_denylist, tools: [pay], action: flag}"
    compiled = CompiledPolicy(
        [file("mine", rule)], builtin=builtin, bundle=[file("b", rule, "agents: [b]")]
    )
    assert call(compiled, "pay", "b").policy == "b"
    assert call(compiled, "pay", "c").policy == "mine"
    assert sorted(rule.name for rule in compiled.rules) == ["deny", "mine:deny"]


def test_counters_of_both_are_kept_apart():
    limit = "  - {{name: few, type: rate_limit, max_calls: {n}, window_seconds: 60, per: process}}"
    policy = file("mine", limit.format(n=1))
    theirs = file("theirs", limit.format(n=2), "agents: [b]")
    compiled = CompiledPolicy([policy], builtin=None, bundle=[theirs])
    with shield_for_tests() as shield:
        shield._engine.policies._current = compiled
        b = [shield.validate_action("t", {}, agent_id="b").blocked for _ in range(3)]
        c = [shield.validate_action("t", {}, agent_id="c").blocked for _ in range(2)]
    assert (b, c) == ([False, False, True], [False, True])


def test_patterns_of_both_are_kept_apart():
    data = "  - {{name: ids, type: data_protection, patterns: ['{regex}'], action: block}}"
    mine = file("mine", data.format(regex="ID-[0-9]{4}"))
    theirs = file("theirs", data.format(regex="NR-[0-9]{4}"), "agents: [b]")
    compiled = CompiledPolicy([mine], builtin=None, bundle=[theirs])
    with shield_for_tests() as shield:
        shield._engine.policies._current = compiled

        def blocked(text, agent):
            return shield.scan_input(text, agent_id=agent).blocked

        assert [blocked("ID-1234", agent) for agent in ("b", "c")] == [False, True]
        assert [blocked("NR-1234", agent) for agent in ("b", "c")] == [True, False]


def test_the_built_in_rules_stay_in_force_beside_a_servers():
    compiled = CompiledPolicy([], builtin=load_default(), bundle=[file("theirs", DENY)])
    assert compiled.files[0].name == "default"
    assert call(compiled, "run", findings=(finding(),)).matches
