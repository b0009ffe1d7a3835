"""Add entries to the lists of a policy file, or of its cases, without touching the rest of it.

Comments and layout are the author's, so the file is not written anew: lines are put in. What comes
of it is loaded before it replaces the file.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rune_core.errors import PolicyError, PolicyLoadError
from rune_core.policy.exempting import dump
from rune_core.policy.source import Listing, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def appended(text: str, key: str, entries: Sequence[dict[str, Any]], path: str) -> str:
    """``text`` with entries at the end of the list under a top-level key, made if there is none.

    Raises:
        PolicyLoadError: It is no YAML mapping, or the list is written on one line.
    """
    errors: list[PolicyError] = []
    table = read_yaml(text, path, errors)
    if table is None or errors:
        raise PolicyLoadError(errors)
    lines = text.splitlines()
    node = table.items.get(key)
    if node is None:
        body = dump({key: list(entries)})
        return "\n".join([*_without_blank_end(lines), "", body])
    if not isinstance(node, Listing):
        raise PolicyLoadError([PolicyError(path, "must be a list", line=node.line, key=key)])
    start = table.key_lines[key]
    first = re.match(r"( *)-(?: |$)", lines[node.items[0].line - 1]) if node.items else None
    if first is None:
        raise PolicyLoadError(
            [
                PolicyError(
                    path,
                    "is written on one line, so nothing can be added to it",
                    line=start,
                    key=key,
                    hint="write one entry a line, each with a dash",
                )
            ]
        )
    following = [line for line in table.key_lines.values() if line > start]
    end = min(following) - 1 if following else len(lines)
    # Comments and blank lines before the next key belong to that key.
    while end > start and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    indent = first[1]
    body = dump(list(entries)).rstrip("\n")
    added = [f"{indent}{line}" if line else line for line in body.split("\n")]
    return "\n".join([*lines[:end], *added, *lines[end:]]) + "\n"


def replace_file(path: Path, text: str, check: Callable[[Path], object]) -> None:
    """Put ``text`` into a file, if ``check`` finds no fault in a draft of it.

    Args:
        path: The file.
        text: Its new content.
        check: Raises when the draft is not good.
    """
    draft = path.with_name(f".{path.stem}-{uuid4().hex[:8]}{path.suffix}")
    try:
        draft.write_text(text, encoding="utf-8")
        check(draft)
        if path.exists():
            os.chmod(draft, path.stat().st_mode & 0o777)  # noqa: PTH101 - one call less
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _without_blank_end(lines: list[str]) -> list[str]:
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept
