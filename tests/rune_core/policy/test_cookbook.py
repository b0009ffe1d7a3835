"""Every policy of the cookbook loads, has cases for each of its rules, and they hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rune_core.policy.cases import Case, cases_path, load_cases, run_case, shield_for_cases
from rune_core.policy.load import load_files, policy_paths

COOKBOOK = Path(__file__).parents[3] / "docs" / "cookbook"
POLICIES = policy_paths(COOKBOOK)
CASES = [
    pytest.param(policy, case, id=f"{policy.stem}:{case.name}")
    for policy in POLICIES
    for case in load_cases(cases_path(policy))
]
# Watched without acting, or there to be exceeded by two hundred calls: no case decides by them.
WITHOUT_CASE = {
    "would-ask-about-strangers",
    "would-limit-spending",
    "calls-per-run",
    "calls-per-minute",
    "tokens-per-run",
    "system-prompt-in-output",
    "suspicious-handoff",
}


@pytest.mark.parametrize(("policy", "case"), CASES)
def test_case(policy: Path, case: Case) -> None:
    with shield_for_cases(policy) as shield:
        result = run_case(case, shield)
    assert case.fault(result) == ""
    assert not result.degraded


def test_the_index_lists_every_policy() -> None:
    index = (COOKBOOK / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[([\w-]+)\]\(\1\.yaml\) \|", index, re.MULTILINE)
    assert sorted(listed) == [path.stem for path in POLICIES]
    assert len(POLICIES) >= 15


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_rules_have_a_case_that_they_decide_and_one_that_they_do_not(policy: Path) -> None:
    cases = load_cases(cases_path(policy))
    decided = {case.rule for case in cases}
    (file,) = load_files(policy)
    assert {rule.name for rule in file.rules} - decided <= WITHOUT_CASE
    assert len({case.action for case in cases}) > 1, "cases of one outcome prove nothing"


def test_all_policies_fit_into_one_folder() -> None:
    assert len(load_files(COOKBOOK)) == len(POLICIES)
