"""Tool definitions: what a model reads about a tool, checked before it reads it."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, cast

from llama_index.core.tools.types import ToolMetadata

from rune_core.adapters.walk import Check, Ruling, Walk
from rune_core.tool_pins import definition_hash
from rune_llamaindex.guarded import require_guard
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.result import ScanResult

_CACHE = "_rune_definition"


@dataclasses.dataclass(frozen=True, slots=True)
class Definition:
    """A tool's definition as it may be shown.

    Attributes:
        metadata: What to show: the original's own object where nothing was cut.
        hash: Stands for the definition as the tool has it, so that drift shows.
        refused: What was said about a definition that may not be shown; None if it may.
    """

    metadata: ToolMetadata
    hash: str
    refused: ScanResult | None


class _CutMetadata(ToolMetadata):
    """Metadata with cuts in it."""

    def get_parameters_dict(self) -> dict[str, Any]:
        """The schema with cuts."""
        return copy.deepcopy(self.__dict__["rune_parameters"])


def definition_of(tool: Any) -> Definition:
    """The definition of a guarded tool. Checked when first asked for, and when it has changed."""
    original = plain_metadata(tool)
    guard = require_guard(tool)
    key = (
        guard.shield.policy_revision,
        id(original),
        original.name,
        original.description,
        id(original.fn_schema),
    )
    cached = tool.__dict__.get(_CACHE)
    if cached is not None and cached[0] == key:
        return cast("Definition", cached[1])
    known = guard.run(_over_definition(original), guard.sessions.of_none())
    object.__setattr__(tool, _CACHE, (key, known))
    return known


def plain_metadata(tool: Any) -> ToolMetadata:
    """The metadata as the tool itself has it."""
    base = type(tool)._rune_base
    found = getattr(base, "metadata", None)
    if isinstance(found, property) and found.fget is not None:
        return found.fget(tool)  # type: ignore[no-any-return]
    return tool.__dict__["metadata"]  # type: ignore[no-any-return]


def shown_metadata(tool: Any) -> ToolMetadata:
    """The metadata that a model may be shown."""
    return definition_of(tool).metadata


def _over_definition(metadata: ToolMetadata) -> Walk[Definition]:
    try:
        parameters = metadata.get_parameters_dict()
    except Exception:  # noqa: BLE001 - a schema that no model can be offered; its text still counts
        parameters = {}
    shown = {"description": metadata.description or "", "parameters": parameters}
    digest = definition_hash(shown)
    ruling: Ruling = yield Check(
        Surface.TOOL_DEFINITION, shown, metadata.name, definition_hash=digest, remember=True
    )
    if ruling.stopped:
        cut = _cut(metadata, ruling.value, {"type": "object", "properties": {}})
        return Definition(cut, digest, ruling.result)
    if not ruling.changed:
        return Definition(metadata, digest, None)
    return Definition(
        _cut(metadata, ruling.value["description"], ruling.value["parameters"]), digest, None
    )


def _cut(metadata: ToolMetadata, description: str, parameters: dict[str, Any]) -> ToolMetadata:
    cut = _CutMetadata(
        description=description,
        name=metadata.name,
        fn_schema=metadata.fn_schema,
        return_direct=metadata.return_direct,
    )
    cut.__dict__["rune_parameters"] = parameters
    return cut
