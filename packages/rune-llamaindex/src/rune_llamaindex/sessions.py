"""Which session a call belongs to.

LlamaIndex gives messages no ids, and a value set in one step of a workflow is not seen in the next.
So a session is found again by the workflow run, and across runs by the conversation itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock
from llama_index_instrumentation.dispatcher import active_instrument_tags

from rune_core.adapters.owners import Owners
from rune_core.adapters.recent import Recent
from rune_core.ids import cache_digest
from rune_core.session.session import Session, current_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KEPT = 8192
_RUN_TAG = "llamaindex.run_id"
_SYSTEM = (MessageRole.SYSTEM, MessageRole.DEVELOPER)
_ANSWERS = (MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL)


def run_id() -> str | None:
    """The workflow run that this code is part of; None outside of workflows."""
    found = active_instrument_tags.get().get(_RUN_TAG)
    return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation, known by what was said.

    System prompts are left out: many are written anew with every call.

    Attributes:
        whole: Stands for all of it.
        answered: Stand for its beginnings in which the model has spoken already, shortest first.
            Shorter beginnings stand for nothing: any number of conversations have the same.
    """

    whole: bytes
    answered: tuple[bytes, ...]

    def after(self, answer: ChatMessage) -> bytes:
        """Stands for it after one more message."""
        return _link(self.whole, answer)


def conversation(messages: Sequence[ChatMessage]) -> Conversation:
    """Know a conversation by its messages."""
    digest, spoken = b"", False
    answered: list[bytes] = []
    for message in messages:
        if message.role in _SYSTEM:
            continue
        digest = _link(digest, message)
        spoken = spoken or message.role in _ANSWERS
        if spoken:
            answered.append(digest)
    return Conversation(digest, tuple(answered))


class Sessions:
    """Finds and keeps the sessions of one guard.

    Args:
        create: Makes a new session.
    """

    def __init__(self, create: Callable[[], Session]) -> None:
        self._create = create
        self._runs: Recent[str, Session] = Recent(_KEPT)
        self._conversations: Owners[bytes] = Owners(_KEPT)
        self._calls: Owners[bytes] = Owners(_KEPT)
        self._none: Session | None = None

    def of_run(self) -> Session:
        """The session of code that has no conversation at hand, such as a retriever."""
        return current_session.get() or self._kept(run_id(), None)

    def of_none(self) -> Session:
        """The session for what belongs to the process, such as tool definitions."""
        if self._none is None:
            self._none = self._create()
        return self._none

    def of_call(self, tool: str, args: Any) -> Session:
        """The session of a tool call: its run's, or that of the model which asked for it."""
        opened = current_session.get()
        if opened is not None:
            return opened
        run = run_id()
        asked = self._calls.get(call_digest(tool, args)) if run is None else None
        return self._kept(run, asked)

    def of_conversation(self, said: Conversation) -> Session:
        """The session of a conversation that a model is about to answer."""
        opened = current_session.get()
        if opened is not None:
            return opened
        run = run_id()
        known = None if run is None else self._runs.get(run)
        if known is None:
            known = next(filter(None, map(self._conversations.get, reversed(said.answered))), None)
        return self._kept(run, known)

    def went_on(self, said: Conversation, answer: ChatMessage, session: Session) -> None:
        """Remember that a conversation, up to a model's answer, is part of a session."""
        for digest in (*said.answered[-1:], said.after(answer)):
            self._conversations.claim(digest, session)

    def planned(self, tool: str, args: Any, session: Session) -> None:
        """Remember that a model asked for a call in a session."""
        self._calls.claim(call_digest(tool, args), session)

    def _kept(self, run: str | None, known: Session | None) -> Session:
        if run is None:
            return known or self._create()
        session = self._runs.get(run)
        if session is None:
            session = known or self._create()
            self._runs.put(run, session)
        return session


def call_digest(tool: str, args: Any) -> bytes:
    """Stands for a call with its arguments."""
    return cache_digest(f"{tool}\n{json.dumps(args, sort_keys=True, default=repr)}")


def _link(before: bytes, message: ChatMessage) -> bytes:
    parts = [before.hex(), message.role.value]
    for block in message.blocks:
        if isinstance(block, TextBlock):
            parts.append(block.text)
        elif isinstance(block, ToolCallBlock):
            parts.append(f"{block.tool_call_id} {block.tool_name}")
    return cache_digest("\n".join(parts))
