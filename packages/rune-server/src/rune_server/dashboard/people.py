"""Names of people, for lists that hold their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_server.accounts import members
from rune_server.actor import Permission

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rune_server.dashboard.view import View


async def names(view: View, ids: Iterable[str]) -> dict[str, str]:
    """A name for each id that a member, a key or a job of ours has written somewhere.

    Those who are gone keep their id, shortened; ``system`` is the server itself.
    """
    found = {one: _shortened(one) for one in ids if one}
    if found and view.actor.may(Permission.MEMBERS_READ):
        for member in await members.listed(view.platform, view.actor):
            for written in (str(member.user_id), f"user:{member.user_id}"):
                if written in found:
                    found[written] = member.name or member.email
    return found


def _shortened(written: str) -> str:
    kind, _, rest = written.rpartition(":")
    if written == "system" or kind == "system":
        return "Rune"
    return f"key {rest[:8]}" if kind == "key" else rest[:8]
