"""Attack memory in a Chroma collection, embedded or on a server: for large or shared memories."""

from __future__ import annotations

import hashlib
import json
import time
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rune_core.errors import ConfigError
from rune_core.layers.attack_memory import BUCKETS, Signature, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

COLLECTION = "rune_attack_memory"
_NEAREST = 4
_CHECK_SECONDS = 2.0
_PAGE = 1000


class ChromaStore:
    """Signatures in Chroma. Threads may share it.

    Args:
        location: ``chroma:FOLDER`` for the embedded database, or ``chroma+http://host:port`` or
            ``chroma+https://host:port`` for a server; a path names another collection.

    Raises:
        ConfigError: chromadb is not installed, the location is none, or the server does not answer.
    """

    def __init__(self, location: str) -> None:
        if find_spec("chromadb") is None:
            raise ConfigError("attack_memory: chromadb is not installed; install rune-core[chroma]")
        # Not typed, and not there unless asked for.
        chromadb: Any = import_module("chromadb")
        quiet = import_module("chromadb.config").Settings(anonymized_telemetry=False)
        name = COLLECTION
        try:
            if location.startswith("chroma+"):
                parts = urlsplit(location.removeprefix("chroma+"))
                if parts.scheme not in ("http", "https") or not parts.hostname:
                    raise ValueError("it names no host")  # noqa: TRY301 - one kind of error below
                name = parts.path.strip("/") or name
                self._client = chromadb.HttpClient(
                    host=parts.hostname,
                    port=parts.port or (443 if parts.scheme == "https" else 8000),
                    ssl=parts.scheme == "https",
                    settings=quiet,
                )
            else:
                folder = location.removeprefix("chroma:")
                self._client = chromadb.PersistentClient(path=folder, settings=quiet)
            self._collection = self._client.get_or_create_collection(
                name, embedding_function=None, metadata={"hnsw:space": "cosine"}
            )
        except Exception as error:  # noqa: BLE001 - Chroma raises errors of many families
            # None of them may pass as an empty memory.
            raise ConfigError(
                f"attack_memory: {location} cannot be opened ({type(error).__name__}); start the "
                "server, or correct the location"
            ) from None
        self._lock = Lock()
        self._known: tuple[float, str, int] = (0.0, "", 0)

    def __len__(self) -> int:
        return self._state()[2]

    @property
    def revision(self) -> str:
        return self._state()[1]

    def add(self, signature: Signature) -> None:
        self._collection.upsert(
            ids=[signature.id],
            embeddings=[list(signature.words)],
            metadatas=[{"signature": json.dumps(to_json(signature))}],
        )
        self._forget_state()

    def drop(self, name: str) -> bool:
        if not self._collection.get(ids=[name], include=[])["ids"]:
            return False
        self._collection.delete(ids=[name])
        self._forget_state()
        return True

    def signatures(self) -> Sequence[Signature]:
        found: list[Signature] = []
        while True:
            page = self._collection.get(limit=_PAGE, offset=len(found), include=["metadatas"])
            found.extend(_signature(metadata) for metadata in page["metadatas"] or ())
            if len(page["ids"]) < _PAGE:
                return found

    def close(self) -> None:
        """Close the connection. The store must not be used any more."""
        self._client.close()

    def near(self, words: Any, least: float) -> Sequence[tuple[int, Signature, float]]:
        if not len(words) or not len(self):
            return ()
        answer = self._collection.query(
            query_embeddings=[[float(value) for value in row] for row in words],
            n_results=min(_NEAREST, len(self)),
            include=["metadatas", "distances"],
        )
        found = [
            (row, _signature(metadata), 1.0 - float(distance))
            for row, (metadatas, distances) in enumerate(
                zip(answer["metadatas"] or (), answer["distances"] or (), strict=True)
            )
            for metadata, distance in zip(metadatas, distances, strict=True)
            if 1.0 - float(distance) >= least
        ]
        return sorted(found, key=lambda item: -item[2])

    def _state(self) -> tuple[float, str, int]:
        """When it was asked, the names' digest and their number; asked again now and then."""
        with self._lock:
            if time.monotonic() >= self._known[0]:
                names = self._collection.get(include=[])["ids"]
                digest = hashlib.sha256(",".join(sorted(names)).encode()).hexdigest()[:12]
                self._known = (time.monotonic() + _CHECK_SECONDS, digest, len(names))
            return self._known

    def _forget_state(self) -> None:
        with self._lock:
            self._known = (0.0, "", 0)


def _signature(metadata: Any) -> Signature:
    signature = from_json(json.loads(str(metadata["signature"])))
    if len(signature.words) != BUCKETS:
        raise ConfigError("attack_memory: the collection was written by another version of Rune")
    return signature
