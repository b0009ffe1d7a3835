"""Walk through content blocks and other values with texts in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    CitableBlock,
    CitationBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from rune_core.adapters.walk import Check, Walk, each, must_pass, same
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rune_llamaindex.calls import Calls


def over_text(text: str, surface: Surface, tool: str | None, *, remember: bool) -> Walk[str]:
    """Check a text.

    Raises:
        Stopped: It may not pass.
    """
    if not text.strip():
        return text
    used = yield from must_pass(Check(surface, text, tool, remember=remember))
    return str(used)


def over_blocks(
    blocks: Sequence[Any],
    surface: Surface,
    tool: str | None,
    *,
    remember: bool,
    calls: Calls | None = None,
) -> Walk[Sequence[Any]]:
    """Check the texts in blocks. Images, sound and files pass through: they cannot be scanned.

    Args:
        blocks: The blocks.
        surface: Where they were met.
        tool: The tool that answered, if one did.
        remember: See ``Check``.
        calls: Checks tool calls; without it they pass through.

    Returns:
        The blocks to use: the very object where nothing was cut.

    Raises:
        Stopped: Something in them may not pass.
    """
    done = yield from each(
        _over_block(block, surface, tool, remember=remember, calls=calls) for block in blocks
    )
    return blocks if same(blocks, done) else done


def _over_block(
    block: Any, surface: Surface, tool: str | None, *, remember: bool, calls: Calls | None
) -> Walk[Any]:
    if isinstance(block, TextBlock):
        text = yield from over_text(block.text, surface, tool, remember=remember)
        return block if text is block.text else block.model_copy(update={"text": text})
    if isinstance(block, ThinkingBlock):
        if not block.content or surface is not Surface.OUTPUT:
            return block
        text = yield from over_text(block.content, surface, tool, remember=remember)
        if text is block.content:
            return block
        # A provider signs its thoughts; the signature of what was cut is worth nothing.
        return block.model_copy(update={"content": text, "additional_information": {}})
    if isinstance(block, CitableBlock):
        inner = Surface.DOCUMENT if surface is Surface.INPUT else surface
        parts = yield from over_blocks(block.content, inner, tool, remember=remember)
        return block if parts is block.content else block.model_copy(update={"content": parts})
    if isinstance(block, CitationBlock):
        part = yield from _over_block(
            block.cited_content, surface, tool, remember=remember, calls=None
        )
        if part is block.cited_content:
            return block
        return block.model_copy(update={"cited_content": part})
    if isinstance(block, ToolCallBlock) and calls is not None:
        return (yield from calls.over_block(block))
    return block
