"""What people may ask for about their data: a copy, its erasure, and that it is not kept too long.

``export`` streams everything of an organisation or an agent, ``erasure`` removes it, ``retention``
removes what is older than an organisation keeps things.
"""

from __future__ import annotations

from rune_server.rights.erasure import ErasureInfo, erase_agent, erase_organisation, erasures
from rune_server.rights.export import export

__all__ = ["ErasureInfo", "erase_agent", "erase_organisation", "erasures", "export"]
