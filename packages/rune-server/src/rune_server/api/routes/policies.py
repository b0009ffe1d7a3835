"""Policies: documents, revisions, publication. ``GET /v1/policies`` itself is the agents'."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from rune_server import agents, policies
from rune_server.actor import Permission
from rune_server.api.shapes import (
    MAX_NUMBER,
    PAGE,
    Body,
    Cursor,
    Days,
    IfMatch,
    Limit,
    Listed,
    Name,
    Number,
    RevisionNumber,
    Text,
    listed,
    tagged,
    version_in,
)
from rune_server.api.who import CHANGED, DELETED, ITEM, MADE, Caller, operation
from rune_server.policies.model import (
    Adoption,
    Diff,
    DryRun,
    Policy,
    Publication,
    Revision,
    Validation,
)

router = APIRouter(prefix="/v1/policies", tags=["policies"])
READ, WRITE = Permission.POLICIES_READ, Permission.POLICIES_WRITE
Yaml = Annotated[Text, Field(max_length=1_000_000, description="The policy, in YAML.")]
Note = Annotated[Text, Field(max_length=500, description="What changed and why.")]
Numbered = Annotated[int, Query(ge=0, le=MAX_NUMBER)]


class NewPolicy(Body):
    """A policy to be made."""

    name: Name
    yaml: Yaml
    note: Note = ""


class Edit(Body):
    """A new text of a policy."""

    yaml: Yaml
    note: Note = ""


class YamlText(Body):
    """A text to be looked at."""

    yaml: Yaml


class Trial(Body):
    """A text to be held against what happened."""

    yaml: Yaml
    days: Annotated[int, Field(ge=1, le=90)] = 7
    agents: Annotated[list[Name], Field(max_length=50)] = []


class Publish(Body):
    """What to put in force."""

    revision: Annotated[Number | None, Field(description="By default the latest.")] = None
    percent: Annotated[int, Field(ge=1, le=100, description="Of instances.")] = 100


class RollBack(Body):
    """What to go back to."""

    to: Annotated[
        Number | None, Field(description="By default what was in force before the present one.")
    ] = None


@router.get("/documents", **operation("list_policies", READ))
async def list_policies(
    caller: Caller, cursor: Cursor = None, limit: Limit = PAGE, archived: bool = False
) -> Listed[Policy]:
    """The policies in order of name; with `archived`, also those put away."""
    return listed(
        await policies.policies(
            caller.platform, caller.actor, cursor=cursor, limit=limit, archived=archived
        )
    )


@router.post("/documents", **operation("create_policy", WRITE, problems=MADE, status_code=201))
async def create_policy(caller: Caller, body: NewPolicy, response: Response) -> Policy:
    """Make a policy. It is not in force before it is published."""
    found = await policies.create(
        caller.platform, caller.actor, body.name, body.yaml, note=body.note
    )
    tagged(response, found.version)
    response.headers["Location"] = f"/v1/policies/documents/{found.id}"
    return found


@router.get("/documents/{policy_id}", **operation("get_policy", READ, problems=ITEM))
async def get_policy(caller: Caller, policy_id: UUID, response: Response) -> Policy:
    """One policy, without its text."""
    found = await policies.policy(caller.platform, caller.actor, policy_id)
    tagged(response, found.version)
    return found


@router.put("/documents/{policy_id}", **operation("edit_policy", WRITE, problems=CHANGED))
async def edit_policy(
    caller: Caller, policy_id: UUID, body: Edit, if_match: IfMatch, response: Response
) -> Policy:
    """Give it a new text, as its latest revision. What is in force stays in force."""
    found = await policies.edit(
        caller.platform,
        caller.actor,
        policy_id,
        body.yaml,
        note=body.note,
        version=version_in(if_match),
    )
    tagged(response, found.version)
    return found


@router.delete("/documents/{policy_id}", **operation("archive_policy", WRITE, problems=DELETED))
async def archive_policy(caller: Caller, policy_id: UUID, if_match: IfMatch) -> Policy:
    """Put it away, out of force. Its revisions stay."""
    return await policies.archive(
        caller.platform, caller.actor, policy_id, version=version_in(if_match)
    )


@router.get("/documents/{policy_id}/revisions", **operation("list_revisions", READ, problems=ITEM))
async def list_revisions(
    caller: Caller, policy_id: UUID, cursor: Cursor = None, limit: Limit = PAGE
) -> Listed[Revision]:
    """Its revisions without their texts, the newest first."""
    return listed(
        await policies.revisions(
            caller.platform, caller.actor, policy_id, cursor=cursor, limit=limit
        )
    )


@router.get(
    "/documents/{policy_id}/revisions/{number}", **operation("get_revision", READ, problems=ITEM)
)
async def get_revision(caller: Caller, policy_id: UUID, number: RevisionNumber) -> Revision:
    """One revision with its text."""
    return await policies.revision(caller.platform, caller.actor, policy_id, number)


@router.get(
    "/documents/{policy_id}/revisions/{number}/dry-run",
    **operation("dry_run_revision", READ, problems=ITEM),
)
async def dry_run_revision(
    caller: Caller, policy_id: UUID, number: RevisionNumber, days: Days = 7
) -> DryRun:
    """How often each rule of a revision would have matched. Also needs events:read."""
    return await policies.dry_run_revision(
        caller.platform, caller.actor, policy_id, number, days=days
    )


@router.get("/documents/{policy_id}/diff", **operation("diff_policy", READ, problems=ITEM))
async def diff_policy(caller: Caller, policy_id: UUID, before: Numbered, after: Numbered) -> Diff:
    """Two revisions compared; 0 stands for the empty text."""
    return await policies.diff(caller.platform, caller.actor, policy_id, before, after)


@router.get(
    "/documents/{policy_id}/publications",
    **operation("list_publications", READ, problems=ITEM),
)
async def list_publications(caller: Caller, policy_id: UUID) -> Listed[Publication]:
    """Its last 50 steps into force and out of it, the newest first."""
    found = await policies.publications(caller.platform, caller.actor, policy_id)
    return Listed(items=list(found))


@router.post(
    "/documents/{policy_id}/publish", **operation("publish_policy", WRITE, problems=CHANGED)
)
async def publish_policy(
    caller: Caller, policy_id: UUID, body: Publish, if_match: IfMatch, response: Response
) -> Policy:
    """Put a revision in force, for all instances or for some first."""
    found = await policies.publish(
        caller.platform,
        caller.actor,
        policy_id,
        revision=body.revision,
        percent=body.percent,
        version=version_in(if_match),
    )
    tagged(response, found.version)
    return found


@router.post("/documents/{policy_id}/abort", **operation("abort_rollout", WRITE, problems=DELETED))
async def abort_rollout(
    caller: Caller, policy_id: UUID, if_match: IfMatch, response: Response
) -> Policy:
    """End a roll-out: every instance goes back to what is published."""
    found = await policies.abort(
        caller.platform, caller.actor, policy_id, version=version_in(if_match)
    )
    tagged(response, found.version)
    return found


@router.post(
    "/documents/{policy_id}/roll-back", **operation("roll_back_policy", WRITE, problems=CHANGED)
)
async def roll_back_policy(
    caller: Caller, policy_id: UUID, body: RollBack, if_match: IfMatch, response: Response
) -> Policy:
    """Put an earlier text back in force everywhere, as a new revision."""
    found = await policies.roll_back(
        caller.platform, caller.actor, policy_id, to=body.to, version=version_in(if_match)
    )
    tagged(response, found.version)
    return found


@router.post(
    "/documents/{policy_id}/withdraw", **operation("withdraw_policy", WRITE, problems=DELETED)
)
async def withdraw_policy(
    caller: Caller, policy_id: UUID, if_match: IfMatch, response: Response
) -> Policy:
    """Take it out of force everywhere."""
    found = await policies.withdraw(
        caller.platform, caller.actor, policy_id, version=version_in(if_match)
    )
    tagged(response, found.version)
    return found


@router.post("/validate", **operation("validate_policy", READ, problems=(413, 415)))
async def validate_policy(caller: Caller, body: YamlText) -> Validation:
    """What agents would say of a text: its faults by line, or its rules."""
    return await policies.validate(caller.platform, caller.actor, body.yaml)


@router.post("/dry-run", **operation("dry_run_policy", READ, problems=(413, 415)))
async def dry_run_policy(caller: Caller, body: Trial) -> DryRun:
    """How often each rule of a text would have matched. Also needs events:read."""
    return await policies.dry_run(
        caller.platform, caller.actor, body.yaml, days=body.days, agents=tuple(body.agents)
    )


@router.get("/adoption", **operation("get_adoption", READ))
async def get_adoption(caller: Caller) -> Adoption:
    """How many instances run exactly what they should, and what others refused."""
    return await agents.adoption(caller.platform, caller.actor)
