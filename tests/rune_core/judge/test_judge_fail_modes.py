"""The judge's row of the fail-mode table, cell by cell, in every way that it fails."""

from __future__ import annotations

import pytest

from rune_core.fail_modes import FAIL_MODES, stake
from rune_core.testing import FakeJudge
from rune_scanner.finding import Surface

CELLS = [
    *((surface, None) for surface in Surface if surface is not Surface.TOOL_CALL),
    *((Surface.TOOL_CALL, risk) for risk in ("low", "medium", "high")),
]
FAILURES = {
    "error": ({"answer": 500}, {}),
    "malformed": ({"answer": "no JSON"}, {}),
    "timeout": ({"answer": {}}, {"judge_timeout_seconds": 0.000_001}),
    "over_budget": ({"answer": {}}, {"judge_tokens_per_hour": 1}),
}


def outcomes(judged, failure, on_error=""):
    answer, settings = FAILURES[failure]
    policy = f'version: "1.0"\n{on_error}\nrules: []\n'
    with judged(judge=FakeJudge(**answer), policy=policy, **settings) as (shield, _, _):
        for surface, risk in CELLS:
            result = (
                shield.validate_action("some_tool", {"q": f"odd {risk}"}, tool_risk=risk)
                if surface is Surface.TOOL_CALL
                else shield.scan(surface, f"odd {surface}")
            )
            assert result.degraded, (surface, risk)
            expected = "error" if failure == "malformed" else failure
            # After some failures in a row the judge is left alone, which is a failure as well.
            assert result.judge_outcome in (expected, "error")
            yield (surface, risk), result.decision.rule == "fail-closed"


@pytest.mark.parametrize("failure", FAILURES)
def test_the_row_holds(judged, failure) -> None:
    row = next(mode for mode in FAIL_MODES if mode.covers("l3_judge"))
    for cell, closed in outcomes(judged, failure):
        assert closed is (stake(*cell) in row.closed), cell


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("turned", CELLS[-2:] + CELLS[:1])
def test_a_policy_turns_one_cell(judged, failure, turned) -> None:
    surface, risk = turned
    risks = f", tool_risk: {risk}" if risk else ""
    entry = f"on_error: [{{layer: l3_judge, surface: {surface}{risks}, then: closed}}]"
    closed = dict(outcomes(judged, failure, entry))
    assert [cell for cell, shut in closed.items() if shut] == [turned]


def test_no_doubt_is_no_failure(judged) -> None:
    entry = 'version: "1.0"\non_error: [{layer: l3_judge, then: closed}]\nrules: []\n'
    with judged(500, policy=entry) as (shield, judge, _):
        assert not shield.scan_document("all is well").blocked
        assert shield.scan_document("odd").blocked
        assert judge.requests
