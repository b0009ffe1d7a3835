"""What ``rune scan`` reads: texts, files, folders, stdin, and rows of JSON Lines."""

from __future__ import annotations

import codecs
import json
import os
import stat
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from rune_core.cli.exits import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import BufferedIOBase

STDIN = "<stdin>"
TEXT = "<text>"
VERSION_CONTROL = frozenset((".git", ".hg", ".svn"))
"""Folders that are not looked into unless one of them is named itself."""

_HEAD = 8192
_CHUNK = 1 << 20
_MOST_ODD = 0.1
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\x0b\x08\x1b") | {127}


@dataclass(frozen=True, slots=True)
class Source:
    """Something to scan.

    Attributes:
        name: As it is shown: the path, ``<stdin>`` or ``<text>``.
        path: The file; None for stdin and texts.
        text: The text itself, when it was given as an argument.
        size: Bytes to read, for the progress bar; 0 when not known.
        named: Whether the user named it, rather than a folder around it.
        row: For a row of JSON Lines, its line; 0 otherwise.
        key: For a row of JSON Lines, the field.
    """

    name: str
    path: Path | None = None
    text: str | None = field(default=None, repr=False)
    size: int = 0
    named: bool = True
    row: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class NotScanned:
    """Something that was not scanned, and why.

    Attributes:
        name: What it is called.
        reason: Why, without content.
        row: For a row of JSON Lines, its line; 0 otherwise.
        binary: Whether it was left out because it is no text.
        fails: Whether it makes the command fail. A binary file met in a folder does not.
    """

    name: str
    reason: str
    row: int = 0
    binary: bool = False
    fails: bool = True


Item: TypeAlias = Source | NotScanned


def collect(
    targets: Sequence[str],
    files: Sequence[Path],
    text: str | None,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    leave_out: Path | None = None,
) -> list[Item]:
    """Everything that the arguments name, folders walked.

    Args:
        targets: Positional arguments: one text, or paths, or ``-``.
        files: Paths given with ``--file``.
        text: The text given with ``--text``.
        include: Globs of which a file met in a folder must match one, when there are any.
        exclude: Globs of which it may match none; folders that match are not entered.
        leave_out: The report that is being written.

    Raises:
        CliError: A path does not exist, or the arguments contradict one another.
    """
    paths: list[Path] = []
    items: list[Item] = []
    if text is not None:
        items.append(Source(TEXT, text=text))
    for target in targets:
        if target == "-":
            items.append(Source(STDIN))
        elif _exists(target):
            paths.append(Path(target))
        elif len(targets) > 1:
            raise CliError(
                f"no such file or folder: {target} (a text to scan stands alone: --text TEXT)"
            )
        elif _is_address(target):
            raise CliError(
                f"{target} is an address, and Rune fetches nothing: pipe the page into "
                "`rune scan -` (to scan the address itself: --text)"
            )
        elif _looks_like_path(target):
            raise CliError(f"no such file or folder: {target} (to scan it as a text: --text)")
        else:
            items.append(Source(TEXT, text=target))
    for path in files:
        if str(path) == "-":
            items.append(Source(STDIN))
            continue
        if not _exists(str(path)):
            raise CliError(f"no such file or folder: {path}")
        paths.append(path)
    if sum(item.name == STDIN for item in items) > 1:
        raise CliError("- stands for stdin and is named twice; it can be read once")
    for path in paths:
        if path.is_dir():
            items += _walk(path, include, exclude, leave_out)
        else:
            items.append(_file(path, named=True))
    return items


def _exists(target: str) -> bool:
    if not target:  # such as an unset variable: must not stand for the current folder
        return False
    try:
        Path(target).stat()
    except PermissionError as error:
        # Whatever lies behind a folder that cannot be entered was meant as a path.
        raise CliError(f"{target}: cannot be read: {error.strerror}") from None
    except (OSError, ValueError):  # longer than a path may be, or with a NUL in it
        return False
    return True


def _is_address(target: str) -> bool:
    """Whether a word is nothing but a web address: whoever names one means the page behind it."""
    scheme = target.partition("://")[0].lower()
    return scheme in ("http", "https") and not any(char.isspace() for char in target)


def _looks_like_path(target: str) -> bool:
    """Whether a word that names no file was most likely meant to: scanning it would look clean."""
    if not target or any(char.isspace() for char in target) or "://" in target:
        return False
    return "/" in target or os.sep in target or bool(Path(target).suffix)


