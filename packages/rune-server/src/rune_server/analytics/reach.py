"""Whether a ClickHouse server answers at all: a query that takes long is no server that hangs.

A query may take half a minute. Nobody should wait that long for a server that will not answer, so
whoever waits asks it every other second whether it is there.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECONDS = 2.0
"""How long a call may take before the server is asked, and how long it has to answer that."""


async def answers(url: str, ca_file: Path | None) -> bool:
    """Whether a server is there. A proxy that says the server behind it is not, is no server.

    Args:
        url: The server's address; user and password are left out.
        ca_file: The only authority that is trusted; None for those of the system.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    verify = True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
    try:
        async with httpx2.AsyncClient(verify=verify, timeout=PATIENCE_SECONDS) as client:
            answer = await client.get(f"{parts.scheme}://{host}/ping")
    except (httpx2.HTTPError, OSError):
        return False
    return answer.status_code not in (502, 503, 504)
