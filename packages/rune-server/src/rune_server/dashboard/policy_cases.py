"""Cases of a policy, run on the server for the editor: what is typed is decided and forgotten.

Cases hold texts of the author's own making. They are run by core's rules in memory, never stored,
never logged; what the page gets back is names, decisions and explanations.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rune_core.errors import PolicyLoadError
from rune_core.policy.cases import Case, cases_of, run_case, shield_for_cases
from rune_server.errors import UnprocessableError

MAX_TEXT = 50_000
MAX_CASES = 50
_SECONDS = 20
_one_at_a_time = asyncio.Semaphore(1)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case went.

    Attributes:
        name: Its name.
        line: Where it starts.
        action: What was decided.
        rule: The rule that decided; empty for none.
        explanation: Why, for a person.
        fault: How that differs from what the case expects; empty when it does not.
    """

    name: str
    line: int
    action: str
    rule: str
    explanation: str
    fault: str


async def run(policy: str, cases: str) -> list[CaseResult]:
    """Run cases against a policy, on top of the built-in one.

    Raises:
        UnprocessableError: One of the texts cannot be loaded, or there is too much to run.
    """
    if len(cases) > MAX_TEXT:
        raise UnprocessableError(f"cases: at most {MAX_TEXT:,} characters")
    try:
        parsed = cases_of(cases, "cases")
    except PolicyLoadError as error:
        raise UnprocessableError(
            "the cases cannot be read",
            errors=[
                {"where": each.key, "line": each.line, "reason": each.message}
                for each in error.errors
            ],
        ) from None
    if len(parsed) > MAX_CASES or sum(event.times for case in parsed for event in case.given) > 500:
        raise UnprocessableError(f"cases: at most {MAX_CASES}, with 500 events before them in all")
    async with _one_at_a_time:
        try:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.to_thread(_run, policy, parsed)
        except TimeoutError:
            raise UnprocessableError("the cases took too long: run fewer at a time") from None


def _run(policy: str, cases: tuple[Case, ...]) -> list[CaseResult]:
    shield = shield_for_cases(None, policy)
    found = []
    for case in cases:
        result = run_case(case, shield)
        decision = result.decision
        found.append(
            CaseResult(
                case.name,
                case.line,
                decision.action.value,
                decision.rule or "",
                decision.explanation,
                case.fault(result),
            )
        )
    return found
