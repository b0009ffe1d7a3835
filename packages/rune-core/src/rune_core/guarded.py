"""What the guard methods hand back: what to go on with, and whether to go on at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rune_core.action import Action, OnBlock
from rune_core.errors import ShieldBlockedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_core.result import ScanResult
    from rune_core.values import Rendered


@dataclass(frozen=True, slots=True)
class _Guarded:
    """Attributes that every guard result has.

    Attributes:
        stopped: True when the content must not go on, or the tool not be called.
        message: A short neutral sentence to hand on instead; empty unless stopped.
        result: The whole result.
    """

    stopped: bool
    message: str
    result: ScanResult

    @property
    def action(self) -> Action:
        """What was decided."""
        return self.result.action

    @property
    def redacted(self) -> bool:
        """True when something was cut."""
        return self.result.sanitized_content is not None


@dataclass(frozen=True, slots=True)
class GuardedText(_Guarded):
    """A guarded text.

    Attributes:
        text_to_use: The text to go on with: as it was, with cuts, or ``message`` when stopped.
    """

    text_to_use: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GuardedValue(_Guarded):
    """A guarded value.

    Attributes:
        value_to_use: The value to go on with: as it was, with cuts, or ``message`` when stopped.
    """

    value_to_use: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class GuardedCall(_Guarded):
    """A guarded tool call.

    Attributes:
        args_to_use: The arguments to call with, as they were or with cuts; empty when stopped.
    """

    args_to_use: Mapping[str, Any] = field(repr=False)


def guarded_text(text: str, result: ScanResult, on_block: OnBlock) -> GuardedText:
    """Apply ``on_block`` to a text's result.

    Raises:
        ShieldBlockedError: The text is stopped and ``on_block`` is ``raise``.
    """
    stopped, message = _stop(result, on_block)
    used = result.sanitized_content if result.sanitized_content is not None else text
    return GuardedText(stopped, message, result, message if stopped else used)


def guarded_value(
    value: Any, rendered: Rendered, result: ScanResult, on_block: OnBlock
) -> GuardedValue:
    """Apply ``on_block`` to a value's result.

    Raises:
        ShieldBlockedError: The value is stopped and ``on_block`` is ``raise``.
    """
    stopped, message = _stop(result, on_block)
    return GuardedValue(
        stopped, message, result, message if stopped else _used(value, rendered, result)
    )


def guarded_call(
    args: Mapping[str, Any],
    rendered: Rendered,
    result: ScanResult,
    on_block: OnBlock,
    *,
    defer: bool = False,
) -> GuardedCall:
    """Apply ``on_block`` to a call's result. With ``defer`` a question does not stop the call yet.

    Raises:
        ShieldBlockedError: The call is stopped and ``on_block`` is ``raise``.
    """
    later = defer and result.action is Action.ASK
    stopped, message = (False, "") if later else _stop(result, on_block)
    return GuardedCall(stopped, message, result, {} if stopped else _used(args, rendered, result))


def _used(value: Any, rendered: Rendered, result: ScanResult) -> Any:
    if result.sanitized_content is None:
        return value
    return result.sanitized_content if rendered.is_text else result.sanitized_value


def _stop(result: ScanResult, on_block: OnBlock) -> tuple[bool, str]:
    decision = result.decision
    stops = decision.action is Action.BLOCK or (
        decision.action is Action.ASK and decision.approval != "approved"
    )
    if not stops or on_block in (OnBlock.LOG, OnBlock.ALERT):
        return False, ""
    if on_block is OnBlock.RAISE:
        raise ShieldBlockedError(result)
    return True, neutral_message(result)


def neutral_message(result: ScanResult) -> str:
    """What stands in for stopped content. Tells a model or a person enough to carry on."""
    decision = result.decision
    what = "call" if result.surface == "tool_call" else "content"
    if decision.action is Action.ASK:
        why = "was not approved" if decision.approval == "denied" else "needs approval"
        return f"[This {what} {why} (rule {decision.rule}, decision {decision.id}).]"
    return f"[This {what} was stopped by policy (rule {decision.rule}, decision {decision.id}).]"
