"""Which instances a staged roll-out reaches."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

_PARTS: Final = 10_000


def reaches(policy_id: UUID, revision: int, percent: int, instance: str) -> bool:
    """Whether an instance is among the ``percent`` that get a revision first.

    The choice is a hash: the same at every process of the server, and an instance once reached
    stays reached while the percentage grows. Each revision begins with other instances.

    Args:
        policy_id: The policy.
        revision: The revision that is rolled out.
        percent: 0 to 100.
        instance: The instance's id; one without an id is reached last.
    """
    if not instance:
        return percent >= 100
    digest = hashlib.sha256(f"{policy_id}:{revision}:{instance}".encode("utf-8", "replace"))
    return int.from_bytes(digest.digest()[:8], "big") % _PARTS < percent * (_PARTS // 100)
