"""ShieldCallbackHandler: for code that takes callbacks and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler

from rune_core.adapters.walk import Check, Walk
from rune_core.errors import ShieldBlockedError
from rune_langchain.guard import guard_for
from rune_langchain.guarded import is_running
from rune_langchain.messages import ids_of, texts_of
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_core.messages import BaseMessage

    from rune_core import Shield


class ShieldCallbackHandler(BaseCallbackHandler):
    """Stops input before a model reads it and tool calls before they are made. It can do no more.

    A callback sees, and can raise; it cannot change anything. So this handler **cannot redact**:
    a text that would have to be cut is stopped as a whole. It **cannot unsend** streamed text and
    does not look at answers at all. Tool results are looked at when they go into the next model
    call, not before. Where you can, use ``ShieldMiddleware`` or ``shield_model`` and
    ``shield_tools`` instead, which do all of it.

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
        self._guard = guard_for(shield, agent_id)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
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
            self._guard.run(_untouched(texts_of(batch)), session)

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], **kwargs: Any) -> None:
        """Stop prompts before a text model reads them.

        Raises:
            ShieldBlockedError: Something in them may not pass as it is.
        """
        del serialized, kwargs
        checks = [Check(Surface.INPUT, prompt, remember=True) for prompt in prompts]
        self._guard.run(_untouched(checks), self._guard.session())

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
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
        call_id = kwargs.get("tool_call_id")
        check = Check(Surface.TOOL_CALL, args, name)
        self._guard.run(_untouched([check]), self._guard.session((call_id,)))


def _untouched(checks: Iterable[Check]) -> Walk[None]:
    for check in checks:
        ruling = yield check
        if ruling.changed:
            assert ruling.result is not None
            raise ShieldBlockedError(ruling.result)
