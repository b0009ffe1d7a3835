"""Rune for the OpenAI clients and the OpenAI Agents SDK.

::

    from openai import OpenAI
    from rune_openai import shield_client

    client = shield_client(OpenAI())

``shield_client`` and ``ShieldOpenAI`` guard a client: every method, streams included.
``shield_agent`` and ``shield_run_config`` guard agents of the Agents SDK.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rune_openai.agent import shield_agent, shield_run_config
    from rune_openai.client import (
        AsyncShieldAzureOpenAI,
        AsyncShieldOpenAI,
        ShieldAzureOpenAI,
        ShieldOpenAI,
        coverage,
        shield_client,
    )
    from rune_openai.errors import OpenAIBlockedError
    from rune_openai.guardrails import (
        ShieldInputGuardrail,
        ShieldOutputGuardrail,
        ShieldToolInputGuardrail,
        ShieldToolOutputGuardrail,
    )
    from rune_openai.model import AgentsBlockedError

_HOME = {
    "AgentsBlockedError": "rune_openai.model",
    "ShieldInputGuardrail": "rune_openai.guardrails",
    "ShieldOutputGuardrail": "rune_openai.guardrails",
    "ShieldToolInputGuardrail": "rune_openai.guardrails",
    "ShieldToolOutputGuardrail": "rune_openai.guardrails",
    "shield_agent": "rune_openai.agent",
    "shield_run_config": "rune_openai.agent",
    "AsyncShieldAzureOpenAI": "rune_openai.client",
    "AsyncShieldOpenAI": "rune_openai.client",
    "OpenAIBlockedError": "rune_openai.errors",
    "ShieldAzureOpenAI": "rune_openai.client",
    "ShieldOpenAI": "rune_openai.client",
    "coverage": "rune_openai.client",
    "shield_client": "rune_openai.client",
}

__all__ = [
    "AgentsBlockedError",
    "AsyncShieldAzureOpenAI",
    "AsyncShieldOpenAI",
    "OpenAIBlockedError",
    "ShieldAzureOpenAI",
    "ShieldInputGuardrail",
    "ShieldOpenAI",
    "ShieldOutputGuardrail",
    "ShieldToolInputGuardrail",
    "ShieldToolOutputGuardrail",
    "coverage",
    "shield_agent",
    "shield_client",
    "shield_run_config",
]


_OF_AGENTS = frozenset(("rune_openai.agent", "rune_openai.guardrails", "rune_openai.model"))
if find_spec("agents") is None:
    # What asks for every name, as help() and import * do, must not come upon those of an extra.
    __all__[:] = [name for name in __all__ if _HOME[name] not in _OF_AGENTS]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: importing Rune must not load the SDKs."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        value = getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name != "agents":
            raise
        raise ModuleNotFoundError(
            f"rune_openai.{name} needs the OpenAI Agents SDK: pip install 'rune-openai[agents]'",
            name="agents",
        ) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
