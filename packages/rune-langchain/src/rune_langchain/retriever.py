"""Guarded retrievers: documents are checked before anyone reads them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

from rune_core.adapters.walk import Check, Walk, has_text
from rune_langchain.guarded import guarded_copy, is_running, require_guard, running
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    from rune_langchain.guard import Guard


def guard_retriever(retriever: BaseRetriever, guard: Guard) -> BaseRetriever:
    """A guarded copy of a retriever."""
    return guarded_copy(retriever, guard, retriever_overrides)


def retriever_overrides(base: type) -> dict[str, Any]:
    """What a guarded retriever replaces."""
    kind = cast("type[BaseRetriever]", base)
    return {
        "_get_relevant_documents": _get(kind),
        "_aget_relevant_documents": _aget(kind),
    }


def _get(base: type[BaseRetriever]) -> Any:
    original = base._get_relevant_documents

    @functools.wraps(original)
    def _get_relevant_documents(self: BaseRetriever, *args: Any, **kwargs: Any) -> Any:
        if is_running("body", self):
            return original(self, *args, **kwargs)
        guard = require_guard(self)
        with running("body", self):
            found = original(self, *args, **kwargs)
        return guard.run(over_documents(found), guard.session())

    return _get_relevant_documents


def _aget(base: type[BaseRetriever]) -> Any:
    original = base._aget_relevant_documents

    @functools.wraps(original)
    async def _aget_relevant_documents(self: BaseRetriever, *args: Any, **kwargs: Any) -> Any:
        if is_running("body", self):
            return await original(self, *args, **kwargs)
        guard = require_guard(self)
        with running("body", self):
            found = await original(self, *args, **kwargs)
        return await guard.arun(over_documents(found), guard.session())

    return _aget_relevant_documents


def over_documents(documents: list[Document]) -> Walk[list[Document]]:
    """Check documents: their text, and the metadata that prompts may show with it.

    One that may not pass is left out; one with cuts is a copy.
    """
    kept: list[Document] = []
    for document in documents:
        changed: dict[str, Any] = {}
        for name, check in document_checks(document):
            ruling = yield check
            if ruling.stopped:
                break
            if ruling.changed:
                changed[name] = ruling.value
        else:
            kept.append(document.model_copy(update=changed) if changed else document)
    return kept


def document_checks(document: Document) -> Iterator[tuple[str, Check]]:
    """What is to be checked of a document, by the field that it stands in."""
    yield "page_content", Check(Surface.DOCUMENT, document.page_content, remember=True)
    if has_text(document.metadata):
        yield "metadata", Check(Surface.DOCUMENT, document.metadata, remember=True)
