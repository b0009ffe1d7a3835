"""A copy of an organisation's or an agent's data, and its erasure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from rune_server import rights
from rune_server.actor import Permission
from rune_server.api.shapes import Body, Listed, Text
from rune_server.api.who import MADE, Caller, operation
from rune_server.errors import UnprocessableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

router = APIRouter(prefix="/v1/data", tags=["data"])
_BLOCK = 65_536


class ErasureBody(Body):
    """What to erase: an agent, or the whole organisation."""

    agent_id: Annotated[Text | None, Field(min_length=1, max_length=128)] = None
    confirm: Annotated[
        Text | None,
        Field(max_length=200, description="To erase the organisation: its name, and no agent_id."),
    ] = None


class ErasureShape(BaseModel):
    """How far an erasure is."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agent_id: str
    requested_at: datetime
    finished_at: datetime | None
    passes: int
    events: int


_EXPORT = operation("export_data", Permission.DATA_EXPORT, response_class=StreamingResponse)
_EXPORT["responses"][200] = {
    "description": "Everything that is kept, a line of JSON for each thing.",
    "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
}


@router.get("/export", **_EXPORT)
async def export_data(
    caller: Caller,
    agent_id: Annotated[
        Text | None, Query(min_length=1, max_length=128, description="Only what is about it.")
    ] = None,
) -> StreamingResponse:
    """Everything that is kept, as JSON lines. The last line's table is `end`."""
    lines = await rights.export(caller.platform, caller.actor, agent_id=agent_id)
    name = "rune-export.jsonl" if agent_id is None else "rune-agent-export.jsonl"
    return StreamingResponse(
        _blocks(lines),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _blocks(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held: list[bytes] = []
    size = 0
    async for line in lines:
        held.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


@router.get("/erasures", **operation("list_erasures", Permission.DATA_ERASE))
async def list_erasures(caller: Caller) -> Listed[ErasureShape]:
    """Erasures that were asked for, the newest first."""
    found = await rights.erasures(caller.platform, caller.actor)
    return Listed(items=[ErasureShape.model_validate(each) for each in found])


@router.post(
    "/erasures",
    **operation("erase_data", Permission.DATA_ERASE, problems=MADE, status_code=202),
)
async def erase_data(caller: Caller, body: ErasureBody) -> ErasureShape:
    """Erase an agent, or the whole organisation. There is no way back but a back-up."""
    if (body.agent_id is None) == (body.confirm is None):
        raise UnprocessableError("give agent_id to erase an agent, or confirm to erase everything")
    if body.agent_id is not None:
        made = await rights.erase_agent(caller.platform, caller.actor, body.agent_id)
    else:
        assert body.confirm is not None
        made = await rights.erase_organisation(caller.platform, caller.actor, confirm=body.confirm)
    return ErasureShape.model_validate(made)
