"""Guarded OpenAI clients: the very class you have, with what goes in and comes out checked.

Input is checked in ``request``, which every method of the client ends in, once per call however
often the client retries. Output is checked in the transport (see ``transport``).
"""

from __future__ import annotations

import copy
import functools
import inspect
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI

from rune_core.adapters.walk import Stopped, Walk
from rune_core.errors import UnguardableError
from rune_openai.call import Call, current_call
from rune_openai.errors import OpenAIBlockedError
from rune_openai.guard import Guard, guard_for
from rune_openai.ids import Conversation
from rune_openai.refusal import answerable
from rune_openai.request import over_request
from rune_openai.transport import guarded_http

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_core import Shield
    from rune_openai.options import (
        AsyncAzureOpenAIOptions,
        AsyncOpenAIOptions,
        AzureOpenAIOptions,
        OpenAIOptions,
    )

_C = TypeVar("_C", bound=OpenAI | AsyncOpenAI)
_T = TypeVar("_T")
_GUARD = "_rune_guard"
_DROP_IN = "_rune_drop_in"


def shield_client(client: _C, shield: Shield | None = None, *, agent_id: str | None = None) -> _C:
    """A guarded copy of an OpenAI client, of the same class. The original stays as it is.

    Both share connections: closing one closes both.

    Args:
        client: ``OpenAI``, ``AsyncOpenAI``, their Azure variants, or a subclass.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: It is no such client, or has another shield already.
    """
    if not isinstance(client, OpenAI | AsyncOpenAI):
        raise UnguardableError(
            f"{type(client).__name__} is no OpenAI client; hand over OpenAI(), AsyncOpenAI() or "
            "an Azure variant"
        )
    present = getattr(client, _GUARD, None)
    if present is not None and shield is None:
        shield, agent_id = present.shield, agent_id or present.agent_id
    guard = guard_for(shield, agent_id)
    if present is not None:
        if present == guard:
            return client
        raise UnguardableError(
            "this client is guarded already, by another shield or under another agent_id; guard "
            "the original instead"
        )
    copied: Any = copy.copy(client)
    base: type = type(client)
    # Resources are made once and keep the client that they were made for.
    for name in [name for name in vars(copied) if _is_cached(base, name)]:
        del copied.__dict__[name]
    copied._client = guarded_http(copied._client, guard)
    setattr(copied, _GUARD, guard)
    copied.__class__ = guarded_class(base)
    return cast("_C", copied)


def coverage(client: OpenAI | AsyncOpenAI) -> str:
    """What is guarded on this client and what is not, as a table."""
    guard: Guard | None = getattr(client, _GUARD, None)
    if guard is None:
        return "nothing is guarded: this client has no shield; use shield_client(client)"
    return str(guard.shield.coverage())


@lru_cache(maxsize=64)
def guarded_class(base: type) -> type:
    """``base`` with guarded requests. The same class for the same base."""
    is_async = issubclass(base, AsyncOpenAI)
    namespace: dict[str, Any] = {
        "request": _arequest(base) if is_async else _request(base),
        "copy": _copy(base),
        "with_options": _copy(base),
        # Same name as the original: names of classes end up in traces.
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
    }
    return type(base)(base.__name__, (base,), namespace)


