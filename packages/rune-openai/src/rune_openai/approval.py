"""A policy's ``ask``, put to the user by the Agents SDK."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rune_core.action import Action
from rune_openai.runs import ids_of_call

if TYPE_CHECKING:
    from agents import FunctionTool

    from rune_openai.guard import Guard


@dataclass(frozen=True, slots=True)
class Approvable:
    """A guarded tool that an agent offers to a model, and that may put an ``ask`` to the user.

    Attributes:
        name: The tool's own name. It may be offered under another one.
        decided_as: The name that decisions on its calls are kept under.
        tool: Where the question is put, if it is not there anyway.
        approval: What puts it.
    """

    name: str
    decided_as: str
    tool: Any = None
    approval: Any = None

    @classmethod
    def of(cls, tool: FunctionTool) -> Approvable | None:
        """How a tool is guarded; None if it is not. Tells it that a guarded model knows of it."""
        invoker: Any = tool.on_invoke_tool
        if hasattr(invoker, "rune_guard"):
            invoker.offered = True
            return cls(tool.name, tool.name)
        approval = getattr(tool, _APPROVAL, None) or tool.needs_approval
        if not isinstance(approval, Approval):
            return None
        # A setting that has to be asked stops calls whose arguments are no JSON, such as an empty
        # text: it is there only when there is something to ask.
        setattr(tool, _APPROVAL, approval)
        tool.needs_approval = approval.own
        return cls(approval.original.name, approval.decided_as, tool, approval)

    def ask(self) -> None:
        """A person has to approve of a call."""
        if self.tool is not None:
            self.tool.needs_approval = self.approval


_APPROVAL = "_rune_approval"


class Approval:
    """Whether a person has to approve of a call: because the tool says so, or a policy does.

    Args:
        original: The tool without a guard, or what says which tool it is.
        guard: Decides.
        own: The tool's own setting.
        name: Under which the decision on a call is kept; by default the tool's.
    """

    def __init__(self, original: Any, guard: Guard, own: Any, name: str | None = None) -> None:
        self.rune_guard = guard
        self.original = original
        self.decided_as: str = name or original.name
        self.own = own

    def __eq__(self, other: object) -> bool:
        """Two guarded copies of one tool are equal, as the SDK's own copies are."""
        return same_wrap(self, other)

    def __hash__(self) -> int:
        return hash((type(self), self.original.name))

    async def __call__(self, context: Any, args: dict[str, Any], call_id: str) -> bool:
        tool, guard, own = self.original, self.rune_guard, self.own
        if callable(own):
            asks = own(context, args, call_id)
            own = (await asks) if inspect.isawaitable(asks) else asks
        if own:
            return True
        if guard.shield.approval_handler is not None:
            return False
        known = guard.known_session(ids_of_call(call_id))
        decided = guard.was_decided(self.decided_as, args, known)
        if decided is None:
            # The model that asked for it is not guarded.
            session = known or guard.new_session()
            result = await guard.shield.avalidate_action(
                tool.name, args, session=session, agent_id=guard.agent_id
            )
            decided = result.action is Action.ASK
            if decided:
                guard.decided(self.decided_as, args, session, asks=True)
        return decided


def same_wrap(one: Any, other: Any) -> bool:
    """Whether two wrappers wrap the same function of a tool for the same guard."""
    return (
        type(one) is type(other)
        and one.rune_guard == other.rune_guard
        and _function(one.original) == _function(other.original)
    )


def _function(tool: Any) -> Any:
    # A tool of an MCP server has none here.
    return getattr(tool, "on_invoke_tool", tool)
