"""What exports and erasures are to their callers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the API makes schemas of these types
from typing import Literal
from uuid import UUID  # noqa: TC003 - as above

JobKind = Literal["export", "erasure"]
JobState = Literal["pending", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class DataJob:
    """One export or erasure.

    Attributes:
        id: Its id.
        kind: ``export`` or ``erasure``.
        agent_id: The agent it is about; None for everything.
        state: ``pending``, ``running``, ``done`` or ``failed``.
        requested_by: A user's or key's id.
        created_at: When it was asked for.
        finished_at: When it was done or failed.
        expires_at: When an export is removed.
        events: How many events were exported or erased.
        bytes: Size of an export, compressed.
        fault: Why it failed; empty otherwise.
    """

    id: UUID
    kind: JobKind
    agent_id: str | None
    state: JobState
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    events: int
    bytes: int
    fault: str
