"""Guarded transports: what the server says is checked before any of the client's code sees it.

One level below raw responses, streams and parsing, so that all of them are covered. Made for
``httpx`` and ``httpx2`` alike: newer clients use the one, older ones the other.
"""

from __future__ import annotations

import copy
import json
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rune_core.adapters.walk import Stopped
from rune_core.errors import UnguardableError
from rune_openai.call import Call, EventFlow, current_call
from rune_openai.errors import OpenAIBlockedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rune_core.adapters.walk import Walk
    from rune_openai.guard import Guard

_C = TypeVar("_C")
_RECODED = frozenset(("content-encoding", "content-length", "transfer-encoding"))
_GUARD = "_rune_guard"


def guarded_http(client: _C, guard: Guard) -> _C:
    """A copy of an HTTP client whose transports, for every mount, are guarded.

    It shares the original's connections: closing one closes both.

    Raises:
        UnguardableError: It is guarded by another shield already, or is no HTTP client.
    """
    present = getattr(client, _GUARD, None)
    if present is not None:
        if present.shield is guard.shield:
            return client
        raise UnguardableError(
            "this HTTP client is guarded by another shield already; use one of its own"
        )
    module = _module_of(type(client))
    original = cast("Any", client)
    copied: Any = copy.copy(original)
    wrap = async_transport(module) if hasattr(client, "aclose") else sync_transport(module)
    copied._transport = wrap(original._transport, guard)
    copied._mounts = {
        pattern: None if inner is None else wrap(inner, guard)
        for pattern, inner in original._mounts.items()
    }
    # The original closes its connections when it is collected, so it must live as long.
    copied._rune_original = original
    setattr(copied, _GUARD, guard)
    copied.__class__ = _quiet(original.__class__)
    return cast("_C", copied)


@cache
def _quiet(base: type) -> type:
    """``base``, but the connections it shares are left to the original when it is collected."""
    made: type = type(
        base.__name__,
        (base,),
        {
            "__del__": lambda _self: None,
            "__module__": base.__module__,
            "__qualname__": base.__qualname__,
            "__doc__": base.__doc__,
        },
    )
    return made


def _module_of(cls: type) -> Any:
    for base in cls.__mro__:
        name = base.__module__.partition(".")[0]
        if name in ("httpx", "httpx2"):
            return sys.modules[name]
    raise UnguardableError(f"{cls.__name__} is no client of httpx or httpx2")


@cache
def sync_transport(module: Any) -> Any:
    """The guarded transport class for ``httpx`` or ``httpx2``."""

    def pieces(response: Any, call: Call) -> Iterator[bytes]:
        flow = EventFlow(call)
        guard, session = call.guard, call.session
        arriving = iter(response.iter_bytes())
        broken: Exception | None = None
        try:
            while True:
                try:
                    data = next(arriving)
                except StopIteration:
                    break
                except Exception as error:  # noqa: BLE001 - raised below
                    broken = error
                    break
                for walk in flow.feed(data):
                    out = guard.run(walk, session)
                    if out:
                        yield out
            for walk in flow.finish() if broken is None else flow.broken():
                out = guard.run(walk, session)
                if out:
                    yield out
            if broken is not None:
                raise broken
        except Stopped as stop:
            raise OpenAIBlockedError(stop.result) from None
        finally:
            broken = None  # its traceback holds this frame
            response.close()

    class GuardedStream(module.SyncByteStream):  # type: ignore[misc]
        def __init__(self, response: Any, call: Call) -> None:
            self._response = response
            # Not a method: a stream that is dropped half-read closes at once, without a cycle.
            self._pieces = pieces(response, call)

        def __iter__(self) -> Iterator[bytes]:
            # Whoever iterates again goes on where the last one stopped, as on a bare connection.
            return self._pieces

        def close(self) -> None:
            self._response.close()

    class GuardedTransport(module.BaseTransport):  # type: ignore[misc]
        def __init__(self, inner: Any, guard: Guard) -> None:
            self._inner = inner
            self._guard = guard

        def handle_request(self, request: Any) -> Any:
            call = _call_of(self._guard)
            if call.refused is not None:
                return _answered(module, request, call.refusal(call.refused))
            response = self._inner.handle_request(request)
            kind = _kind(response)
            if kind == "events":
                return _streamed(module, response, GuardedStream(response, call))
            if not kind:
                return response
            content = b"".join(response.iter_bytes())
            response.close()
            try:
                content = call.guard.run(_walk(call, kind, content), call.session)
            except Stopped as stop:
                return _halted(module, request, call, stop)
            return _rebuilt(module, response, content)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def close(self) -> None:
            self._inner.close()

        def __enter__(self) -> Any:
            self._inner.__enter__()
            return self

        def __exit__(self, *details: Any) -> None:
            self._inner.__exit__(*details)

    # Named as the library's own are: names of classes end up in traces.
    GuardedTransport.__module__ = module.__name__
    return GuardedTransport


