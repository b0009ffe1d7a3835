"""Guarded retrievers: documents are checked before anyone reads them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

from rune_llamaindex.guarded import guarded_copy, is_running, reported, require_guard, running
from rune_llamaindex.nodes import over_nodes

if TYPE_CHECKING:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle


def guard_retriever(retriever: BaseRetriever, guard: Any) -> BaseRetriever:
    """A guarded copy of a retriever."""
    return guarded_copy(retriever, guard, retriever_overrides)


def retriever_overrides(base: type) -> dict[str, Any]:
    """What a guarded retriever replaces.

    Both what it finds itself and what it follows from there, before LlamaIndex reports it.
    """
    kind = cast("Any", base)
    return {
        "_retrieve": reported(base, kind._retrieve, _retrieve),
        "_aretrieve": reported(base, kind._aretrieve, _aretrieve),
        "_handle_recursive_retrieval": _follow(kind),
        "_ahandle_recursive_retrieval": _afollow(kind),
    }


def _retrieve(original: Any) -> Any:
    @functools.wraps(original)
    def _retrieve(self: Any, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if is_running(self):
            return cast("list[NodeWithScore]", original(self, query_bundle))
        guard = require_guard(self)
        with running(self):
            found = original(self, query_bundle)
        return guard.run(over_nodes(found), guard.sessions.of_run())

    return _retrieve


def _aretrieve(original: Any) -> Any:
    @functools.wraps(original)
    async def _aretrieve(self: Any, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if is_running(self):
            return cast("list[NodeWithScore]", await original(self, query_bundle))
        guard = require_guard(self)
        with running(self):
            found = await original(self, query_bundle)
        return await guard.arun(over_nodes(found), guard.sessions.of_run())

    return _aretrieve


def _follow(base: Any) -> Any:
    original = base._handle_recursive_retrieval

    @functools.wraps(original)
    def _handle_recursive_retrieval(
        self: Any, query_bundle: QueryBundle, nodes: list[NodeWithScore]
    ) -> list[NodeWithScore]:
        found = original(self, query_bundle, nodes)
        if _none_new(nodes, found):
            return cast("list[NodeWithScore]", found)
        guard = require_guard(self)
        return guard.run(over_nodes(found), guard.sessions.of_run())

    return _handle_recursive_retrieval


def _afollow(base: Any) -> Any:
    original = base._ahandle_recursive_retrieval

    @functools.wraps(original)
    async def _ahandle_recursive_retrieval(
        self: Any, query_bundle: QueryBundle, nodes: list[NodeWithScore]
    ) -> list[NodeWithScore]:
        found = await original(self, query_bundle, nodes)
        if _none_new(nodes, found):
            return cast("list[NodeWithScore]", found)
        guard = require_guard(self)
        return await guard.arun(over_nodes(found), guard.sessions.of_run())

    return _ahandle_recursive_retrieval


def _none_new(before: list[NodeWithScore], after: list[NodeWithScore]) -> bool:
    known = set(map(id, before))
    return all(id(node) in known for node in after)
