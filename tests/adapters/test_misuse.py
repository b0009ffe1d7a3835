"""What a user hands over by mistake is named, with the way out, by the call that was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.tools import tool as langchain_tool
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core.tools import FunctionTool
from openai import OpenAI

import rune_langchain as lc
import rune_llamaindex as li
import rune_openai as oa
from rune_core import ConfigError, Shield, ShieldConfig, UnguardableError
from rune_langchain.testing import FakeChat
from rune_llamaindex.testing import ScriptedLLM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def look(query: str) -> str:
    """Look something up."""
    return query


@pytest.fixture
def client() -> Iterator[OpenAI]:
    with OpenAI(api_key="k") as made:
        yield made


ENTRIES: list[Callable[..., Any]] = [
    oa.shield_client,
    lambda _, *args, **kw: oa.shield_agent(Agent(name="a"), *args, **kw),
    lambda _, *args, **kw: oa.shield_run_config(None, *args, **kw),
    lambda _, *args, **kw: oa.ShieldInputGuardrail(*args, **kw),
    lambda _, *args, **kw: lc.shield_model(FakeChat(answers=["x"]), *args, **kw),
    lambda _, *args, **kw: lc.shield_tools([look], *args, **kw),
    lambda _, *args, **kw: lc.ShieldMiddleware(*args, **kw),
    lambda _, *args, **kw: lc.ShieldCallbackHandler(*args, **kw),
    lambda _, *args, **kw: lc.ShieldRunnable("document", *args, **kw),
    lambda _, *args, **kw: lc.instrument(*args, **kw),
    lambda _, *args, **kw: li.shield_llm(ScriptedLLM(answers=["x"]), *args, **kw),
    lambda _, *args, **kw: li.shield_tools([look], *args, **kw),
    lambda _, *args, **kw: li.ShieldNodePostprocessor(*args, **kw),
    lambda _, *args, **kw: li.ShieldEventHandler(*args, **kw),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_no_shield_is_refused(entry: Callable[..., Any], client: OpenAI) -> None:
    for given in ("secret-canary", {}, {"on_block": "raise"}, ShieldConfig(), Shield):
        with pytest.raises(ConfigError, match="shield: takes a Shield") as told:
            entry(client, given)
        assert "canary" not in str(told.value)
    with pytest.raises(ConfigError, match="agent_id: takes a text, not int"):
        entry(client, None, agent_id=3)


def refused(guard: Callable[[], object]) -> str:
    with pytest.raises(UnguardableError) as told:
        guard()
    return str(told.value)


@pytest.mark.parametrize(
    ("shield_tools", "one"),
    [
        (lc.shield_tools, look),
        (lc.shield_tools, langchain_tool(look)),
        (li.shield_tools, look),
        (li.shield_tools, FunctionTool.from_defaults(look)),
    ],
)
def test_one_tool_is_no_list(shield_tools: Callable[..., Any], one: Any) -> None:
    said = refused(lambda: shield_tools(one))
    assert "takes a list" in said
    assert type(one).__name__ in said


def test_what_is_no_retriever_is_named() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=2))
    assert "InMemoryVectorStore is no LangChain retriever" in refused(
        lambda: lc.shield_retriever(store)  # type: ignore[type-var]
    )


def test_what_is_no_run_configuration_is_named() -> None:
    assert "str is no agents.RunConfig" in refused(
        lambda: oa.shield_run_config("gpt")  # type: ignore[arg-type]
    )


def test_another_agent_id_is_not_passed_over(client: OpenAI) -> None:
    guarded = oa.shield_client(client, agent_id="desk")
    assert oa.shield_client(guarded) is guarded
    assert oa.shield_client(guarded, agent_id="desk") is guarded
    assert "another agent_id" in refused(lambda: oa.shield_client(guarded, agent_id="till"))


def test_a_surface_that_is_none_is_told_without_what_was_given() -> None:
    with pytest.raises(ValueError, match="surface must be one of input, output,") as told:
        lc.ShieldRunnable("secret-canary")
    assert "canary" not in str(told.value)
