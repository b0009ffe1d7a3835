"""``shield_agent`` and ``shield_run_config``: agents with guarded models, tools and servers."""

from __future__ import annotations

import copy
import dataclasses
import weakref
from typing import TYPE_CHECKING, Any, TypeVar, cast

from agents import Agent, Handoff, Model, ModelProvider, RunConfig

from rune_core.errors import UnguardableError
from rune_openai.guard import guard_for
from rune_openai.mcp import guard_server
from rune_openai.model import GuardedProvider, guard_model
from rune_openai.proxy import guard_of
from rune_openai.tool import guard_tool

if TYPE_CHECKING:
    from rune_core import Shield
    from rune_openai.guard import Guard

_A = TypeVar("_A", bound=Agent[Any])
FRAMEWORK = "openai-agents"


def shield_agent(
    agent: _A,
    shield: Shield | None = None,
    *,
    agent_id: str | None = None,
    model_provider: ModelProvider | None = None,
) -> _A:
    """A guarded copy of an agent, and of every agent that it can hand over to.

    Its model, function tools and MCP servers are guarded: messages before the model reads them,
    answers and calls before anyone sees them (streams included), results before the model does. A
    policy's ``ask`` interrupts the run like ``needs_approval=True``, unless the shield has an
    approval handler of its own.

    Args:
        agent: The agent. It stays as it is.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events; by default its name.
        model_provider: Finds models that are given by name; by default the SDK's. The one of a
            ``RunConfig`` is not asked for them any more.

    Raises:
        UnguardableError: It is no agent, or part of it has another shield already.
    """
    if not isinstance(agent, Agent):
        raise UnguardableError(
            f"{type(agent).__name__} is no agents.Agent; models that others give by name are "
            "guarded by shield_run_config"
        )
    guarding = _Guarding(shield, agent_id, model_provider)
    return cast("_A", guarding.agent(agent))


def shield_run_config(
    run_config: RunConfig | None = None,
    shield: Shield | None = None,
    *,
    agent_id: str | None = None,
) -> RunConfig:
    """A copy of a run configuration whose models are guarded.

    Guards what goes into and comes out of models that agents give by name, for code in which the
    agents themselves cannot be changed. An agent that carries a model object is not reached, and
    tools are not: their calls are decided when the model asks for them, their results checked when
    the model reads them.

    Args:
        run_config: The configuration; by default a new one. It stays as it is.
        shield: Decides; by default one with settings from the environment.
        agent_id: The agent, for policies and events.

    Raises:
        UnguardableError: It is no ``RunConfig``.
    """
    config = RunConfig() if run_config is None else run_config
    if not isinstance(config, RunConfig):
        raise UnguardableError(
            f"{type(config).__name__} is no agents.RunConfig; guard an agent with shield_agent"
        )
    guard = guard_for(shield, agent_id, FRAMEWORK)
    provider = config.model_provider
    if guard_of(provider) is None:
        provider = cast("ModelProvider", GuardedProvider(provider, guard))
    model = config.model
    if isinstance(model, Model):
        model = guard_model(model, guard)
    return dataclasses.replace(config, model_provider=provider, model=model)


class _Guarding:
    """Guards agents that may hand over to one another in circles."""

    def __init__(
        self, shield: Shield | None, agent_id: str | None, provider: ModelProvider | None
    ) -> None:
        self._shield = shield
        self._agent_id = agent_id
        self._provider = provider
        self._known: dict[int, tuple[Any, Agent[Any]]] = {}

    def agent(self, agent: Agent[Any]) -> Agent[Any]:
        known = self._known.get(id(agent))
        if known is not None:
            return known[1]
        if guard_of(agent.model) is not None:
            return agent
        guard = guard_for(self._shield, self._agent_id or agent.name, FRAMEWORK)
        copied = copy.copy(agent)
        self._known[id(agent)] = (agent, copied)
        self._known[id(copied)] = (copied, copied)
        copied.model = guard_model(agent.model, guard, self._provider)
        copied.tools = [guard_tool(tool, guard) for tool in agent.tools]
        copied.mcp_servers = [guard_server(server, guard) for server in agent.mcp_servers]
        copied.handoffs = [self._handoff(item) for item in agent.handoffs]
        return copied

    def _handoff(self, item: Any) -> Any:
        if isinstance(item, Agent):
            return self.agent(item)
        if not isinstance(item, Handoff):
            return item
        original = item.on_invoke_handoff

        async def on_invoke_handoff(context: Any, arguments: str) -> Any:
            target = await original(context, arguments)
            return self.agent(target) if isinstance(target, Agent) else target

        copied = copy.copy(item)
        copied.on_invoke_handoff = on_invoke_handoff
        target = getattr(item, "_agent_ref", None)
        target = target() if target is not None else None
        if isinstance(target, Agent):
            # A run that is resumed from JSON finds its agents by these references.
            copied._agent_ref = weakref.ref(self.agent(target))
        return copied


def guard_for_agent(shield: Shield | None, agent_id: str | None) -> Guard:
    """The guard for guardrail objects."""
    return guard_for(shield, agent_id, FRAMEWORK)
