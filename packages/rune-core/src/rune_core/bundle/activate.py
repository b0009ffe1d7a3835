"""Load a bundle with core's own loader and put it in force, whole or not at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rune_core.bundle.model import Bundle, Document, Refusal
from rune_core.errors import PolicyLoadError
from rune_core.failure import describe

if TYPE_CHECKING:
    from rune_core.policy.model import PolicyFile
    from rune_core.policy.store import PolicyStore

_log = logging.getLogger("rune_core.bundle")
MAX_REFUSALS = 32


def activate(bundle: Bundle, store: PolicyStore) -> tuple[Refusal, ...]:
    """Put the bundle in force with the next decision.

    Args:
        bundle: A verified bundle.
        store: The policies in force.

    Returns:
        Why it was refused; what was in force stays in force then. Empty when it is in force.
    """
    files: list[PolicyFile] = []
    refused: list[Refusal] = []
    for document in bundle.policies:
        try:
            files.append(_load(document))
        except PolicyLoadError as error:
            refused += [
                Refusal(
                    document.name, document.revision, fault.line, fault.key, "policy", str(fault)
                )
                for fault in error.errors
            ]
        except Exception as error:  # noqa: BLE001 - whatever it is, what works must stay
            refused.append(_internal(document, error))
    if not refused:
        try:
            store.put_bundle(files)
        except Exception as error:  # noqa: BLE001 - as above
            refused.append(_internal(None, error))
    return tuple(refused[:MAX_REFUSALS])


def _load(document: Document) -> PolicyFile:
    from rune_core.policy.load import load_text

    return load_text(document.yaml, path=document.path, name=document.name)


def _internal(document: Document | None, error: Exception) -> Refusal:
    name, revision = (document.name, document.revision) if document else ("", 0)
    where = document.path if document else "server"
    return Refusal(name, revision, 0, "", "internal", f"{where}: cannot be read: {describe(error)}")
