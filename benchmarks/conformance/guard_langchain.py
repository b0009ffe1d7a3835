"""A pytest plug-in: the models, tools and retrievers of ``langchain_cases`` are guarded ones."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever

from benchmarks.conformance import langchain_cases
from rune_core import Shield
from rune_langchain import shield_model, shield_retriever, shield_tools

_shield = Shield()


def _guarded(value: Any) -> Any:
    if isinstance(value, BaseChatModel):
        return shield_model(value, _shield)
    if isinstance(value, BaseRetriever):
        return shield_retriever(value, _shield)
    return shield_tools([value], _shield)[0]


langchain_cases.guarded = _guarded
