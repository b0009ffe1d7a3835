"""Types that a user's own code is checked with."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI

from rune_openai import options


def test_a_users_code_passes_mypy() -> None:
    api = pytest.importorskip("mypy.api", reason="install the development group")
    used = Path(__file__).with_name("typed_use.py")
    told, faults, status = api.run(["--strict", "--no-error-summary", str(used)])
    assert status == 0, told + faults


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (OpenAI, options.OpenAIOptions),
        (AsyncOpenAI, options.AsyncOpenAIOptions),
        (AzureOpenAI, options.AzureOpenAIOptions),
        (AsyncAzureOpenAI, options.AsyncAzureOpenAIOptions),
    ],
)
def test_every_option_of_the_client_is_known(kind: Any, known: Any) -> None:
    taken = set(inspect.signature(kind.__init__).parameters) - {"self"}
    assert taken <= set(known.__annotations__)