@cache
def async_transport(module: Any) -> Any:
    """``sync_transport`` for asynchronous clients."""

    async def pieces(response: Any, call: Call) -> AsyncIterator[bytes]:
        flow = EventFlow(call)
        guard, session = call.guard, call.session
        arriving = aiter(response.aiter_bytes())
        broken: Exception | None = None
        try:
            while True:
                try:
                    data = await anext(arriving)
                except StopAsyncIteration:
                    break
                except Exception as error:  # noqa: BLE001 - raised below
                    broken = error
                    break
                for walk in flow.feed(data):
                    out = await guard.arun(walk, session)
                    if out:
                        yield out
            for walk in flow.finish() if broken is None else flow.broken():
                out = await guard.arun(walk, session)
                if out:
                    yield out
            if broken is not None:
                raise broken
        except Stopped as stop:
            raise OpenAIBlockedError(stop.result) from None
        finally:
            broken = None
            await response.aclose()

    class GuardedStream(module.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, response: Any, call: Call) -> None:
            self._response = response
            # Not a method: a stream that is dropped half-read closes at once, without a cycle.
            self._pieces = pieces(response, call)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._pieces

        async def aclose(self) -> None:
            await self._response.aclose()

    class GuardedTransport(module.AsyncBaseTransport):  # type: ignore[misc]
        def __init__(self, inner: Any, guard: Guard) -> None:
            self._inner = inner
            self._guard = guard

        async def handle_async_request(self, request: Any) -> Any:
            call = _call_of(self._guard)
            if call.refused is not None:
                return _answered(module, request, call.refusal(call.refused))
            response = await self._inner.handle_async_request(request)
            kind = _kind(response)
            if kind == "events":
                return _streamed(module, response, GuardedStream(response, call))
            if not kind:
                return response
            content = b"".join([data async for data in response.aiter_bytes()])
            await response.aclose()
            try:
                content = await call.guard.arun(_walk(call, kind, content), call.session)
            except Stopped as stop:
                return _halted(module, request, call, stop)
            return _rebuilt(module, response, content)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        async def aclose(self) -> None:
            await self._inner.aclose()

        async def __aenter__(self) -> Any:
            await self._inner.__aenter__()
            return self

        async def __aexit__(self, *details: Any) -> None:
            await self._inner.__aexit__(*details)

    GuardedTransport.__module__ = module.__name__
    return GuardedTransport


def _call_of(guard: Guard) -> Call:
    call = current_call.get()
    if call is not None and call.guard.shield is guard.shield:
        return call
    # Somebody else's code uses the HTTP client: what comes back is still checked.
    return Call(guard, guard.session())


def _kind(response: Any) -> str:
    """What a response holds that can be read: ``json``, ``text``, ``events``; else empty."""
    if response.status_code >= 300:  # errors are the server's own words
        return ""
    mime = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if mime == "text/event-stream":
        return "events"
    if mime == "application/json" or mime.endswith("+json"):
        return "json"
    return "text" if mime in ("text/plain", "text/vtt", "application/x-subrip") else ""


def _walk(call: Call, kind: str, content: bytes) -> Walk[bytes]:
    return call.over_json(content) if kind == "json" else call.over_text(content)


def _headers(response: Any) -> list[tuple[bytes, bytes]]:
    return [
        (name, value)
        for name, value in response.headers.raw
        if name.decode("latin-1").lower() not in _RECODED
    ]


def _streamed(module: Any, response: Any, stream: Any) -> Any:
    return module.Response(
        response.status_code,
        headers=_headers(response),
        stream=stream,
        extensions=response.extensions,
    )


def _rebuilt(module: Any, response: Any, content: bytes) -> Any:
    # As a stream: who asked for a streaming raw response gets one that is still open.
    return module.Response(
        response.status_code,
        headers=[*_headers(response), (b"Content-Length", str(len(content)).encode())],
        stream=module.ByteStream(content),
        extensions=response.extensions,
    )


def _answered(module: Any, request: Any, made: Any) -> Any:
    events = isinstance(made, bytes)
    return module.Response(
        200,
        headers={"content-type": "text/event-stream" if events else "application/json"},
        content=made if events else json.dumps(made).encode(),
        request=request,
    )


def _halted(module: Any, request: Any, call: Call, stop: Stopped) -> Any:
    """What stands in for an answer that may not pass, until the client raises."""
    if not call.managed:
        raise OpenAIBlockedError(stop.result) from None
    call.stopped = stop
    made = call.refusal(stop)
    return _answered(module, request, {} if isinstance(made, bytes) else made)
