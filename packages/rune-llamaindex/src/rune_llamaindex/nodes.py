"""Walk through retrieved nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.schema import MetadataMode, NodeWithScore

from rune_core.adapters.walk import Check, Ruling, Walk, has_text
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence


def over_nodes(nodes: Sequence[NodeWithScore]) -> Walk[list[NodeWithScore]]:
    """Check nodes: their text, and the metadata that models read with it.

    Returns:
        The nodes to use. One that may not pass is left out; one with cuts is a copy, so that the
        document store keeps what it has.
    """
    kept: list[NodeWithScore] = []
    for found in nodes:
        used = yield from _over_node(found.node)
        if used is not None:
            kept.append(found if used is found.node else found.model_copy(update={"node": used}))
    return kept


def _over_node(node: Any) -> Walk[Any]:
    """The node to use; None when it may not pass."""
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    used = node
    if text.strip():
        ruling: Ruling = yield Check(Surface.DOCUMENT, text, remember=True)
        if ruling.stopped:
            return None
        if ruling.changed:
            used = node.model_copy()
            used.set_content(ruling.value)
    if has_text(node.metadata):
        ruling = yield Check(Surface.DOCUMENT, node.metadata, remember=True)
        if ruling.stopped:
            return None
        if ruling.changed:
            used = used.model_copy(update={"metadata": ruling.value})
    return used
