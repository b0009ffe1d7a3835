"""The leak matrix: under redact no raw canary reaches a consumer, under block nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.tool import tool_call
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import create_retriever_tool, tool
from tests.rune_langchain.leaks import KEY, graph_ways, leaked, ways

from rune_core import ShieldBlockedError
from rune_langchain import ShieldMiddleware, shield_model, shield_retriever, shield_tools
from rune_langchain.testing import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable

WIPE = "wipe-the-disk"
NO_SECRETS = """
version: "1.0"
rules:
  - name: no-secrets
    scanner: secret_exposure
    surface: [input, output, tool_call, tool_result, document, handoff]
    action: redact
"""
pytestmark = [
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:langchain_core"),
]
PLACES = ["text", "blocks", "thoughts", "args", "result", "document"]


class Shelf(BaseRetriever):
    """Finds one document."""

    text: str

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(self.text, metadata={"page": 3})]


class Scene:
    """An agent with a canary in one place, with and without a guard."""

    def __init__(self, place: str, piece: int | None = 4) -> None:
        self.ran: list[str] = []
        said = f"as far as I know it is {KEY}, keep it to yourself"
        self.result = said if place == "result" else "all is well"
        self.document = said if place == "document" else "a page"
        final: Any = said if place == "text" else "I have read it, and that is all."
        if place == "blocks":
            final = AIMessage(
                [
                    {"type": "reasoning", "reasoning": f"so {said}"},
                    {"type": "text", "text": f"well, {said}"},
                ]
            )
        if place == "thoughts":
            final = AIMessage("fine", additional_kwargs={"reasoning_content": said})
        path = f"files/{KEY}/a.txt" if place == "args" else "files/a.txt"
        calls = AIMessage(
            "I will look.",
            tool_calls=[
                tool_call(name="read", args={"path": path}, id=f"read-{place}"),
                tool_call(name="find", args={"query": "pages"}, id=f"find-{place}"),
            ],
        )
        self.answers = [calls, final]
        self.piece = piece

    def tools(self, shield: Any = None) -> list[Any]:
        @tool
        def read(path: str) -> str:
            """Read a file."""
            self.ran.append(path)
            return self.result

        shelf: BaseRetriever = Shelf(text=self.document)
        if shield is not None:
            # A retriever reports what it found, also from inside a guarded tool.
            shelf = shield_retriever(shelf, shield)
        return [read, create_retriever_tool(shelf, "find", "Find pages.")]

    def model(self) -> FakeChat:
        return FakeChat(answers=list(self.answers), piece=self.piece)

    def agent(self, by: str, shield: Any) -> Any:
        if by == "nothing":
            return create_agent(self.model(), self.tools())
        if by == "middleware":
            return create_agent(
                self.model(),
                self.tools(shield),
                middleware=[ShieldMiddleware(shield, agent_id="a")],
            )
        return create_agent(
            shield_model(self.model(), shield), shield_tools(self.tools(shield), shield)
        )


def start() -> dict[str, Any]:
    return {"messages": [HumanMessage("go")]}


async def _run(way: Any, it: Any, said: Any, name: str) -> list[Any]:
    try:
        return await way(it, said)
    except (NotImplementedError, AttributeError, TypeError) as error:
        if "v3" in name or "v3" in str(error):
            pytest.skip("this langchain has no v3 streams")
        raise


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", graph_ways())
async def test_no_canary_leaves_an_agent(
    make_bench: Callable[..., Any], way: str, place: str
) -> None:
    run = graph_ways()[way]
    plain = Scene(place)
    if way not in ("stream-custom", "astream-custom"):
        seen = await _run(run, plain.agent("nothing", None), start(), way)
        assert leaked(seen), "this test could not fail"
    for by in ("middleware", "objects"):
        bench, scene = make_bench(policy=NO_SECRETS), Scene(place)
        seen = await _run(run, scene.agent(by, bench.shield), start(), way)
        assert not leaked(seen), by
        assert scene.ran
        assert not any(KEY in path for path in scene.ran)


@pytest.mark.parametrize("place", ["text", "blocks", "thoughts", "args"])
@pytest.mark.parametrize("way", ways())
async def test_no_canary_leaves_a_model(
    make_bench: Callable[..., Any], way: str, place: str
) -> None:
    scene = Scene(place)
    answer = scene.answers[0 if place == "args" else 1]
    for piece in (1, 7, None):
        plain = FakeChat(answers=[answer], piece=piece)
        assert leaked(await _run(ways()[way], plain, "hi", way)), "this test could not fail"
        shield = make_bench(policy=NO_SECRETS).shield
        guarded = shield_model(plain, shield).bind_tools(shield_tools(scene.tools(), shield))
        assert not leaked(await _run(ways()[way], guarded, "hi", way))


@pytest.mark.parametrize("way", ways())
async def test_no_canary_leaves_a_retriever_or_a_tool(
    make_bench: Callable[..., Any], way: str
) -> None:
    if "v3" in way:
        pytest.skip("only models and graphs have v3 streams")
    shield = make_bench(policy=NO_SECRETS).shield
    for place, it, said in (
        ("document", Shelf(text=Scene("document").document), "q"),
        ("result", Scene("result").tools()[0], {"path": "a"}),
    ):
        guarded: Any = (
            shield_retriever(it, shield) if place == "document" else shield_tools([it], shield)[0]
        )
        assert leaked(await ways()[way](it, said)), "this test could not fail"
        assert not leaked(await ways()[way](guarded, said))


@pytest.mark.parametrize("way", ways())
async def test_no_canary_leaves_a_chain(make_bench: Callable[..., Any], way: str) -> None:
    if "v3" in way:
        pytest.skip("only models and graphs have v3 streams")
    shield = make_bench(policy=NO_SECRETS).shield
    prompt = ChatPromptTemplate.from_template("Answer from {pages}.")
    said = Scene("text").answers[1]
    for guarded in (False, True):
        shelf: Any = Shelf(text=Scene("document").document)
        model: Any = FakeChat(answers=[said], piece=5)
        if guarded:
            shelf, model = shield_retriever(shelf, shield), shield_model(model, shield)
        chain = {"pages": shelf} | prompt | model
        assert leaked(await ways()[way](chain, "q")) is not guarded


@pytest.mark.parametrize("on_block", ["raise", "replace"])
@pytest.mark.parametrize("by", ["middleware", "objects", "model alone"])
@pytest.mark.parametrize("way", graph_ways())
async def test_a_blocked_call_has_no_effect(
    make_bench: Callable[..., Any], way: str, by: str, on_block: str
) -> None:
    scene, shield = Scene("text"), make_bench(on_block=on_block).shield
    calls = AIMessage("", tool_calls=[tool_call(name="read", args={"path": WIPE}, id="r1")])
    scene.answers = [calls, "I could not."]
    if by == "model alone":
        # Nothing would refuse the call any more, so the answer that asks for it is stopped.
        agent: Any = create_agent(shield_model(scene.model(), shield), scene.tools())
        if on_block == "raise":
            with pytest.raises(ShieldBlockedError):
                await _run(graph_ways()[way], agent, start(), way)
        else:
            await _run(graph_ways()[way], agent, start(), way)
    else:
        seen = await _run(graph_ways()[way], scene.agent(by, shield), start(), way)
        if "custom" not in way:
            assert leaked(seen, "command-injection-in-call")
        assert not leaked(seen, WIPE)
    assert scene.ran == []
