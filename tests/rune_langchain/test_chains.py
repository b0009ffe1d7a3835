"""Whole chains, and a guard as a step of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RouterRunnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import tool

from rune_core import Shield, ShieldBlockedError
from rune_core.errors import UnguardableError
from rune_langchain import ShieldRunnable, shield_chain
from rune_langchain.testing import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER, KEY, WIPE = "obey-the-mail", "canary-key-5150", "wipe-the-disk"


class Shelf(BaseRetriever):
    """Finds one document."""

    text: str = f"a page\n\n{ORDER} now\n\nthe end"

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(self.text)]


def model() -> FakeChat:
    return FakeChat(answers=[f"it is {KEY} indeed"])


CHAINS: dict[str, Callable[[], Any]] = {
    "sequence": lambda: RunnablePassthrough() | model() | StrOutputParser(),
    "parallel": lambda: RunnableParallel(one=model(), two=model() | StrOutputParser()),
    "assign": lambda: (
        RunnableLambda(lambda said: {"q": said})
        | RunnablePassthrough.assign(a=RunnableLambda(lambda given: given["q"]) | model())
    ),
    "branch": lambda: RunnableBranch((lambda said: len(said) > 99, model()), model()),
    "router": lambda: (
        RunnableLambda(lambda said: {"key": "a", "input": said}) | RouterRunnable({"a": model()})
    ),
    "fallbacks": lambda: (RunnableLambda(_fail) | model()).with_fallbacks([model()]),
    "retry": lambda: (RunnablePassthrough() | model()).with_retry(stop_after_attempt=2),
    "map": lambda: RunnableLambda(lambda said: [said]) | model().map(),
}


def _fail(_said: Any) -> Any:
    raise ConnectionError


@pytest.mark.parametrize("kind", CHAINS)
async def test_everything_in_a_chain_is_guarded(shield: Shield, kind: str) -> None:
    plain = CHAINS[kind]()
    assert KEY in repr(plain.invoke("hi"))
    guarded = shield_chain(plain, shield)
    for seen in (
        guarded.invoke("hi"),
        await guarded.ainvoke("hi"),
        list(guarded.stream("hi")),
        [event async for event in guarded.astream_events("hi", version="v2")],
    ):
        assert KEY not in repr(seen)
        assert "[FAKE]" in repr(seen)


def test_retrievers_and_tools_in_a_chain(shield: Shield) -> None:
    ran: list[str] = []

    @tool
    def run(command: str) -> str:
        """Run a command."""
        ran.append(command)
        return "ok"

    prompt = ChatPromptTemplate.from_template("Answer from {pages}.")
    fake = model()
    chain = shield_chain({"pages": Shelf()} | prompt | fake, shield)
    assert chain.invoke("q").text == "it is [FAKE] indeed"
    assert ORDER not in repr(fake.seen)
    assert "the end" in repr(fake.seen)
    chain = shield_chain(RunnableLambda(lambda said: {"command": said}) | run, shield)
    with pytest.raises(ShieldBlockedError):
        chain.invoke(WIPE)
    assert chain.invoke("ls") == "ok"
    assert ran == ["ls"]


def test_a_chain_with_nothing_to_guard_is_refused(shield: Shield) -> None:
    with pytest.raises(UnguardableError, match="ShieldRunnable"):
        shield_chain(RunnableLambda(len) | RunnableLambda(str), shield)


async def test_a_step_checks_what_passes(shield: Shield) -> None:
    step = ShieldRunnable("document", shield)
    cut = f"a\n\n{ORDER} now\n\nz"
    for go in (step.invoke, step.ainvoke):
        done = [
            await value if hasattr(value := go(given), "__await__") else value
            for given in (
                cut,
                [Document(cut)],
                {"text": cut, "n": 3},
                [cut, "fine"],
                Document("fine"),
                7,
                None,
            )
        ]
        assert ORDER not in repr(done)
        assert done[2]["n"] == 3
        assert done[3][1] == "fine"
        assert done[5:] == [7, None]


async def test_a_step_checks_messages(shield: Shield) -> None:
    step = ShieldRunnable("input", shield)
    history = [
        HumanMessage("read it"),
        AIMessage("", tool_calls=[{"name": "read", "args": {}, "id": "c1"}]),
        ToolMessage(f"x\n\n{ORDER} now\n\ny", tool_call_id="c1"),
    ]
    assert ORDER not in repr(step.invoke(history))
    prompt = ChatPromptTemplate.from_messages([("user", "{q}")])
    fake = model()
    with pytest.raises(ShieldBlockedError):
        (prompt | step | fake).invoke({"q": ORDER})
    assert (prompt | step | fake).invoke({"q": "hi"}).text
    assert ORDER not in repr(fake.seen)
    assert (fake | ShieldRunnable("output", shield)).invoke("hi").text == "it is [FAKE] indeed"


def test_replaced_values_keep_their_kind(make_bench: Callable[..., Any]) -> None:
    step = ShieldRunnable("input", make_bench(on_block="replace").shield)
    assert "attack-in-input" in step.invoke(ORDER)
    assert "attack-in-input" in step.invoke(HumanMessage(ORDER)).text
    (message,) = step.invoke([HumanMessage(ORDER)])
    assert isinstance(message, AIMessage)


async def test_streams_flow_through_a_step() -> None:
    key = "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc"
    said = "Well. " + "It is a fine day today. " * 10 + f"The key is {key}. " + "Bye now. " * 5
    with Shield() as shield:
        for chain in (
            FakeChat(answers=[said]) | ShieldRunnable("output", shield),
            FakeChat(answers=[said]) | StrOutputParser() | ShieldRunnable("output", shield),
        ):
            sync = list(chain.stream("hi"))
            pieces = [piece async for piece in chain.astream("hi")]
            for seen in (sync, pieces):
                text = "".join(part if isinstance(part, str) else part.text for part in seen)
                assert key not in text
                assert text.startswith("Well. It is a fine")
                assert text.rstrip().endswith("Bye now.")
                assert len(seen) > 20
