"""ShieldEventHandler: sees what LlamaIndex reports, and can do no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.instrumentation.events.retrieval import RetrievalEndEvent
from llama_index.core.schema import MetadataMode

from rune_core.adapters.walk import Check, Ruling, Walk
from rune_core.result import ScanResult
from rune_llamaindex.guard import guard_for
from rune_llamaindex.messages import texts_of
from rune_llamaindex.sessions import conversation
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llama_index.core.instrumentation.events import BaseEvent

    from rune_core import Shield

OnFinding = Callable[[ScanResult], None]


class ShieldEventHandler(BaseEventHandler):
    """Scans what LlamaIndex reports: prompts, answers and retrieved nodes. It only observes.

    LlamaIndex ignores whatever an event handler raises or returns, so this handler **cannot block,
    cannot redact and cannot ask**: by the time it has found something, the text has gone on. What
    it finds goes into Rune's events, counters and coverage, and to ``on_finding``. It is for
    finding out what a guard would do, and for what cannot be guarded; to guard, use
    ``shield_llm``, ``shield_tools`` and ``shield_retriever``.

    ::

        from llama_index.core.instrumentation import get_dispatcher

        get_dispatcher().add_event_handler(ShieldEventHandler(shield))

    Args:
        shield: Scans; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
        on_finding: Called with every result that would have been acted on.
    """

    _guard: Any = PrivateAttr()
    _on_finding: Any = PrivateAttr()

    def __init__(
        self,
        shield: Shield | None = None,
        *,
        agent_id: str | None = None,
        on_finding: OnFinding | None = None,
    ) -> None:
        super().__init__()
        self._guard = guard_for(shield, agent_id)
        self._on_finding = on_finding

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex knows it."""
        return "ShieldEventHandler"

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """Look at an event. Texts that a guarded object has ruled on are not looked at again."""
        del kwargs
        checks, session = self._checks(event)
        if checks:
            self._guard.run(self._seen(checks), session)

    def _seen(self, checks: Iterable[Check]) -> Walk[None]:
        for check in checks:
            ruling: Ruling = yield check
            result = ruling.result
            if result is not None and ruling.changed and self._on_finding is not None:
                self._on_finding(result)

    def _checks(self, event: BaseEvent) -> tuple[list[Check], Any]:
        sessions = self._guard.sessions
        if isinstance(event, LLMChatStartEvent):
            session = sessions.of_conversation(conversation(event.messages))
            return list(texts_of(event.messages)), session
        if isinstance(event, LLMChatEndEvent) and event.response is not None:
            said = conversation(event.messages)
            session = sessions.of_conversation(said)
            sessions.went_on(said, event.response.message, session)
            return _output(event.response.message.content), session
        if isinstance(event, LLMCompletionStartEvent):
            said = conversation([ChatMessage(content=event.prompt)])
            checks = [Check(Surface.INPUT, event.prompt, remember=True)]
            return checks, sessions.of_conversation(said)
        if isinstance(event, LLMCompletionEndEvent):
            said = conversation([ChatMessage(content=event.prompt)])
            return _output(event.response.text), sessions.of_conversation(said)
        if isinstance(event, RetrievalEndEvent):
            texts = [
                found.node.get_content(metadata_mode=MetadataMode.NONE) for found in event.nodes
            ]
            checks = [Check(Surface.DOCUMENT, text, remember=True) for text in texts if text]
            return checks, sessions.of_run()
        return [], None


def _output(text: str | None) -> list[Check]:
    return [Check(Surface.OUTPUT, text, remember=True)] if text else []
