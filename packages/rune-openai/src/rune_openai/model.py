"""Guarded models of the Agents SDK: what goes in and what comes out is checked around the model."""

from __future__ import annotations

import dataclasses
from contextlib import aclosing
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from agents import AgentsException, FunctionTool, Model, ModelProvider, MultiProvider
from agents.items import ModelResponse
from agents.usage import Usage
from openai.types.responses import Response, ResponseOutputItem, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

from rune_core.adapters.walk import Stopped, Walk, each
from rune_core.errors import ShieldBlockedError, UnguardableError
from rune_openai.answer import Answer, over_item
from rune_openai.approval import Approvable
from rune_openai.ids import Conversation
from rune_openai.proxy import Proxy, guard_of
from rune_openai.refusal import response_events, response_to
from rune_openai.request import check_definition, over_input
from rune_openai.response_stream import ResponseStream
from rune_openai.runs import run_marks
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from rune_core.session.session import Session
    from rune_openai.guard import Guard


_BEGINS = (".added", ".created", ".in_progress")


class AgentsBlockedError(ShieldBlockedError, AgentsException):
    """A guarded agent was stopped.

    Also an ``agents.AgentsException``, so that the runner hands it on as it is. The message names
    rule and reason, never content.
    """

    def __init__(self, *args: Any) -> None:
        ShieldBlockedError.__init__(self, *args)
        # What AgentsException's own constructor sets.
        self.run_data = None


class GuardedModel(Proxy):
    """A model behind a guard."""

    async def get_response(
        self,
        system_instructions: str | None,
        input: Any,  # noqa: A002 - the interface's name
        model_settings: Any,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        **kwargs: Any,
    ) -> ModelResponse:
        """As ``agents.Model.get_response``.

        Raises:
            AgentsBlockedError: Something may not pass and ``on_block`` is ``raise``.
        """
        guard: Guard = self._rune_guard
        session, said = _place(guard, input, kwargs)
        answer = _answer(guard, session, output_schema, handoffs)
        token = guard.approvable.set(_approvable(tools))
        try:
            input, tools = await guard.arun(  # noqa: A001
                _over_request(input, tools, guard), session
            )
            response = await self._rune_inner.get_response(
                system_instructions,
                input,
                model_settings,
                tools,
                output_schema,
                handoffs,
                tracing,
                **kwargs,
            )
            output = await guard.arun(
                each(_over_output(i, answer) for i in response.output), session
            )
        except Stopped as stop:
            if guard.raises:
                raise AgentsBlockedError(stop.result) from None
            refused = Response.model_validate(response_to(stop, is_json=answer.is_json))
            return ModelResponse(output=list(refused.output), usage=Usage(), response_id=None)
        finally:
            guard.approvable.reset(token)
        answer.ids.append(response.response_id)
        answer.used(response.usage)
        guard.belongs(answer.ids, session, said, run_marks())
        guard.asked_for(output, session)
        if all(old is new for old, new in zip(response.output, output, strict=True)):
            return cast("ModelResponse", response)
        made: ModelResponse = dataclasses.replace(response, output=output)
        return made

    async def stream_response(
        self,
        system_instructions: str | None,
        input: Any,  # noqa: A002 - the interface's name
        model_settings: Any,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """As ``agents.Model.stream_response``. See ``get_response``."""
        guard: Guard = self._rune_guard
        session, said = _place(guard, input, kwargs)
        answer = _answer(guard, session, output_schema, handoffs)
        approvable = _approvable(tools)
        stream = ResponseStream(answer)
        held: dict[int, tuple[Any, Any]] = {}
        try:
            input, tools = await guard.arun(  # noqa: A001
                _over_request(input, tools, guard), session
            )
            inner = self._rune_inner.stream_response(
                system_instructions,
                input,
                model_settings,
                tools,
                output_schema,
                handoffs,
                tracing,
                **kwargs,
            )
            broken: Exception | None = None
            async with aclosing(inner):
                arriving = aiter(inner)
                while True:
                    try:
                        event = await anext(arriving)
                    except StopAsyncIteration:
                        break
                    except Exception as error:  # noqa: BLE001 - raised below, after what came whole
                        broken = error
                        break
                    # Not kept over a yield: the consumer runs in the same context.
                    token = guard.approvable.set(approvable)
                    try:
                        events = await guard.arun(_over_event(event, stream, held), session)
                    finally:
                        guard.approvable.reset(token)
                    for one in events:
                        guard.asked_for(_items_of(one), session)
                        yield one
            for one in await guard.arun(stream.end(), session):
                made = _events().validate_python(one)
                guard.asked_for(_items_of(made), session)
                yield made
            if broken is not None:
                raise broken
        except Stopped as stop:
            if guard.raises:
                raise AgentsBlockedError(stop.result) from None
            for one in response_events(response_to(stop, is_json=answer.is_json)):
                yield _events().validate_python(one)
        guard.belongs(answer.ids, session, said, run_marks())


class LazyModel(Model):
    """The model that a provider has under a name, looked up when it is first used."""

    def __init__(self, provider: ModelProvider | None, name: str | None) -> None:
        self._provider = provider
        self._name = name
        self._model: Model | None = None

    def _found(self) -> Model:
        if self._model is None:
            self._model = (self._provider or MultiProvider()).get_model(self._name)
        return self._model

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        return await self._found().get_response(*args, **kwargs)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        return self._found().stream_response(*args, **kwargs)

    def get_retry_advice(self, request: Any) -> Any:
        return self._found().get_retry_advice(request)

    async def close(self) -> None:
        if self._model is not None:
            await self._model.close()

    async def _cleanup_on_run_end(self, owner: object) -> None:
        if self._model is not None:
            await self._model._cleanup_on_run_end(owner)


class GuardedProvider(Proxy):
    """A provider whose models are guarded."""

    def get_model(self, model_name: str | None) -> Model:
        """The guarded model of this name."""
        return guard_model(self._rune_inner.get_model(model_name), self._rune_guard)


def guard_model(model: Any, guard: Guard, provider: ModelProvider | None = None) -> Model:
    """A guarded model, from a model or the name of one.

    Raises:
        UnguardableError: It has another shield already.
    """
    present = guard_of(model)
    if present is not None:
        if present.shield is guard.shield:
            return cast("Model", model)
        raise UnguardableError("this model is guarded by another shield already")
    if model is None or isinstance(model, str):
        model = LazyModel(provider, model)
    return cast("Model", GuardedModel(model, guard))


def _place(guard: Guard, items: Any, kwargs: Mapping[str, Any]) -> tuple[Session, bytes]:
    """The session of a request, and what stands for all that it tells the model."""
    conversation = Conversation(items)
    ids = [kwargs.get("previous_response_id"), kwargs.get("conversation_id")]
    return guard.session(chain(ids, conversation.ids(run_marks()))), conversation.said


def _answer(guard: Guard, session: Session, schema: Any, handoffs: list[Any]) -> Answer:
    is_json = schema is not None and not schema.is_plain_text()
    return Answer(
        gate=lambda: guard.gate(Surface.OUTPUT, session, whole=is_json),
        raises=guard.raises,
        is_json=is_json,
        handoffs=frozenset(handoff.tool_name for handoff in handoffs),
        spend=session.add_tokens,
    )


def _approvable(tools: list[Any]) -> dict[str, Approvable]:
    """Guarded tools among those that are offered, by the names that they are offered under."""
    functions = [tool for tool in tools if isinstance(tool, FunctionTool)]
    return {tool.name: known for tool in functions if (known := Approvable.of(tool)) is not None}


def _over_request(items: Any, tools: list[Any], guard: Guard) -> Walk[tuple[Any, list[Any]]]:
    kept: list[Any] = []
    for tool in tools:
        check = None
        if isinstance(tool, FunctionTool):
            check = check_definition(definition(tool))
        if check is None:
            kept.append(tool)
            continue
        ruling = yield check
        if ruling.stopped:
            continue
        if ruling.changed:
            tool = dataclasses.replace(  # noqa: PLW2901
                tool,
                description=ruling.value["description"],
                params_json_schema=ruling.value["parameters"],
            )
        kept.append(tool)
    return (yield from over_input(items, guard.passed)), kept


def definition(tool: FunctionTool) -> dict[str, Any]:
    """What a model is told of a tool."""
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.params_json_schema,
    }


