"""The leak matrix: every way to run something, and everything that comes out of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEY = "canary-key-5150"
MODES = ["values", "updates", "messages", "tasks", "debug", "custom", ["messages", "updates"]]


def ways() -> dict[str, Callable[[Any, Any], Awaitable[list[Any]]]]:
    """Every public way to run a Runnable, by name: each gives everything a consumer can read."""

    async def invoke(it: Any, said: Any) -> list[Any]:
        return [it.invoke(said)]

    async def ainvoke(it: Any, said: Any) -> list[Any]:
        return [await it.ainvoke(said)]

    async def batch(it: Any, said: Any) -> list[Any]:
        return [*it.batch([said]), *it.batch_as_completed([said])]

    async def abatch(it: Any, said: Any) -> list[Any]:
        return [
            *await it.abatch([said]),
            *[done async for done in it.abatch_as_completed([said])],
        ]

    async def stream(it: Any, said: Any) -> list[Any]:
        return list(it.stream(said))

    async def astream(it: Any, said: Any) -> list[Any]:
        return [part async for part in it.astream(said)]

    async def astream_log(it: Any, said: Any) -> list[Any]:
        return [part async for part in it.astream_log(said)]

    async def events_v2(it: Any, said: Any) -> list[Any]:
        return [event async for event in it.astream_events(said, version="v2")]

    async def events_v3(it: Any, said: Any) -> list[Any]:
        stream = it.astream_events(said, version="v3")
        if hasattr(stream, "__await__"):
            stream = await stream
        return [event async for event in stream]

    async def sync_events_v3(it: Any, said: Any) -> list[Any]:
        return list(it.stream_events(said, version="v3"))

    return {
        f.__name__: f
        for f in (
            invoke,
            ainvoke,
            batch,
            abatch,
            stream,
            astream,
            astream_log,
            events_v2,
            events_v3,
            sync_events_v3,
        )
    }


def graph_ways() -> dict[str, Callable[[Any, Any], Awaitable[list[Any]]]]:
    """``ways``, and every stream mode of a graph, sync and async."""

    def sync(mode: Any) -> Any:
        async def run(it: Any, said: Any) -> list[Any]:
            return list(it.stream(said, stream_mode=mode, subgraphs=True))

        return run

    def asynchronous(mode: Any) -> Any:
        async def run(it: Any, said: Any) -> list[Any]:
            return [x async for x in it.astream(said, stream_mode=mode, subgraphs=True)]

        return run

    known = ways()
    for mode in MODES:
        name = mode if isinstance(mode, str) else "+".join(mode)
        known[f"stream-{name}"] = sync(mode)
        known[f"astream-{name}"] = asynchronous(mode)
    return known


def leaked(seen: Any, canary: str = KEY) -> bool:
    """Whether a canary can be read off what was seen, whole or put together from pieces."""
    texts: dict[str, list[str]] = defaultdict(list)
    _collect(seen, "", texts, set())
    return canary in repr(seen) or any(canary in "".join(parts) for parts in texts.values())


def _collect(value: Any, name: str, texts: dict[str, list[str]], met: set[int]) -> None:
    if isinstance(value, str):
        texts[name].append(value)
        return
    if value is None or isinstance(value, bool | int | float) or id(value) in met:
        return
    met.add(id(value))
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(item, f"{name.rpartition('/')[2]}/{key}", texts, met)
    elif isinstance(value, list | tuple | set):
        for item in value:
            _collect(item, name, texts, met)
    elif hasattr(value, "__dict__"):
        _collect(vars(value), name, texts, met)
