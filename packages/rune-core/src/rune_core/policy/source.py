"""Read YAML into values that remember their lines.

Only the YAML that a policy needs is accepted: no anchors and aliases (which can blow up a small
file into a large one), no tags, one document, unique keys, bounded size and depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from rune_core.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
MAX_NODES = 50_000


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text, number, boolean, date or None."""

    value: Any
    line: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A YAML sequence."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """A YAML mapping with text keys, and the line of each key."""

    items: dict[str, Node]
    key_lines: dict[str, int]
    line: int


Node: TypeAlias = Scalar | Listing | Table


class _Fault(Exception):  # noqa: N818 - carries a fault out of the walk, never reaches a user
    def __init__(self, line: int, message: str, hint: str = "") -> None:
        self.line = line
        self.message = message
        self.hint = hint


def read_yaml(text: str, path: str, errors: list[PolicyError]) -> Table | None:
    """Parse one policy file.

    Args:
        text: The file's content.
        path: The file, for errors.
        errors: Faults are added here.

    Returns:
        The top-level mapping; None when there is none. Where a key stands twice, which is a fault,
        it holds the first.
    """
    if len(text) > MAX_BYTES:
        errors.append(
            PolicyError(path, f"is larger than {MAX_BYTES:,} characters", hint="split it")
        )
        return None
    duplicates: list[_Fault] = []
    try:
        root = _build(yaml.parse(text, Loader=yaml.SafeLoader), duplicates)
    except _Fault as fault:
        errors.append(PolicyError(path, fault.message, line=fault.line, hint=fault.hint))
        return None
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        line = 0 if mark is None else mark.line + 1
        problem = " ".join(filter(None, (error.context, error.problem)))
        errors.append(PolicyError(path, f"is not valid YAML: {problem}", line=line))
        return None
    except yaml.YAMLError as error:
        errors.append(PolicyError(path, f"is not valid YAML: {type(error).__name__}"))
        return None
    errors.extend(PolicyError(path, f.message, line=f.line, hint=f.hint) for f in duplicates)
    if root is None:
        errors.append(PolicyError(path, "is empty", hint='start with: version: "1.0"'))
        return None
    if not isinstance(root, Table):
        errors.append(
            PolicyError(
                path,
                "must be a mapping at the top",
                line=root.line,
                hint='start with: version: "1.0"',
            )
        )
        return None
    return root


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been met."""

    line: int
    mapping: bool
    items: list[Node]
    keys: list[tuple[str, int]]
    pending_key: tuple[str, int] | None = None


def _build(events: Iterator[yaml.Event], duplicates: list[_Fault]) -> Node | None:
    """Build the tree with a stack of our own: no input can exhaust the interpreter's."""
    stack: list[_Open] = []
    root: Node | None = None
    documents = 0
    nodes = 0
    for event in events:
        mark: Any = event.start_mark
        line = mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Fault(line, "holds more than one document", "one policy per file")
            continue
        if isinstance(event, yaml.AliasEvent):
            raise _Fault(line, "aliases (*name) are not accepted", "write the value out")
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
            if nodes > MAX_NODES:
                raise _Fault(line, f"holds more than {MAX_NODES:,} values", "split it")
            if event.anchor is not None:
                raise _Fault(line, "anchors (&name) are not accepted", "write the value out")
            tag = getattr(event, "tag", None)
            if tag not in (None, "!"):
                raise _Fault(line, "tags (!name) are not accepted", "write plain YAML")
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(stack) == MAX_DEPTH:
                raise _Fault(line, f"is nested deeper than {MAX_DEPTH} levels")
            _refuse_complex_key(stack, line)
            stack.append(_Open(line, isinstance(event, yaml.MappingStartEvent), [], []))
            continue
        if isinstance(event, yaml.ScalarEvent):
            if stack and stack[-1].mapping and stack[-1].pending_key is None:
                stack[-1].pending_key = (_key(event, line), line)
                continue
            node: Node = Scalar(_scalar(event, line), line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node = _close(stack.pop(), duplicates)
        else:
            continue
        if stack:
            _attach(stack[-1], node)
        else:
            root = node
    if isinstance(root, Scalar) and root.value is None:
        return None
    return root


def _refuse_complex_key(stack: list[_Open], line: int) -> None:
    if stack and stack[-1].mapping and stack[-1].pending_key is None:
        raise _Fault(line, "a key must be plain text")


def _attach(parent: _Open, node: Node) -> None:
    if parent.mapping:
        assert parent.pending_key is not None
        parent.keys.append(parent.pending_key)
        parent.pending_key = None
    parent.items.append(node)


def _close(done: _Open, duplicates: list[_Fault]) -> Node:
    if not done.mapping:
        return Listing(tuple(done.items), done.line)
    items: dict[str, Node] = {}
    lines: dict[str, int] = {}
    for (key, line), node in zip(done.keys, done.items, strict=True):
        if key in items:
            duplicates.append(
                _Fault(line, f"key {key!r} stands twice", f"first on line {lines[key]}")
            )
            continue
        items[key] = node
        lines[key] = line
    return Table(items, lines, done.line)


def _key(event: yaml.ScalarEvent, line: int) -> str:
    if event.value == "<<" and event.implicit[0]:
        raise _Fault(line, "merge keys (<<) are not accepted", "write the value out")
    return str(event.value)


_RESOLVER = yaml.resolver.Resolver()


def _scalar(event: yaml.ScalarEvent, line: int) -> Any:
    resolved: Any = _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
    tag = str(resolved)
    if tag == "tag:yaml.org,2002:str":
        return event.value
    node = yaml.ScalarNode(tag, event.value)
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, yaml.YAMLError):
        raise _Fault(line, f"is not a valid {tag.rsplit(':', 1)[-1]}") from None
