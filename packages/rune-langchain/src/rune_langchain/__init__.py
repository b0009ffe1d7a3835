"""Rune for LangChain and LangGraph.

::

    from langchain.agents import create_agent
    from rune_langchain import ShieldMiddleware

    agent = create_agent(model, tools, middleware=[ShieldMiddleware()])

``ShieldMiddleware`` guards a whole agent. ``shield_tools``, ``shield_model`` and
``shield_retriever`` guard single objects wherever they are used, ``shield_chain`` all of them in a
chain, ``shield_node`` a node of a graph. ``ShieldRunnable`` is a guard as a step of a chain.
``ShieldCallbackHandler`` is for code that takes callbacks and nothing else, ``instrument`` puts it
on every run of the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rune_langchain.callback import ShieldCallbackHandler
    from rune_langchain.instrumentation import Instrumentation, instrument
    from rune_langchain.middleware import ShieldMiddleware
    from rune_langchain.node import shield_node
    from rune_langchain.objects import (
        shield_chain,
        shield_model,
        shield_retriever,
        shield_tools,
    )
    from rune_langchain.step import ShieldRunnable
    from rune_langchain.tool import ToolBlockedError

_HOME = {
    "Instrumentation": "rune_langchain.instrumentation",
    "ShieldCallbackHandler": "rune_langchain.callback",
    "ShieldMiddleware": "rune_langchain.middleware",
    "ShieldRunnable": "rune_langchain.step",
    "ToolBlockedError": "rune_langchain.tool",
    "instrument": "rune_langchain.instrumentation",
    "shield_chain": "rune_langchain.objects",
    "shield_model": "rune_langchain.objects",
    "shield_node": "rune_langchain.node",
    "shield_retriever": "rune_langchain.objects",
    "shield_tools": "rune_langchain.objects",
}

__all__ = [
    "Instrumentation",
    "ShieldCallbackHandler",
    "ShieldMiddleware",
    "ShieldRunnable",
    "ToolBlockedError",
    "instrument",
    "shield_chain",
    "shield_model",
    "shield_node",
    "shield_retriever",
    "shield_tools",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: the command line must not load LangChain."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
