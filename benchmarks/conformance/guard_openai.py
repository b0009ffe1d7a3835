"""A pytest plug-in: every client that a suite makes is a guarded one.

The names that a suite imports are those of Rune's drop-in classes, as if its author had written
``from rune_openai import ShieldOpenAI as OpenAI``.
"""

from __future__ import annotations

import sys

import openai
import openai._client
import openai.lib.azure  # noqa: F401 - filled below

import rune_openai.client as guarded

# ``openai._client`` the attribute is the client of the module, not the module.
_HOMES = [sys.modules[name] for name in ("openai", "openai._client", "openai.lib.azure")]

for name, made in {
    "OpenAI": guarded.ShieldOpenAI,
    "AsyncOpenAI": guarded.AsyncShieldOpenAI,
    "Client": guarded.ShieldOpenAI,
    "AsyncClient": guarded.AsyncShieldOpenAI,
    "AzureOpenAI": guarded.ShieldAzureOpenAI,
    "AsyncAzureOpenAI": guarded.AsyncShieldAzureOpenAI,
}.items():
    for home in _HOMES:
        if hasattr(home, name):
            setattr(home, name, made)
