"""``shield.coverage()`` says what each adapter in use guards and what it cannot."""

from __future__ import annotations

import pytest

from rune_core import Shield


def langchain(shield: Shield) -> None:
    from rune_langchain import shield_model
    from rune_langchain.testing import FakeChat

    shield_model(FakeChat(answers=["x"]), shield)


def llamaindex(shield: Shield) -> None:
    from rune_llamaindex import shield_llm
    from rune_llamaindex.testing import ScriptedLLM

    shield_llm(ScriptedLLM(answers=["x"]), shield)


def openai(shield: Shield) -> None:
    from openai import OpenAI

    from rune_openai import shield_client

    with OpenAI(api_key="x") as client:
        shield_client(client, shield)


def agents(shield: Shield) -> None:
    from agents import Agent

    from rune_openai import shield_agent

    shield_agent(Agent(name="a"), shield)


@pytest.mark.parametrize(
    ("use", "framework", "guarded", "not_guarded"),
    [
        (langchain, "langchain", "guarded tools", "tools that a provider runs"),
        (llamaindex, "llamaindex", "guarded LLMs", "LLMs, tools, retrievers not handed over"),
        (openai, "openai", "responses", "realtime and websocket connections"),
        (agents, "openai-agents", "MCP servers", "hosted tools (search, code, MCP)"),
    ],
)
def test_an_adapter_in_use_says_what_it_covers(
    use: object, framework: str, guarded: str, not_guarded: str
) -> None:
    with Shield() as shield:
        assert shield.coverage().adapters == ()
        assert callable(use)
        use(shield)
        (covered,) = shield.coverage().adapters
        assert covered.framework == framework
        assert covered.adapter.startswith("rune-")
        assert guarded in dict(covered.guarded)
        assert not_guarded in dict(covered.unguarded)
        assert f"  {not_guarded}" in str(shield.coverage())
        assert "NOT guarded" in str(shield.coverage())


def test_a_shield_without_adapters_names_none() -> None:
    with Shield() as shield, Shield() as other:
        langchain(other)
        assert "rune-langchain" not in str(shield.coverage())
