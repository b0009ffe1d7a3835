"""``instrument()``: a handler on every run of this process, without patching anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.tracers.context import register_configure_hook

from rune_core.adapters.guard import check_handed
from rune_core.errors import UnguardableError
from rune_langchain.callback import ShieldCallbackHandler
from rune_langchain.guard import default_shield

if TYPE_CHECKING:
    from contextvars import ContextVar
    from typing import Self

    from rune_core import Shield


class _Switch:
    """What LangChain asks for a handler at the start of every run; None while it is off.

    It stands where a ContextVar usually does. One object for the life of the process: LangChain
    has no way to take a hook back.
    """

    def __init__(self) -> None:
        self.handler: ShieldCallbackHandler | None = None
        self.shield: Shield | None = None
        self.registered = False

    def get(self) -> ShieldCallbackHandler | None:
        return self.handler


_switch = _Switch()


class Instrumentation:
    """What ``instrument`` switched on. Leaving its ``with`` block, or ``stop``, switches it off."""

    def __init__(self, shield: Shield) -> None:
        self.shield = shield

    def stop(self) -> None:
        """Switch it off. May be called twice."""
        if _switch.shield is self.shield:
            _switch.handler = _switch.shield = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def instrument(shield: Shield | None = None, *, agent_id: str | None = None) -> Instrumentation:
    """Put a ``ShieldCallbackHandler`` on every model, tool and retriever of this process.

    It is registered with LangChain's own hook for this; nothing is patched. It stops what a
    handler can stop and has its limits: it cannot redact and cannot unsend. What is guarded by the
    same shield decides for itself and is not looked at twice.

    Args:
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: It is on already, with another shield.
        ConfigError: It is no shield, or no agent id.
    """
    check_handed(shield, agent_id)
    shield = default_shield() if shield is None else shield
    if _switch.shield is not None and _switch.shield is not shield:
        raise UnguardableError(
            "LangChain is instrumented with another shield already; stop() that first"
        )
    if not _switch.registered:
        _switch.registered = True
        register_configure_hook(cast("ContextVar[Any]", _switch), inheritable=True)
    _switch.shield = shield
    _switch.handler = ShieldCallbackHandler(shield, agent_id=agent_id)
    return Instrumentation(shield)