def _over_output(item: Any, answer: Answer) -> Walk[Any]:
    data = _plain(item)
    used = yield from over_item(data, answer)
    return item if used is data else _rebuilt_item(item, used)


def _over_event(
    event: Any, stream: ResponseStream, held: dict[int, tuple[Any, Any]]
) -> Walk[list[Any]]:
    data = _plain(event)
    if not isinstance(data, dict):
        return [event]
    if str(data.get("type")).endswith(_BEGINS) and isinstance(event, BaseModel):
        # The SDK goes on writing to the item that it announced: what comes later must not show.
        event = event.model_copy(deep=True)
    held[id(data)] = (data, event)
    sent = yield from stream.over(data)
    made = [_event_of(one, event, held) for one in sent]
    if not stream.holding:
        held.clear()
    return made


def _event_of(data: Any, event: Any, held: dict[int, tuple[Any, Any]]) -> Any:
    """The event for its data: the very object, or a copy with another number, where it can be."""
    known = held.get(id(data))
    if known is not None:
        return known[1]
    for before, original in held.values():
        if before.keys() == data.keys() and all(
            data[key] is before[key] for key in before if key != "sequence_number"
        ):
            # The SDK keeps notes of its own on what is inside: only the number changes.
            return original.model_copy(update={"sequence_number": data["sequence_number"]})
    made = _rebuilt_event(event, data)
    response = getattr(event, "response", None)
    if response is not None and getattr(made, "response", None) is not None:
        for name, note in vars(response).items():
            if name.startswith("_"):
                made.response.__dict__.setdefault(name, note)
        made.response.usage = response.usage
    return made


def _items_of(event: Any) -> list[Any]:
    """The finished items that an event carries."""
    response = getattr(event, "response", None)
    return [getattr(event, "item", None), *(getattr(response, "output", None) or ())]


def _plain(value: Any) -> Any:
    return (
        value.model_dump(exclude_unset=True, warnings=False)
        if isinstance(value, BaseModel)
        else value
    )


def _rebuilt_item(item: Any, data: Mapping[str, Any]) -> Any:
    if not isinstance(item, BaseModel):
        return data
    if data.get("type") == getattr(item, "type", None):
        try:
            return type(item).model_validate(data)
        except ValidationError:
            return type(item).construct(**data)
    return _items().validate_python(data)


def _rebuilt_event(event: Any, data: Mapping[str, Any]) -> Any:
    if isinstance(event, BaseModel) and data.get("type") == getattr(event, "type", None):
        try:
            return type(event).model_validate(data)
        except ValidationError:
            # Not in every word as OpenAI has it: what came in was no better.
            return type(event).construct(**data)
    return _events().validate_python(data)


@lru_cache(maxsize=1)
def _items() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseOutputItem)


@lru_cache(maxsize=1)
def _events() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseStreamEvent)
