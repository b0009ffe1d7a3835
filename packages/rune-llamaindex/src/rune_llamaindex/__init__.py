"""Rune for LlamaIndex.

::

    from llama_index.core.agent.workflow import FunctionAgent
    from rune_llamaindex import shield_llm, shield_tools

    agent = FunctionAgent(tools=shield_tools(tools), llm=shield_llm(llm))

``shield_llm``, ``shield_tools`` and ``shield_retriever`` return guarded copies that work wherever
the originals do: query engines, chat engines, agents and workflows. ``ShieldNodePostprocessor``
guards the documents of an engine whose retriever cannot be reached. ``ShieldEventHandler`` observes
and can do no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rune_llamaindex.event_handler import ShieldEventHandler
    from rune_llamaindex.objects import shield_llm, shield_retriever, shield_tools
    from rune_llamaindex.postprocessor import ShieldNodePostprocessor

_HOME = {
    "ShieldEventHandler": "rune_llamaindex.event_handler",
    "ShieldNodePostprocessor": "rune_llamaindex.postprocessor",
    "shield_llm": "rune_llamaindex.objects",
    "shield_retriever": "rune_llamaindex.objects",
    "shield_tools": "rune_llamaindex.objects",
}

__all__ = [
    "ShieldEventHandler",
    "ShieldNodePostprocessor",
    "shield_llm",
    "shield_retriever",
    "shield_tools",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: LlamaIndex takes seconds to load."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
