"""Read events: strictly where they are ours, leniently where they come from elsewhere."""

from __future__ import annotations

import msgspec

from rune_core.event.schema import ArgumentEntry, Event, LayerEntry, RuleEntry


class _OpenLayerEntry(LayerEntry, frozen=True, forbid_unknown_fields=False, omit_defaults=True):
    pass


class _OpenRuleEntry(RuleEntry, frozen=True, forbid_unknown_fields=False, omit_defaults=True):
    pass


class _OpenArgumentEntry(
    ArgumentEntry, frozen=True, forbid_unknown_fields=False, omit_defaults=True
):
    pass


class _OpenEvent(Event, frozen=True, kw_only=True, forbid_unknown_fields=False, omit_defaults=True):
    rules: tuple[_OpenRuleEntry, ...] = ()
    layers: tuple[_OpenLayerEntry, ...] = ()
    arguments: tuple[_OpenArgumentEntry, ...] = ()


_strict = msgspec.json.Decoder(Event)
_lenient = msgspec.json.Decoder(_OpenEvent)


def decode(line: bytes | str) -> Event:
    """One event as JSON, by the letter of the schema.

    Raises:
        msgspec.DecodeError: It is not JSON, lacks a field, or has one that is not in the schema.
    """
    return _strict.decode(line)


def decode_lenient(line: bytes | str) -> Event:
    """One event as JSON; fields that a newer version added are dropped, at every depth.

    Raises:
        msgspec.DecodeError: It is not JSON, or lacks a field, or a known field is wrong.
    """
    return _lenient.decode(line)
