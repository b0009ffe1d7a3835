"""Agents, their tools, and the processes that run them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from rune_server import agents
from rune_server.actor import Permission
from rune_server.agents.model import Agent, AgentSpec, Instance, Tool, ToolChange
from rune_server.api.shapes import (
    PAGE,
    AgentFilter,
    Body,
    Cursor,
    Days,
    IfMatch,
    Limit,
    Listed,
    Name,
    Text,
    listed,
    tagged,
    version_in,
)
from rune_server.api.who import CHANGED, ITEM, MADE, Caller, operation

router = APIRouter(prefix="/v1", tags=["agents"])
READ, WRITE = Permission.EVENTS_READ, Permission.AGENTS_WRITE
AgentId = Annotated[Text, Path(min_length=1, max_length=128)]
Search = Annotated[Text, Query(max_length=200, description="Part of an id, name or tag.")]


class AgentEntry(Body):
    """What people enter about an agent."""

    name: Annotated[Text, Field(max_length=200)] = ""
    framework: Annotated[Text, Field(max_length=128)] = ""
    description: Annotated[Text, Field(max_length=1000)] = ""
    tags: Annotated[list[Name], Field(max_length=50)] = []


class NewAgent(AgentEntry):
    """An agent to be entered."""

    agent_id: Name


@router.get("/agents", **operation("list_agents", READ))
async def list_agents(
    caller: Caller,
    days: Days = 7,
    search: Search = "",
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Listed[Agent]:
    """The agents with what they did of late, the riskiest first."""
    return listed(
        await agents.agents(
            caller.platform,
            caller.actor,
            window=timedelta(days=days),
            search=search,
            cursor=cursor,
            limit=limit,
        )
    )


@router.post("/agents", **operation("register_agent", WRITE, problems=MADE, status_code=201))
async def register_agent(caller: Caller, body: NewAgent, response: Response) -> Agent:
    """Enter an agent, heard of or not."""
    found = await agents.register(caller.platform, caller.actor, _spec(body.agent_id, body))
    tagged(response, found.version)
    return found


@router.get("/agents/{agent_id:path}", **operation("get_agent", READ, problems=ITEM))
async def get_agent(caller: Caller, agent_id: AgentId, response: Response, days: Days = 7) -> Agent:
    """One agent."""
    found = await agents.agent(caller.platform, caller.actor, agent_id, window=timedelta(days=days))
    tagged(response, found.version)
    return found


@router.put("/agents/{agent_id:path}", **operation("edit_agent", WRITE, problems=CHANGED))
async def edit_agent(
    caller: Caller, agent_id: AgentId, body: AgentEntry, if_match: IfMatch, response: Response
) -> Agent:
    """Change what is entered about an agent."""
    found = await agents.edit(
        caller.platform, caller.actor, _spec(agent_id, body), version=version_in(if_match)
    )
    tagged(response, found.version)
    return found


@router.get("/tools", **operation("list_tools", READ))
async def list_tools(caller: Caller, agent_id: AgentFilter = None, days: Days = 7) -> Listed[Tool]:
    """The tools of an agent, or of all."""
    found = await agents.tools(caller.platform, caller.actor, agent_id, window=timedelta(days=days))
    return Listed(items=found)


@router.get("/tool-changes", **operation("list_tool_changes", READ))
async def list_tool_changes(
    caller: Caller, agent_id: AgentFilter = None, cursor: Cursor = None, limit: Limit = PAGE
) -> Listed[ToolChange]:
    """Tools that agents got or whose definition changed, the latest first."""
    return listed(
        await agents.changes(
            caller.platform, caller.actor, agent_id=agent_id, cursor=cursor, limit=limit
        )
    )


@router.get("/instances", **operation("list_instances", READ))
async def list_instances(
    caller: Caller,
    agent_id: AgentFilter = None,
    live: bool = False,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Listed[Instance]:
    """The processes that report; with `live`, those that did within the last hour."""
    return listed(
        await agents.instances(
            caller.platform,
            caller.actor,
            agent_id=agent_id,
            live=live,
            cursor=cursor,
            limit=limit,
        )
    )


def _spec(agent_id: str, body: AgentEntry) -> AgentSpec:
    return AgentSpec(
        agent_id=agent_id,
        name=body.name,
        framework=body.framework,
        description=body.description,
        tags=tuple(body.tags),
    )
