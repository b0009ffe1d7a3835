"""The edge: what agents speak to. Raw ASGI, one request after another through the same gate.

::

    request ──> caps per address ──> key ──> permission ──> limits ──> handler
    /v1/events    events.py    decode ──> Ingest ──> 202
    /v1/policies, /v1/stream, /v1/status       policies.py, stream.py, status.py
    /healthz, /readyz, /metrics                health.py
"""

from rune_server.edge.app import app
from rune_server.edge.call import Call

__all__ = ["Call", "app"]
