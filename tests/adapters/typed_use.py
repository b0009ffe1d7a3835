"""What a user writes, for type checkers: guarded objects are of the types that they were.

Never run. ``test_types.py`` gives it to mypy, ``.ci/soak types`` to pyright as well; each line
that says ``ignore`` must be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from agents import Agent, RunConfig
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms.mock import MockLLM
from llama_index.core.tools import BaseTool as LlamaTool
from openai import AsyncOpenAI, AzureOpenAI, OpenAI, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from rune_langchain import shield_model, shield_retriever, shield_tools
from rune_llamaindex import shield_llm
from rune_llamaindex import shield_tools as shield_llama_tools
from rune_openai import (
    AsyncShieldAzureOpenAI,
    AsyncShieldOpenAI,
    ShieldAzureOpenAI,
    ShieldOpenAI,
    shield_agent,
    shield_client,
    shield_run_config,
)

if TYPE_CHECKING:
    from rune_core import Shield


async def token() -> str:
    """A key that is fetched."""
    return "k"


def look(query: str) -> str:
    """A tool."""
    return query


def clients(shield: Shield) -> None:
    """Guarded clients, and the options of drop-in ones."""
    assert_type(shield_client(OpenAI(), shield), OpenAI)
    assert_type(shield_client(AsyncOpenAI()), AsyncOpenAI)
    assert_type(shield_client(AzureOpenAI(azure_endpoint="https://x"), shield), AzureOpenAI)
    shield_client("x")  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    client = ShieldOpenAI(
        api_key="k",
        base_url="http://localhost/v1",
        timeout=3.0,
        max_retries=1,
        default_headers={"a": "b"},
        shield=shield,
        agent_id="desk",
    )
    whole = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert_type(whole, ChatCompletion)
    pieces = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert_type(pieces, Stream[ChatCompletionChunk])
    AsyncShieldOpenAI(api_key=token)
    ShieldAzureOpenAI(azure_endpoint="https://x", api_version="v", azure_deployment="d")
    AsyncShieldAzureOpenAI(azure_endpoint="https://x", azure_ad_token_provider=token)
    ShieldOpenAI(api_key=3)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ShieldOpenAI(no_such_option=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    ShieldAzureOpenAI(timeout="3")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def frameworks(shield: Shield, tools: list[BaseTool]) -> None:
    """Guarded models, tools and agents."""
    assert_type(shield_model(FakeListChatModel(responses=["x"]), shield), FakeListChatModel)
    assert_type(shield_tools(tools, shield), list[BaseTool])
    retriever = InMemoryVectorStore(DeterministicFakeEmbedding(size=2)).as_retriever()
    assert_type(shield_retriever(retriever, shield), VectorStoreRetriever)
    assert_type(shield_llm(MockLLM(), shield), MockLLM)
    assert_type(shield_llama_tools([look]), list[LlamaTool])
    FunctionAgent(tools=shield_llama_tools([look], shield), llm=shield_llm(MockLLM()))
    assert_type(shield_agent(Agent[str](name="a"), shield), Agent[str])
    assert_type(shield_run_config(RunConfig(), shield), RunConfig)
    shield_agent("a")  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    shield_model("m")  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