def _request(base: Any) -> Any:
    original = base.request

    @functools.wraps(original)
    def request(self: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        guard: Guard = getattr(self, _GUARD)
        call = _begun(guard, options)
        try:
            options = guard.run(_over_options(options, guard), call.session)
        except Stopped as stop:
            _refuse(call, stop)
        call.body = _body(options)
        token = current_call.set(call)
        try:
            result = original(self, cast_to, options, *args, **kwargs)
        except Exception:
            if call.stopped is not None:
                raise OpenAIBlockedError(call.stopped.result) from None
            raise
        finally:
            current_call.reset(token)
        if call.stopped is not None:
            raise OpenAIBlockedError(call.stopped.result)
        return result

    return request


def _arequest(base: Any) -> Any:
    original = base.request

    @functools.wraps(original)
    async def request(self: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        guard: Guard = getattr(self, _GUARD)
        call = _begun(guard, options)
        try:
            options = await guard.arun(_over_options(options, guard), call.session)
        except Stopped as stop:
            _refuse(call, stop)
        call.body = _body(options)
        token = current_call.set(call)
        try:
            result = await original(self, cast_to, options, *args, **kwargs)
        except Exception:
            if call.stopped is not None:
                raise OpenAIBlockedError(call.stopped.result) from None
            raise
        finally:
            current_call.reset(token)
        if call.stopped is not None:
            raise OpenAIBlockedError(call.stopped.result)
        return result

    return request


def _copy(base: Any) -> Any:
    original = base.copy

    @functools.wraps(original)
    def copy(
        self: Any,
        *args: Any,
        shield: Shield | None = None,
        agent_id: str | None = None,
        **kwargs: Any,
    ) -> Any:
        guard: Guard = getattr(self, _GUARD)
        if shield is not None or agent_id is not None:
            guard = guard_for(shield or guard.shield, agent_id or guard.agent_id)
        if hasattr(type(self), _DROP_IN):
            given = {"shield": guard.shield, "agent_id": guard.agent_id}
            kwargs["_extra_kwargs"] = {**(kwargs.get("_extra_kwargs") or {}), **given}
        copied = original(self, *args, **kwargs)
        copied._client = guarded_http(copied._client, guard)
        setattr(copied, _GUARD, guard)
        return copied

    copy.__signature__ = _with_ours(original)  # type: ignore[attr-defined]
    return copy


def _with_ours(original: Any) -> inspect.Signature:
    """The signature of one of the client's functions, with ``shield`` and ``agent_id``."""
    told = inspect.signature(original)
    known = list(told.parameters.values())
    rest = [known.pop()] if known[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    ours = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in (("shield", "Shield | None"), ("agent_id", "str | None"))
    ]
    return told.replace(parameters=[*known, *ours, *rest])


def _drop_in(made: type[_T]) -> type[_T]:
    """Mark a drop-in class: its constructor takes a shield, and says what the client's takes."""
    setattr(made, _DROP_IN, True)
    made.__init__.__signature__ = _with_ours(made.__mro__[1].__init__)  # type: ignore[misc, attr-defined]
    return made


def _begun(guard: Guard, options: Any) -> Call:
    body = _body(options)
    conversation = Conversation(body)
    session, path = guard.session(conversation.ids()), str(options.url).partition("?")[0]
    return Call(guard, session, path, body, conversation.said, managed=True)


def _refuse(call: Call, stop: Stopped) -> None:
    """Answer a request that may not be sent.

    Raises:
        OpenAIBlockedError: ``on_block`` says so, or a sentence is no answer to it.
    """
    if call.guard.raises or not answerable(call.path):
        raise OpenAIBlockedError(stop.result) from None
    call.refused = stop


def _body(options: Any) -> Mapping[str, Any]:
    given = options.json_data
    body = dict(given) if isinstance(given, dict) else {}
    extra = getattr(options, "extra_json", None)
    return {**body, **extra} if extra else body


def _over_options(options: Any, guard: Guard) -> Walk[Any]:
    """Check what is about to be sent. The caller's own objects stay as they are."""
    url = str(options.url)
    changed: dict[str, Any] = {}
    for name in ("json_data", "extra_json"):
        body = getattr(options, name, None)
        if isinstance(body, dict) and body:
            used = yield from over_request(body, url, guard.passed)
            if used is not body:
                changed[name] = used
    if getattr(options, "content", None) is not None:
        guard.passed["raw request body"] += 1
    if changed:
        options = copy.copy(options)
        for name, value in changed.items():
            setattr(options, name, value)
    return options


def _is_cached(base: type, name: str) -> bool:
    return any(isinstance(vars(cls).get(name), cached_property) for cls in base.__mro__)


def _adopt(client: Any, shield: Shield | None, agent_id: str | None) -> None:
    """Guard a client that was just made. A copy goes on with its original's guard."""
    guard = getattr(client._client, _GUARD, None)
    if guard is None or shield is not None or agent_id is not None:
        guard = guard_for(shield, agent_id)
    client._client = guarded_http(client._client, guard)
    setattr(client, _GUARD, guard)


if TYPE_CHECKING:
    from openai import AsyncAzureOpenAI as _AsyncAzureOpenAI
    from openai import AsyncOpenAI as _AsyncOpenAI
    from openai import AzureOpenAI as _AzureOpenAI
    from openai import OpenAI as _OpenAI
else:
    _OpenAI, _AsyncOpenAI = guarded_class(OpenAI), guarded_class(AsyncOpenAI)
    _AzureOpenAI, _AsyncAzureOpenAI = guarded_class(AzureOpenAI), guarded_class(AsyncAzureOpenAI)


@_drop_in
class ShieldOpenAI(_OpenAI):
    """``openai.OpenAI``, guarded.

    Args:
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.
        options: As for ``openai.OpenAI``.
    """

    def __init__(
        self,
        *,
        shield: Shield | None = None,
        agent_id: str | None = None,
        **options: Unpack[OpenAIOptions],
    ) -> None:
        super().__init__(**cast("Any", options))
        _adopt(self, shield, agent_id)


@_drop_in
class AsyncShieldOpenAI(_AsyncOpenAI):
    """``openai.AsyncOpenAI``, guarded. See ``ShieldOpenAI``."""

    def __init__(
        self,
        *,
        shield: Shield | None = None,
        agent_id: str | None = None,
        **options: Unpack[AsyncOpenAIOptions],
    ) -> None:
        super().__init__(**cast("Any", options))
        _adopt(self, shield, agent_id)


@_drop_in
class ShieldAzureOpenAI(_AzureOpenAI):
    """``openai.AzureOpenAI``, guarded. See ``ShieldOpenAI``."""

    def __init__(
        self,
        *,
        shield: Shield | None = None,
        agent_id: str | None = None,
        **options: Unpack[AzureOpenAIOptions],
    ) -> None:
        super().__init__(**cast("Any", options))
        _adopt(self, shield, agent_id)


@_drop_in
class AsyncShieldAzureOpenAI(_AsyncAzureOpenAI):
    """``openai.AsyncAzureOpenAI``, guarded. See ``ShieldOpenAI``."""

    def __init__(
        self,
        *,
        shield: Shield | None = None,
        agent_id: str | None = None,
        **options: Unpack[AsyncAzureOpenAIOptions],
    ) -> None:
        super().__init__(**cast("Any", options))
        _adopt(self, shield, agent_id)
