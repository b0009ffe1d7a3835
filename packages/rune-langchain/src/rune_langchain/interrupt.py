"""Questions to a person by way of LangGraph's ``interrupt``.

The question has the form that LangChain's ``HumanInTheLoopMiddleware`` uses, so that a user
interface that answers the one answers the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph.types import interrupt

if TYPE_CHECKING:
    from rune_core.guarded import GuardedCall

_YES = ("approve", "approved", "accept", "yes")


def ask_person(tool: str, asked: GuardedCall) -> bool:
    """Whether a person approves of a call. Pauses the graph until it is resumed with the answer.

    Args:
        tool: The tool's name.
        asked: What the shield said.

    Raises:
        GraphInterrupt: The graph pauses here.
    """
    answer = interrupt(
        {
            "action_requests": [
                {
                    "name": tool,
                    "args": dict(asked.args_to_use),
                    "description": asked.result.explanation,
                }
            ],
            "review_configs": [{"action_name": tool, "allowed_decisions": ["approve", "reject"]}],
        }
    )
    return approves(answer)


def approves(answer: Any) -> bool:
    """Whether what a graph was resumed with is an approval. Anything unknown is none."""
    if isinstance(answer, dict) and isinstance(answer.get("decisions"), list):
        decisions = answer["decisions"]
        return len(decisions) == 1 and approves(decisions[0])
    if isinstance(answer, dict):
        return approves(answer.get("type"))
    if isinstance(answer, str):
        return answer.lower() in _YES
    return answer is True
