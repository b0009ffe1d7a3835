<<<<<<< HEAD
"""Exports and erasures: what the law gives people."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Field

from rune_server import data
from rune_server.actor import Permission
from rune_server.api.shapes import PAGE, Body, Cursor, Limit, Listed, Name, Text, listed
from rune_server.api.who import ITEM, MADE, Caller, operation
from rune_server.data.model import DataJob

router = APIRouter(prefix="/v1", tags=["data"])
EXPORT, ERASE = Permission.DATA_EXPORT, Permission.DATA_ERASE
OneAgent = Annotated[Name | None, Field(description="By default everything.")]


class ExportBody(Body):
    """What to export."""

    agent_id: OneAgent = None


class ErasureBody(Body):
    """What to erase."""

    agent_id: OneAgent = None
    confirm: Annotated[
        Text,
        Field(max_length=128, description="The agent's id, or the organisation's name."),
    ]


@router.get("/exports", **operation("list_exports", EXPORT))
async def list_exports(
    caller: Caller, cursor: Cursor = None, limit: Limit = PAGE
) -> Listed[DataJob]:
    """The exports, the newest first."""
    return listed(
        await data.jobs(caller.platform, caller.actor, "export", cursor=cursor, limit=limit)
    )


@router.post("/exports", **operation("request_export", EXPORT, problems=MADE, status_code=202))
async def request_export(caller: Caller, body: ExportBody) -> DataJob:
    """Begin to collect what is stored of the organisation, or of one of its agents."""
    return await data.request_export(caller.platform, caller.actor, body.agent_id)


@router.get("/exports/{export_id}", **operation("get_export", EXPORT, problems=ITEM))
async def get_export(caller: Caller, export_id: UUID) -> DataJob:
    """How far an export is."""
    return await data.job(caller.platform, caller.actor, "export", export_id)


_DOWNLOAD = operation("download_export", EXPORT, problems=(404, 409))
_DOWNLOAD["responses"][200] = {
    "description": "Newline-delimited JSON, compressed by gzip.",
    "content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}},
}


@router.get("/exports/{export_id}/download", response_class=StreamingResponse, **_DOWNLOAD)
async def download_export(caller: Caller, export_id: UUID) -> StreamingResponse:
    """What an export holds: a line of JSON for each thing, compressed by gzip."""
    pieces = await data.download(caller.platform, caller.actor, export_id)
    name = f"rune-export-{export_id}.ndjson.gz"
    return StreamingResponse(
        pieces,
        media_type="application/gzip",
=======
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


@router.get(
    "/export",
    **operation("export_data", Permission.DATA_EXPORT, response_class=StreamingResponse),
)
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
>>>>>>> main
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


<<<<<<< HEAD
@router.delete(
    "/exports/{export_id}",
    **operation("delete_export", EXPORT, problems=ITEM, status_code=204),
)
async def delete_export(caller: Caller, export_id: UUID) -> None:
    """Remove an export. It goes by itself after seven days."""
    await data.delete_export(caller.platform, caller.actor, export_id)


@router.get("/erasures", **operation("list_erasures", ERASE))
async def list_erasures(
    caller: Caller, cursor: Cursor = None, limit: Limit = PAGE
) -> Listed[DataJob]:
    """The erasures, the newest first."""
    return listed(
        await data.jobs(caller.platform, caller.actor, "erasure", cursor=cursor, limit=limit)
    )


@router.post("/erasures", **operation("request_erasure", ERASE, problems=MADE, status_code=202))
async def request_erasure(caller: Caller, body: ErasureBody) -> DataJob:
    """Begin to erase what is stored of an agent, or of all. It cannot be undone."""
    return await data.request_erasure(
        caller.platform, caller.actor, body.agent_id, confirm=body.confirm
    )


@router.get("/erasures/{erasure_id}", **operation("get_erasure", ERASE, problems=ITEM))
async def get_erasure(caller: Caller, erasure_id: UUID) -> DataJob:
    """How far an erasure is."""
    return await data.job(caller.platform, caller.actor, "erasure", erasure_id)
=======
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
>>>>>>> main
