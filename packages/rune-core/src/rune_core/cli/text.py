"""Text that is safe and plain on a terminal."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

EXCERPT_CHARS = 80


def printable(text: str) -> str:
    r"""``text`` on one line: control, invisible and bidi characters escaped: ``\u202e``.

    File names and excerpts come from others; written as they stand they could move the cursor,
    hide themselves or reverse the line.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def excerpt(text: str, start: int, end: int) -> str:
    """At most :data:`EXCERPT_CHARS` characters of ``text[start:end]``, safe to print."""
    cut = text[start : min(end, start + EXCERPT_CHARS)]
    return printable(cut) + ("…" if end - start > EXCERPT_CHARS else "")


def console(file: IO[str] | None = None) -> Console:
    """A rich console that wraps, colours and highlights nothing by itself.

    Colour appears on a terminal only, and not when ``NO_COLOR`` is set.

    Args:
        file: Where to print; stdout by default.
    """
    from rich.console import Console

    return Console(file=file, highlight=False, markup=False, emoji=False, soft_wrap=True)


def columns(rows: Sequence[tuple[str, ...]], *, gap: str = "  ") -> list[str]:
    """``rows`` as lines with aligned columns; the last column is not padded."""
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(gap.join([*cells[:-1], row[-1]]).rstrip())
    return lines


def plural(count: int, noun: str, many: str = "") -> str:
    """``1 file``, ``2 files``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def joined(items: Iterable[object]) -> str:
    """Names separated by commas; a dash for none."""
    return ", ".join(map(str, items)) or "-"