def _walk(
    root: Path, include: Sequence[str], exclude: Sequence[str], leave_out: Path | None
) -> Iterator[Item]:
    errors: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=errors.append):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if name not in VERSION_CONTROL and not _matches(here / name, root, exclude)
        )
        for name in sorted(names):
            path = here / name
            if leave_out is not None and path.resolve() == leave_out:
                continue
            if (include and not _matches(path, root, include)) or _matches(path, root, exclude):
                continue
            yield _file(path, named=False)
        for error in errors:
            yield NotScanned(str(error.filename), f"cannot be listed: {error.strerror}")
        errors.clear()


def _matches(path: Path, root: Path, globs: Sequence[str]) -> bool:
    relative = path.relative_to(root).as_posix()
    return any(
        fnmatchcase(relative, glob) or fnmatchcase(path.name, glob) or fnmatchcase(relative, inner)
        for glob in globs
        for inner in (glob.removeprefix("**/"),)
    )


def _file(path: Path, *, named: bool) -> Item:
    try:
        status = path.stat()
    except OSError as error:
        return NotScanned(str(path), f"cannot be read: {error.strerror}")
    if not named and not stat.S_ISREG(status.st_mode):
        # Reading a pipe or a device met by chance could wait for ever.
        return NotScanned(str(path), "is not a regular file", fails=False)
    return Source(str(path), path=path, size=status.st_size, named=named)


def read(source: Source, *, binary_as_text: bool = False) -> Iterator[str] | NotScanned:
    """The text of ``source`` in pieces, or why it cannot be had.

    Bytes that are not UTF-8 become lone surrogates (PEP 383), so that writing the text back with
    ``surrogateescape`` gives the same bytes.
    """
    if source.text is not None:
        return iter((source.text,))
    if source.path is None:
        stdin = cast("BufferedIOBase", sys.stdin.buffer)
        return _decoded(stdin, source, binary_as_text=binary_as_text)
    try:
        stream = source.path.open("rb")
    except OSError as error:
        return NotScanned(source.name, f"cannot be read: {error.strerror}")
    return _decoded(stream, source, binary_as_text=binary_as_text)


def _decoded(
    stream: BufferedIOBase, source: Source, *, binary_as_text: bool
) -> Iterator[str] | NotScanned:
    try:
        head = stream.read(_HEAD)
    except OSError as error:
        _close(stream, source)
        return NotScanned(source.name, f"cannot be read: {error.strerror}")
    encoding = next((name for bom, name in _BOMS if head.startswith(bom)), "utf-8")
    if encoding == "utf-8" and not binary_as_text and is_binary(head):
        _close(stream, source)
        return NotScanned(
            source.name,
            "is not text (--binary-as-text scans it all the same)",
            binary=True,
            fails=source.named,
        )
    return _pieces(stream, source, head, encoding)


def _pieces(stream: BufferedIOBase, source: Source, head: bytes, encoding: str) -> Iterator[str]:
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        piece = head
        while piece:
            yield decoder.decode(piece)
            # read() would go on waiting for a full piece after Ctrl-C.
            piece = stream.read1(_CHUNK)
        yield decoder.decode(b"", final=True)
    finally:
        _close(stream, source)


def _close(stream: BufferedIOBase, source: Source) -> None:
    if source.path is not None:
        stream.close()


def is_binary(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is something else than text."""
    if b"\0" in head:
        return True
    odd = sum(byte in _CONTROL for byte in head)
    odd += sum("\udc80" <= char <= "\udcff" for char in head.decode("utf-8", "surrogateescape"))
    # Texts in an old one-byte encoding have a few odd bytes; machine code has many.
    return odd > max(4, len(head) * _MOST_ODD)


def rows(source: Source, pieces: Iterable[str], key: str) -> Iterator[Item]:
    """One source for each row of JSON Lines: the text under ``key`` (``a.b`` for nested fields).

    A row that cannot be used comes out as what it is: not scanned.
    """
    for number, line in enumerate(_lines(pieces), start=1):
        if not line.strip():
            continue
        try:
            value: Any = json.loads(line)
        except (ValueError, RecursionError):
            yield NotScanned(source.name, "the row is not valid JSON", row=number)
            continue
        found, value = _field(value, key)
        if not found or value is None:
            why = f"the row has no field {key!r}" if not found else f"field {key!r} is null"
            yield NotScanned(source.name, why, row=number)
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield Source(
            source.name, path=source.path, text=text, named=source.named, row=number, key=key
        )


def _field(value: Any, key: str) -> tuple[bool, Any]:
    if isinstance(value, dict) and key in value:
        return True, value[key]
    for part in key.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return False, None
    return True, value


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    begun: list[str] = []
    for piece in pieces:
        *whole, rest = piece.split("\n")
        for line in whole:
            yield "".join((*begun, line))
            begun.clear()
        begun.append(rest)
    yield "".join(begun)
