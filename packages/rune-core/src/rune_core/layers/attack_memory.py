"""Attack memory: texts a user wants recognised again, kept as vectors and found by nearness.

What is kept of a text is its vector and a keyed name, never the words.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NEAR = 0.85
"""Cosine from which a window counts as the remembered text in other words."""


@dataclass(frozen=True, slots=True)
class Match:
    """The nearest signature of a window.

    Attributes:
        id: The signature's name, as ``remember`` returned it.
        threat: What it was remembered as.
        nearness: Cosine of the two vectors, 0 to 1.
    """

    id: str
    threat: Threat
    nearness: float


class AttackMemory:
    """Signatures in a numpy matrix. Safe to share by threads.

    Args:
        path: A JSON-lines file to keep them in; None to keep them in the process.
        near: Cosine from which a window matches.

    Raises:
        ValueError: The file holds a line that is no signature; names file and line.
    """

    def __init__(self, path: Path | None = None, *, near: float = NEAR) -> None:
        self.near = near
        self._path = path
        self._lock = Lock()
        self._entries: dict[str, tuple[Threat, list[float]]] = {}
        self._matrix: Any = None
        if path is not None and path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                try:
                    entry = json.loads(line)
                    vector = [float(value) for value in entry["vector"]]
                    self._entries[str(entry["id"])] = (Threat(entry["threat"]), vector)
                except (ValueError, KeyError, TypeError):
                    raise ValueError(f"{path}, line {number}: not a signature; delete it") from None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def revision(self) -> str:
        """Changes whenever a window could match otherwise."""
        names = ",".join(sorted(self._entries))
        return hashlib.sha256(f"{self.near}:{names}".encode()).hexdigest()[:12]

    def remember(self, vector: Sequence[float], threat: Threat) -> str:
        """Keep a vector of unit length; return its name. The same vector has the same name."""
        rounded = [round(float(value), 5) for value in vector]
        name = hashlib.sha256(json.dumps(rounded).encode()).hexdigest()[:12]
        with self._lock:
            self._entries[name] = (threat, rounded)
            self._changed()
        return name

    def forget(self, name: str) -> bool:
        """Drop a signature; False when there is none of that name."""
        with self._lock:
            found = self._entries.pop(name, None) is not None
            if found:
                self._changed()
        return found

    def nearest(self, vector: Any) -> Match | None:
        """The signature nearest to a unit vector, if it is near enough.

        Args:
            vector: numpy array of the model's width.
        """
        import numpy as np

        with self._lock:
            if not self._entries:
                return None
            if self._matrix is None:
                names = list(self._entries)
                matrix = np.array([self._entries[name][1] for name in names], np.float32)
                self._matrix = (names, matrix)
            names, matrix = self._matrix
            threats = {name: entry[0] for name, entry in self._entries.items()}
        nearness = matrix @ np.asarray(vector, np.float32)
        best = int(nearness.argmax())
        if float(nearness[best]) < self.near:
            return None
        return Match(names[best], threats[names[best]], min(1.0, float(nearness[best])))

    def _changed(self) -> None:
        self._matrix = None
        if self._path is None:
            return
        lines = [
            json.dumps({"id": name, "threat": threat.value, "vector": vector})
            for name, (threat, vector) in self._entries.items()
        ]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(self._path.name + ".partial")
        partial.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        partial.replace(self._path)
