"""Walk through the content of a message: a text, or a list of typed blocks with texts in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rune_core.adapters.walk import Check, Walk, each, must_pass
from rune_langchain.calls import CALL_BLOCKS, CALL_DELTA

if TYPE_CHECKING:
    from rune_scanner.finding import Surface

# Ids, signatures and binary data are no language.
OPAQUE_KEYS = frozenset(
    (
        "type",
        "id",
        "index",
        "base64",
        "data",
        "mime_type",
        "media_type",
        "image_url",
        "signature",
        "encrypted_content",
        "encrypted_index",
        "tool_use_id",
        "tool_call_id",
        "cache_control",
    )
)


def over_content(content: Any, surface: Surface, tool: str | None, *, remember: bool) -> Walk[Any]:
    """Check every text of a message's content.

    Args:
        content: As in ``message.content``.
        surface: Where it was met.
        tool: The tool that answered, if one did.
        remember: See ``Check``.

    Returns:
        The content to use: the very object where nothing was cut, otherwise a copy.

    Raises:
        Stopped: Some text of it may not pass.
    """
    if isinstance(content, str):
        if not content.strip():
            return content
        return (yield from must_pass(Check(surface, content, tool, remember=remember)))
    if isinstance(content, list):
        items = yield from each(
            over_content(item, surface, tool, remember=remember) for item in content
        )
        return content if _same(content, items) else items
    if isinstance(content, dict):
        if content.get("type") in CALL_BLOCKS or content.get("type") == CALL_DELTA:
            return content  # calls are ruled on as calls
        parts = {}
        for key, item in content.items():
            if key in OPAQUE_KEYS:
                parts[key] = item
            else:
                parts[key] = yield from over_content(item, surface, tool, remember=remember)
        return content if _same(list(content.values()), list(parts.values())) else parts
    return content


def _same(before: list[Any], after: list[Any]) -> bool:
    return all(old is new for old, new in zip(before, after, strict=True))
