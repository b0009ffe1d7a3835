"""The last gate before an event is queued: only names that look like names pass.

Most texts of an event come from code and configuration. Tool names, argument names and session
ids can come from a model or a user, and plug-ins bring their own ids: whatever does not look like
an identifier is replaced. An event that cannot be made fit is refused, and the loss is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rune_core.ids import MASKED_NAME, keyed_hash, safe_name, safe_title

if TYPE_CHECKING:
    from rune_core.event.schema import Event
    from rune_core.ids import KeyedHash


class CannotMaskError(Exception):
    """An event that could not be made fit to leave. Its message holds no content."""


def mask(event: Event, hashed: KeyedHash = keyed_hash) -> Event:
    """The event with every doubtful name replaced.

    Args:
        event: The event.
        hashed: Stands in for an id that an application chose and that is no identifier.

    Raises:
        CannotMaskError: It cannot be made fit.
    """
    try:
        if _is_fit(event):
            return event
        return msgspec.structs.replace(
            event,
            agent_id=safe_title(event.agent_id),
            agent_tags=tuple(_title(tag) for tag in event.agent_tags),
            session_id=_hashed(event.session_id, hashed),
            parent_id=safe_name(event.parent_id),
            detectors=tuple(_name(detector) for detector in event.detectors),
            policy=safe_title(event.policy),
            rule=safe_title(event.rule),
            rules=tuple(
                msgspec.structs.replace(entry, rule=_title(entry.rule), policy=_title(entry.policy))
                for entry in event.rules
            ),
            layers=tuple(
                msgspec.structs.replace(entry, layer=_name(entry.layer)) for entry in event.layers
            ),
            tool=safe_name(event.tool),
            tool_risk=event.tool_risk if event.tool_risk in ("low", "medium", "high") else None,
            tool_definition_hash=safe_name(event.tool_definition_hash),
            arguments=tuple(
                msgspec.structs.replace(entry, name=_name(entry.name)) for entry in event.arguments
            ),
            framework=safe_name(event.framework),
            adapter=safe_name(event.adapter),
        )
    except Exception:  # noqa: BLE001 - whatever it is, the event must not leave, nor its message
        raise CannotMaskError("the event could not be masked") from None


def _is_fit(event: Event) -> bool:
    """Whether nothing has to be replaced, as with nearly every event."""
    names = (
        event.session_id,
        event.parent_id,
        event.tool,
        event.tool_definition_hash,
        event.framework,
        event.adapter,
        *event.detectors,
        *(entry.name for entry in event.arguments),
        *(entry.layer for entry in event.layers),
    )
    titles = (
        event.agent_id,
        event.policy,
        event.rule,
        *event.agent_tags,
        *(name for entry in event.rules for name in (entry.rule, entry.policy)),
    )
    return (
        all(name is None or safe_name(name) == name for name in names)
        and all(title is None or safe_title(title) == title for title in titles)
        and event.tool_risk in (None, "low", "medium", "high")
    )


def _name(name: str) -> str:
    return safe_name(name) or MASKED_NAME


def _title(name: str) -> str:
    return safe_title(name) or MASKED_NAME


def _hashed(name: str | None, hashed: KeyedHash) -> str | None:
    """An id that an application chose, such as a user's mail address, keeps apart but unread."""
    safe = safe_name(name)
    return hashed(name) if name is not None and safe != name else safe
