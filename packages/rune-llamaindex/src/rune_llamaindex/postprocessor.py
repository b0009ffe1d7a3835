"""ShieldNodePostprocessor: guards the documents of an engine whose retriever cannot be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor

# LlamaIndex reads the annotations of the methods when it is used in a workflow.
from llama_index.core.schema import NodeWithScore, QueryBundle  # noqa: TC002

from rune_llamaindex.guard import guard_for
from rune_llamaindex.nodes import over_nodes

if TYPE_CHECKING:
    from rune_core import Shield


class ShieldNodePostprocessor(BaseNodePostprocessor):
    """Cuts injections out of retrieved nodes, sync and async; drops nodes that may not pass.

    Works wherever ``node_postprocessors`` are taken: query engines, context chat engines, retriever
    tools. Put it **last**, so that it sees what the others made. A direct ``retriever.retrieve()``
    does not pass through postprocessors: use ``shield_retriever`` for that.

    Args:
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
    """

    _guard: Any = PrivateAttr()

    def __init__(
        self, shield: Shield | None = None, *, agent_id: str | None = None, **data: Any
    ) -> None:
        super().__init__(**data)
        self._guard = guard_for(shield, agent_id)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex knows it."""
        return "ShieldNodePostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        del query_bundle
        return self._guard.run(  # type: ignore[no-any-return]
            over_nodes(nodes), self._guard.sessions.of_run()
        )

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        del query_bundle
        return await self._guard.arun(  # type: ignore[no-any-return]
            over_nodes(nodes), self._guard.sessions.of_run()
        )
