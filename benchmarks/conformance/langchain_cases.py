"""LangChain's own suites on ``ChatOpenAI``, a tool and a retriever. A plug-in has them guarded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumpd, load
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import (
    ChatModelIntegrationTests,
    RetrieversIntegrationTests,
    ToolsIntegrationTests,
)
from langchain_tests.unit_tests import ChatModelUnitTests, ToolsUnitTests

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "http://127.0.0.1:4011/v1"
guarded: Callable[[Any], Any] = lambda value: value  # noqa: E731 - replaced by the plug-in


class Parrot(BaseTool):
    """Says what it is told."""

    name: str = "parrot"
    description: str = "Repeat a text."

    def _run(self, text: str) -> str:
        return text


class Shelf(BaseRetriever):
    """Finds as many documents as it is asked for."""

    k: int = 2

    def _get_relevant_documents(self, query: str, *, k: int | None = None, **_: Any) -> Any:
        return [Document(f"Page {n} on {query}.") for n in range(self.k if k is None else k)]


class _Chat:
    @property
    def chat_model_class(self) -> Any:
        return type(guarded(ChatOpenAI(model="m", base_url=URL, api_key="none")))

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "m", "base_url": URL, "api_key": "none", "stream_usage": True}

    @property
    def supports_json_mode(self) -> bool:
        return True


class TestChatUnit(_Chat, ChatModelUnitTests):
    """A chat model, without a server."""

    @pytest.mark.xfail(reason="the suite wants a reason for a test that is its own but for a part")
    def test_serdes(self, model: Any) -> None:
        """As LangChain's own, but for the snapshot, which a provider keeps beside its tests."""
        if not self.chat_model_class.is_lc_serializable():
            pytest.skip("Model is not serializable.")
        with mock.patch.dict(os.environ, {"OPENAI_API_KEY": "none"}):
            ser = dumpd(model)
            assert model.model_dump() == load(ser, allowed_objects=[type(model)]).model_dump()


class TestChat(_Chat, ChatModelIntegrationTests):
    """A chat model, with a server."""


class _Tool:
    @property
    def tool_constructor(self) -> Any:
        return type(guarded(Parrot()))

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"text": "hello"}


class TestToolUnit(_Tool, ToolsUnitTests):
    """A tool's class."""


class TestTool(_Tool, ToolsIntegrationTests):
    """A tool's calls."""


class TestRetriever(RetrieversIntegrationTests):
    """A retriever."""

    @property
    def retriever_constructor(self) -> Any:
        return type(guarded(Shelf()))

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"k": 3}

    @property
    def retriever_query_example(self) -> str:
        return "cats"


@pytest.mark.parametrize(
    "made", [ChatOpenAI(model="m", base_url=URL, api_key="none"), Parrot(), Shelf()]
)  # type: ignore[arg-type]
def test_the_plug_in_guards(made: Any, request: pytest.FixtureRequest) -> None:
    """Whether the run is what it says it is."""
    plugged = request.config.pluginmanager.has_plugin("benchmarks.conformance.guard_langchain")
    assert (type(guarded(made)) is not type(made)) is plugged
