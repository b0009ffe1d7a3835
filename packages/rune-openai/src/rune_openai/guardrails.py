"""Guardrail objects, for those who want only those.

A guardrail looks and can stop; it cannot cut. So what would have to be cut is stopped as a whole.
Tripwires stop a run after streamed text is out, and output guardrails see the final answer only.
``shield_agent`` has none of these limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents import GuardrailFunctionOutput, InputGuardrail, OutputGuardrail
from agents.tool_guardrails import (
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolOutputGuardrail,
)

from rune_core.adapters.walk import Check, Ruling, Walk
from rune_openai.agent import guard_for_agent
from rune_openai.answer import parse_arguments
from rune_openai.request import over_input
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core import Shield
    from rune_openai.guard import Guard

_NAME = "rune"


class ShieldInputGuardrail(InputGuardrail[Any]):
    """Trips before the first agent's model reads an input that may not pass.

    Args:
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
    """

    def __init__(self, shield: Shield | None = None, *, agent_id: str | None = None) -> None:
        guard = guard_for_agent(shield, agent_id)

        async def look(_context: Any, _agent: Any, items: Any) -> GuardrailFunctionOutput:
            return _tripped(await _seen(over_input(items, guard.passed), guard))

        # Beside the agent it would trip when the model has read the input already.
        super().__init__(guardrail_function=look, name=_NAME, run_in_parallel=False)


class ShieldOutputGuardrail(OutputGuardrail[Any]):
    """Trips on a final answer that may not pass as it is. See ``ShieldInputGuardrail``."""

    def __init__(self, shield: Shield | None = None, *, agent_id: str | None = None) -> None:
        guard = guard_for_agent(shield, agent_id)

        async def look(_context: Any, _agent: Any, output: Any) -> GuardrailFunctionOutput:
            return _tripped(await _seen(_one(Check(Surface.OUTPUT, output)), guard))

        super().__init__(guardrail_function=look, name=_NAME)


class ShieldToolInputGuardrail(ToolInputGuardrail[Any]):
    """Keeps a tool from being called; the model is told why. See ``ShieldInputGuardrail``."""

    def __init__(self, shield: Shield | None = None, *, agent_id: str | None = None) -> None:
        guard = guard_for_agent(shield, agent_id)

        async def look(data: Any) -> ToolGuardrailFunctionOutput:
            args, _ = parse_arguments(data.context.tool_arguments)
            check = Check(Surface.TOOL_CALL, args, data.context.tool_name)
            return _rejected(await _seen(_one(check), guard, data.context), guard)

        super().__init__(guardrail_function=look, name=_NAME)


class ShieldToolOutputGuardrail(ToolOutputGuardrail[Any]):
    """Replaces a tool's result that may not pass as it is. See ``ShieldInputGuardrail``.

    A result that is a text is replaced by the text with parts cut out.
    """

    def __init__(self, shield: Shield | None = None, *, agent_id: str | None = None) -> None:
        guard = guard_for_agent(shield, agent_id)

        async def look(data: Any) -> ToolGuardrailFunctionOutput:
            check = Check(Surface.TOOL_RESULT, data.output, data.context.tool_name)
            ruling = await _seen(_one(check), guard, data.context)
            return _rejected(ruling, guard)

        super().__init__(guardrail_function=look, name=_NAME)


async def _seen(walk: Walk[Any], guard: Guard, context: Any = None) -> Ruling | None:
    """The first ruling of a walk that lets something not pass as it is."""
    seen: list[Ruling] = []

    def look() -> Walk[None]:
        step = next(walk, None)
        while step is not None:
            ruling = yield step
            if ruling.changed:
                seen.append(ruling)
                return
            try:
                step = walk.send(ruling)
            except StopIteration:
                return

    session = guard.session_of_call(context) or guard.new_session()
    await guard.arun(look(), session)
    return seen[0] if seen else None


def _one(check: Check) -> Walk[None]:
    yield check


def _info(ruling: Ruling) -> dict[str, Any]:
    assert ruling.result is not None
    decision = ruling.result.decision
    return {"decision": decision.id, "rule": decision.rule, "why": decision.explanation}


def _tripped(ruling: Ruling | None) -> GuardrailFunctionOutput:
    if ruling is None:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)
    return GuardrailFunctionOutput(output_info=_info(ruling), tripwire_triggered=True)


def _rejected(ruling: Ruling | None, guard: Guard) -> ToolGuardrailFunctionOutput:
    if ruling is None:
        return ToolGuardrailFunctionOutput.allow()
    if ruling.stopped and guard.raises:
        return ToolGuardrailFunctionOutput.raise_exception(_info(ruling))
    if not ruling.stopped and isinstance(ruling.value, str):
        return ToolGuardrailFunctionOutput.reject_content(ruling.value, _info(ruling))
    message = f"This was stopped by policy: {_info(ruling)['why']}"
    return ToolGuardrailFunctionOutput.reject_content(message, _info(ruling))
