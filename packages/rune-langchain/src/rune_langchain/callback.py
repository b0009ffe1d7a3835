"""ShieldCallbackHandler: for code that takes callbacks and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGeneration

from rune_core.adapters.recent import Recent
from rune_core.adapters.walk import Check, Stopped, Walk
from rune_core.errors import ShieldBlockedError
from rune_langchain.content import over_content
from rune_langchain.guard import guard_for
from rune_langchain.guarded import is_running
from rune_langchain.messages import ids_of, texts_of
from rune_langchain.retriever import document_checks
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from langchain_core.documents import Document
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult

    from rune_core import Shield
    from rune_core.gate import StreamGate
    from rune_core.session.session import Session
    from rune_langchain.guard import Guard

_RUNS = 4096


class ShieldCallbackHandler(BaseCallbackHandler):
    """Stops what may not pass, wherever callbacks go. It can do no more.

    A callback sees, and can raise; it cannot change anything. So this handler **cannot redact**:
    a text that would have to be cut is stopped as a whole. It **cannot unsend** streamed text: a
    stream is stopped before the chunk in which something is found, and what came before is out.

    | event | stopped |
    |---|---|
    | a chat or text model starts | before the model reads its messages |
    | a token comes | before that token; the tokens before it are out |
    | a model ends | an answer that is not streamed: before anyone sees it |
    | a tool starts | before it runs |
    | a tool ends | before the model sees the result; what the tool did is done |
    | a retriever starts, ends | before it is asked; before anyone reads the documents |

    Objects that are guarded by the same shield decide for themselves and are left alone. Where you
    can, use ``ShieldMiddleware`` or ``shield_model`` and ``shield_tools`` instead.

    Blocks are raised as ``ShieldBlockedError``. Code around it may swallow that: ``with_fallbacks``
    answers with the fallback, ``handle_tool_errors`` and retries carry on. With
    ``on_block="replace"`` it raises, too: there is nothing it could replace.

    Args:
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
    """

    raise_error = True
    run_inline = True

    def __init__(self, shield: Shield | None = None, *, agent_id: str | None = None) -> None:
        super().__init__()
        self._guard: Guard = guard_for(shield, agent_id)
        self._sessions: Recent[str, Session] = Recent(_RUNS)
        self._gates: Recent[str, StreamGate] = Recent(_RUNS)
        self._names: Recent[str, str] = Recent(_RUNS)

    # -- models

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Stop messages before a chat model reads them.

        Raises:
            ShieldBlockedError: Something in them may not pass as it is.
        """
        del serialized, kwargs
        for batch in messages:
            session = self._guard.session(ids_of(batch))
            # The guarded model that may follow goes on in the same session and scans nothing twice.
            self._guard.belongs(ids_of(batch[-4:]), session)
            self._begins(run_id, session)
            self._guard.run(_untouched(texts_of(batch)), session)

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Stop prompts before a text model reads them.

        Raises:
            ShieldBlockedError: Something in them may not pass as it is.
        """
        del serialized, kwargs
        checks = [Check(Surface.INPUT, prompt, remember=True) for prompt in prompts]
        session = self._guard.session()
        self._begins(run_id, session)
        self._guard.run(_untouched(checks), session)

    def on_llm_new_token(
        self, token: str | list[Any], *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Stop a stream before the token with which something in it is found.

        Raises:
            ShieldBlockedError: The text so far may not pass as it is.
        """
        del kwargs
        if not isinstance(token, str) or not token or self._checked(run_id):
            return
        gate = self._gates.get(str(run_id))
        if gate is None:
            gate = self._guard.gate(Surface.OUTPUT, self._session(run_id))
            self._gates.put(str(run_id), gate)
        gate.push(token)
        _stopped_by(gate)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Stop an answer before anyone sees it; of a streamed one, say that it should have been.

        Raises:
            ShieldBlockedError: Something in it may not pass as it is.
        """
        del kwargs
        if self._checked(run_id):
            self._ends(run_id)
            return
        session = self._ends(run_id)
        gate = self._gates.pop(str(run_id))
        if gate is not None:
            gate.finish()
            _stopped_by(gate)
        for batch in response.generations:
            for generation in batch:
                told: Any = generation.text
                if isinstance(generation, ChatGeneration):
                    self._guard.belongs(ids_of([generation.message]), session)
                    told = generation.message.content
                if gate is None or not isinstance(told, str):
                    walk = over_content(told, Surface.OUTPUT, None, remember=True)
                    self._guard.run(_nothing_cut(walk), session)

    # -- tools

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Stop a tool call before it is made.

        Raises:
            ShieldBlockedError: It may not be made as it is.
        """
        if is_running("call", self._guard.shield):
            return  # a guarded tool decides about its call itself
        name = serialized.get("name") or kwargs.get("name")
        args = {"input": input_str} if inputs is None else inputs
        session = self._guard.session((kwargs.get("tool_call_id"),))
        self._begins(run_id, session)
        self._names.put(str(run_id), name or "")
        self._guard.run(_untouched([Check(Surface.TOOL_CALL, args, name)]), session)

    def on_tool_end(self, output: Any, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Stop a tool's result before the model sees it. What the tool did is done.

        Raises:
            ShieldBlockedError: Something in it may not pass as it is.
        """
        if is_running("call", self._guard.shield):
            return
        from rune_langchain.tool import over_tool_result

        name = self._names.pop(str(run_id)) or kwargs.get("name") or ""
        walk = over_tool_result(output, name)
        self._guard.run(_nothing_cut(walk), self._ends(run_id))

    # -- retrievers

    def on_retriever_start(
        self, serialized: dict[str, Any], query: str, *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Stop a question before a retriever is asked.

        Raises:
            ShieldBlockedError: It may not pass as it is.
        """
        del serialized, kwargs
        session = self._guard.session()
        self._begins(run_id, session)
        self._guard.run(_untouched([Check(Surface.INPUT, query, remember=True)]), session)

    def on_retriever_end(
        self, documents: Sequence[Document], *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Stop documents before anyone reads them.

        Raises:
            ShieldBlockedError: Something in them may not pass as it is.
        """
        del kwargs
        checks = [check for document in documents for _, check in document_checks(document)]
        self._guard.run(_untouched(checks), self._ends(run_id))

    # -- what ends otherwise is forgotten

    def on_llm_error(
        self, error: BaseException, *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Forget the run."""
        del error, kwargs
        self._ends(run_id)
        self._gates.pop(str(run_id))

    def on_tool_error(
        self, error: BaseException, *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Forget the run."""
        del error, kwargs
        self._ends(run_id)
        self._names.pop(str(run_id))

    def on_retriever_error(
        self, error: BaseException, *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Forget the run."""
        del error, kwargs
        self._ends(run_id)

    # -- inside

    def _begins(self, run_id: UUID | None, session: Session) -> None:
        self._sessions.put(str(run_id), session)

    def _session(self, run_id: UUID | None) -> Session:
        return self._sessions.get(str(run_id)) or self._guard.session()

    def _ends(self, run_id: UUID | None) -> Session:
        return self._sessions.pop(str(run_id)) or self._guard.session()

    def _checked(self, run_id: UUID | None) -> bool:
        """Whether a guarded model has checked what this run says."""
        return self._guard.memory.runs.get(str(run_id)) is not None


def _stopped_by(gate: StreamGate) -> None:
    if gate.changed or gate.stopped:
        assert gate.result is not None
        raise ShieldBlockedError(gate.result)


def _untouched(checks: Iterable[Check]) -> Walk[None]:
    for check in checks:
        ruling = yield check
        if ruling.changed:
            assert ruling.result is not None
            raise ShieldBlockedError(ruling.result)


def _nothing_cut(walk: Walk[Any]) -> Walk[None]:
    """Go through a walk, and stop where it would have something cut."""
    try:
        step = next(walk)
        while True:
            ruling = yield step
            if ruling.changed:
                assert ruling.result is not None
                raise ShieldBlockedError(ruling.result)
            step = walk.send(ruling)
    except StopIteration:
        return
    except Stopped as stop:
        raise ShieldBlockedError(stop.result) from None
