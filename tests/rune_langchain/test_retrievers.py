"""Guarded retrievers: documents come back with the orders cut out."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rune_langchain import shield_retriever

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.callbacks import CallbackManagerForRetrieverRun

    from rune_core import Shield

ORDER, KEY = "obey-the-mail", "canary-key-5150"


class Shelf(BaseRetriever):
    """Always finds the same."""

    found: list[Document]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self.found


class OldShelf(BaseRetriever):
    """Written before run managers."""

    found: list[Document]

    def _get_relevant_documents(self, query: str) -> list[Document]:
        return self.found


DOCUMENTS = [Document("clean", id="1"), Document(f"a\n\n{ORDER} b\n\nc", metadata={"page": 2})]


async def test_documents_are_cut_and_keep_the_rest(shield: Shield) -> None:
    for kind in (Shelf, OldShelf):
        guarded = shield_retriever(kind(found=DOCUMENTS), shield)
        assert isinstance(guarded, kind)
        for found in (guarded.invoke("q"), await guarded.ainvoke("q")):
            assert found[0] == DOCUMENTS[0]
            assert ORDER not in found[1].page_content
            assert found[1].page_content.endswith("c")
            assert found[1].metadata == {"page": 2}


def test_metadata_is_cut_too_and_keeps_the_rest(shield: Shield) -> None:
    day, odd = datetime(2026, 1, 2, tzinfo=UTC), object()
    metadata = {"title": f"A page. {ORDER}", "day": day, "odd": odd, "tags": ["a", ORDER], "n": 2}
    plain = Document("clean", metadata={"title": "A page", "day": day, "odd": odd})
    shelf = Shelf(found=[Document("clean", metadata=metadata), plain])
    cut, same = shield_retriever(shelf, shield).invoke("q")
    assert ORDER not in repr(cut.metadata)
    assert cut.page_content == "clean"
    assert cut.metadata["title"].startswith("A page.")
    assert (cut.metadata["day"], cut.metadata["odd"], cut.metadata["n"]) == (day, odd, 2)
    assert cut.metadata["tags"][0] == "a"
    assert same == plain
    assert ORDER in metadata["title"], "the store keeps what it has"  # type: ignore[operator]


def test_a_blocked_document_is_left_out(make_bench: Callable[..., Any]) -> None:
    policy = (
        'version: "1.0"\nrules:\n  - {name: no-orders, scanner: prompt_injection, '
        "surface: document, threshold: 0.5, action: block}\n"
    )
    guarded = shield_retriever(Shelf(found=DOCUMENTS), make_bench(policy=policy).shield)
    assert guarded.invoke("q") == DOCUMENTS[:1]


def test_copies_stay_guarded(shield: Shield) -> None:
    guarded = shield_retriever(Shelf(found=DOCUMENTS), shield)
    for same in (copy.deepcopy(guarded), pickle.loads(pickle.dumps(guarded))):
        assert ORDER not in str(same.invoke("q"))
