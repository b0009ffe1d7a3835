"""Check that a bundle is what it says it is, before anything in it is read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rune_core.bundle.model import Refusal, RefusalCode, revision_of

if TYPE_CHECKING:
    from rune_core.bundle.model import Bundle, Document


def verify(bundle: Bundle) -> tuple[Refusal, ...]:
    """What does not fit together; empty when everything does."""
    refused: list[Refusal] = []
    seen: set[str] = set()
    for document in bundle.policies:
        digest = hashlib.sha256(document.yaml.encode("utf-8", "surrogatepass")).hexdigest()
        if digest != document.sha256:
            refused.append(_refusal(document, "sha256", "the text is not the one announced"))
        if document.name in seen:
            refused.append(_refusal(document, "duplicate", "two policies have this name"))
        seen.add(document.name)
    if revision_of(bundle.policies) != bundle.revision:
        refused.append(
            Refusal("", 0, 0, "", "revision", "the bundle is not the one its revision names")
        )
    return tuple(refused)


def _refusal(document: Document, code: RefusalCode, why: str) -> Refusal:
    message = f"{document.path}: {why}"
    return Refusal(document.name, document.revision, 0, "", code, message)
