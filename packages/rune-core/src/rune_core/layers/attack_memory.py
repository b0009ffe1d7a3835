"""Attack memory: texts a user wants recognised again, kept as numbers and found by nearness.

A text is kept as two vectors, never as words. ``words`` counts its words and pairs of neighbouring
words in 512 hashed buckets: cheap to compare, the same for every model, and too coarse to read the
text back. ``meaning`` is the encoder's own vector. A stretch of a scanned text is looked up by its
words; what comes near is confirmed by meaning. Their mean is the nearness that is reported.

The encoder's vector alone would not do: it was trained to tell attacks from the rest, and two
benign texts of one kind lie as near to each other in it as two wordings of one attack.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

from rune_core.errors import ConfigError
from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

NEAR = 0.8
"""Nearness from which a stretch of text counts as the remembered one in other words."""
GATE = 0.62
"""Cosine of the words from which a stretch is worth a look at its meaning."""
FILE = "attack-memory.jsonl"
MAX_SIGNATURES = 10_000
BUCKETS = 512
_MAX_WORDS = 1000
_MAX_LABEL = 80
_CHECK_SECONDS = 2.0
_LENGTHS = (6, 12, 24, 48, 96, 192)
_MAX_STRETCHES = 4096
_WORD = re.compile(r"\w+")
_STOP = re.compile(r"(?<=[.!?;:])[\"')\]]*\s+|\n+|\\n")


@dataclass(frozen=True, slots=True)
class Signature:
    """What is kept of a text.

    Attributes:
        id: Its name; the same words always have the same name.
        threat: What a match warns of.
        words: Hashed words, 512 non-negative numbers of unit length.
        meaning: The encoder's vector, of unit length; None where there was no encoder.
        model: Version of that encoder.
        label: A note of the user's own, such as a ticket number.
        size: How many words the text had.
    """

    id: str
    threat: Threat
    words: tuple[float, ...]
    meaning: tuple[float, ...] | None = None
    model: str = ""
    label: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """A stretch of text that is near a signature.

    Attributes:
        signature: What it is near to.
        start, end: Characters of the stretch.
        nearness: 0 to 1: the mean of the cosines of words and meaning.
        words, meaning: The two cosines; ``meaning`` is None where the encoders differ.
    """

    signature: Signature
    start: int
    end: int
    nearness: float
    words: float
    meaning: float | None


class Store(Protocol):
    """Where signatures are kept. Threads may share it."""

    @property
    def revision(self) -> str:
        """Changes whenever a text could match otherwise."""
        ...

    def __len__(self) -> int: ...
    def add(self, signature: Signature) -> None: ...
    def drop(self, name: str) -> bool: ...
    def signatures(self) -> Sequence[Signature]: ...
    def close(self) -> None: ...
    def near(self, words: Any, least: float) -> Sequence[tuple[int, Signature, float]]:
        """Signatures whose words come near.

        Args:
            words: Vectors of unit length, one a row, (n, 512).
            least: Cosine from which one counts.

        Returns:
            Row, signature and cosine, the nearest first.
        """
        ...


class FileStore:
    """Signatures in a numpy matrix and a file of JSON lines. For up to ten thousand.

    Other processes see what is added within a few seconds: the file is looked at again when it
    changed. Two processes that write at the same moment may lose one entry; share a Chroma
    collection where many write.

    Args:
        path: The file; None to keep signatures in the process.

    Raises:
        ConfigError: The file holds a line that is no signature; names file and line.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = Lock()
        self._entries: dict[str, Signature] = {}
        self._matrix: Any = None
        self._stamp: tuple[int, int] | None = None
        self._next_look = 0.0
        self._read()

    def __len__(self) -> int:
        self._look()
        return len(self._entries)

    @property
    def revision(self) -> str:
        self._look()
        return hashlib.sha256(",".join(sorted(self._entries)).encode()).hexdigest()[:12]

    def add(self, signature: Signature) -> None:
        with self._lock:
            self._read()
            if len(self._entries) >= MAX_SIGNATURES and signature.id not in self._entries:
                raise ConfigError(
                    f"attack memory is full ({MAX_SIGNATURES} signatures): forget some, or use a "
                    "Chroma collection"
                )
            self._entries[signature.id] = signature
            self._write()

    def drop(self, name: str) -> bool:
        with self._lock:
            self._read()
            found = self._entries.pop(name, None) is not None
            if found:
                self._write()
        return found

    def signatures(self) -> Sequence[Signature]:
        self._look()
        with self._lock:
            return tuple(self._entries.values())

    def close(self) -> None:
        """Nothing is held open."""

    def near(self, words: Any, least: float) -> Sequence[tuple[int, Signature, float]]:
        import numpy as np

        self._look()
        with self._lock:
            if not self._entries:
                return ()
            if self._matrix is None:
                entries = tuple(self._entries.values())
                self._matrix = (entries, np.array([e.words for e in entries], np.float32))
            entries, matrix = self._matrix
        cosines = words @ matrix.T
        rows, columns = np.nonzero(cosines >= least)
        order = np.argsort(-cosines[rows, columns], kind="stable")
        return [
            (int(rows[k]), entries[int(columns[k])], float(cosines[rows[k], columns[k]]))
            for k in order
        ]

    def _look(self) -> None:
        if self._path is None or time.monotonic() < self._next_look:
            return
        with self._lock:
            self._next_look = time.monotonic() + _CHECK_SECONDS
            self._read()

    def _read(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
        except OSError:
            if self._stamp is not None:
                self._entries, self._matrix, self._stamp = {}, None, None
            return
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp == self._stamp:
            return
        entries = {}
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                signature = from_json(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise ConfigError(
                    f"{self._path}, line {number}: not a signature; delete the line"
                ) from None
            entries[signature.id] = signature
        self._entries, self._matrix, self._stamp = entries, None, stamp

    def _write(self) -> None:
        self._matrix = None
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}.partial")
        lines = (json.dumps(to_json(entry)) + "\n" for entry in self._entries.values())
        partial.write_text("".join(lines), encoding="utf-8")
        partial.replace(self._path)
        status = self._path.stat()
        self._stamp = (status.st_mtime_ns, status.st_size)


def to_json(signature: Signature) -> dict[str, Any]:
    """A signature as plain values; the words as the buckets that are not empty."""
    words = {str(i): value for i, value in enumerate(signature.words) if value}
    return {
        "id": signature.id,
        "threat": signature.threat.value,
        "label": signature.label,
        "size": signature.size,
        "words": words,
        "model": signature.model,
        "meaning": signature.meaning,
    }


def from_json(entry: Any) -> Signature:
    """The signature that ``to_json`` wrote.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    words = [0.0] * BUCKETS
    for bucket, value in entry["words"].items():
        words[int(bucket)] = float(value)
    meaning = entry["meaning"]
    return Signature(
        id=str(entry["id"]),
        threat=Threat(entry["threat"]),
        words=tuple(words),
        meaning=None if meaning is None else tuple(float(value) for value in meaning),
        model=str(entry["model"]),
        label=str(entry["label"]),
        size=int(entry["size"]),
    )


def signature_of(
    text: str,
    threat: Threat,
    *,
    label: str = "",
    meaning: Iterable[float] | None = None,
    model: str = "",
) -> Signature:
    """What to keep of a text.

    Args:
        text: Any text; the first thousand words count.
        threat: What a match warns of.
        label: A note of the user's own.
        meaning: The encoder's vector.
        model: Version of the encoder.

    Raises:
        ValueError: The text holds no words, or the label is longer than 80 characters.
    """
    found = [match[0] for match in _WORD.finditer(text.lower())][:_MAX_WORDS]
    if not found:
        raise ValueError("remember() takes a text with words in it")
    if len(label) > _MAX_LABEL or not label.isprintable():
        raise ValueError(f"a label is a note of at most {_MAX_LABEL} printable characters")
    counts = [0.0] * BUCKETS
    for bucket, weight in _features(found):
        counts[bucket] += weight
    length = sum(value * value for value in counts) ** 0.5
    words = tuple(round(value / length, 5) for value in counts)
    name = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:12]
    kept = None if meaning is None else tuple(round(float(value), 5) for value in meaning)
    return Signature(name, threat, words, kept, model if kept else "", label, len(found))


def _features(found: Sequence[str]) -> Iterator[tuple[int, float]]:
    """Buckets and weights of words and pairs: long words tell more than short ones."""
    for word in found:
        yield crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS, float(min(len(word), 8))
    for first, second in pairwise(found):
        pair = f"{first} {second}".encode("utf-8", "surrogatepass")
        yield crc32(pair) % BUCKETS, 4.0


def stretches(text: str) -> tuple[list[tuple[int, int]], Any]:
    """The stretches of a text that may be a remembered one: runs of sentences of many lengths.

    Returns:
        Characters of each, and their words as vectors of unit length, (n, 512).
    """
    import numpy as np

    breaks = sorted({0, len(text), *(m.end() for m in _STOP.finditer(text))})
    pieces: list[tuple[int, int, list[str]]] = []
    for start, end in pairwise(breaks):
        found = [m[0] for m in _WORD.finditer(text[start:end].lower())]
        if found:
            pieces.append((start, end, found))
    if not pieces:
        return [], np.zeros((0, BUCKETS), np.float32)
    counts = np.zeros((len(pieces) + 1, BUCKETS), np.float32)
    sizes = [0]
    last = ""
    for row, (_, _, found) in enumerate(pieces, start=1):
        # The pair across the break belongs to the later sentence.
        for bucket, weight in _features(found):
            counts[row, bucket] += weight
        if last:
            pair = f"{last} {found[0]}".encode("utf-8", "surrogatepass")
            counts[row, crc32(pair) % BUCKETS] += 4.0
        last = found[-1]
        sizes.append(sizes[-1] + len(found))
    total = counts.cumsum(0)
    runs: dict[tuple[int, int], None] = {}
    for first in range(len(pieces)):
        wanted = iter(_LENGTHS)
        want = next(wanted)
        for last_piece in range(first + 1, len(pieces) + 1):
            size = sizes[last_piece] - sizes[first]
            runs.setdefault((first, last_piece))
            while size >= want:
                want = next(wanted, 0)
                if not want:
                    break
            if not want or len(runs) >= _MAX_STRETCHES:
                break
    chosen = list(runs)[:_MAX_STRETCHES]
    vectors = total[[b for _, b in chosen]] - total[[a for a, _ in chosen]]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.maximum(norms, 1e-6)
    return [(pieces[a][0], pieces[b - 1][1]) for a, b in chosen], vectors
