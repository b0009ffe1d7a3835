"""What the law gives people: their data to take away, and its erasure. By agent or all of it."""

from __future__ import annotations

from rune_server.data.model import DataJob
from rune_server.data.requests import (
    delete_export,
    download,
    job,
    jobs,
    request_erasure,
    request_export,
)

__all__ = [
    "DataJob",
    "delete_export",
    "download",
    "job",
    "jobs",
    "request_erasure",
    "request_export",
]
