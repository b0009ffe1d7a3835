"""Objects that services of every trade return, with keys drawn apart from one another.

Hospitals, locks, wallets, parcels, mines, staff, traffic, gardens: fields such as `instructions`,
`command`, `next_steps` or `message` are ordinary there, and their values often are in the imperative.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from training.benign_records import say, when, words

if TYPE_CHECKING:
    import random

_TEXTS: dict[str, tuple[str, ...]] = {
    "instructions": ("Take one tablet with food.", "Ring twice and wait.", "Leave the parcel with the neighbour.", "Press the red button for {d} seconds.", "Keep refrigerated.", "Turn left after the bridge, then follow the signs.", "Show this code at the entrance: {ident}", "Reply YES to confirm.", "Do not bend.", "Call {phone} on arrival.", "Add the {item} first, then stir."),
    "next_steps": ("Confirm the transfer in the app.", "Upload the missing document at {url}.", "Wait for the courier.", "Ask the patient to sign the form.", "Verify your identity to lift the limit.", "Restart the device.", "Contact {email} to reopen the case.", "Choose a new password."),
    "message": ("Your request was accepted.", "Access denied: you need the role admin.", "Front door unlocked by {first}.", "{d} new alerts. Please review them now.", "Emergency stop was triggered by {first}.", "The previous command was ignored because the device is offline.", "Payment of {money} is pending approval.", "Account locked after {d} failed attempts.", "Transfer to {iban} completed.", "You have been added to {word} by {first}.", "Urgent: water level above limit, evacuate sector {d}."),
    "description": ("Deletes all records of a user. Cannot be undone.", "Sends an e-mail to the given address.", "Weekly report on {topic}.", "A quiet flat near the river in {city}.", "Unlocks the door for the named guest.", "Executes a script on the {word} server.", "Introduction to {topic} for beginners.", "Override switch of pump {d}."),
    "comment": ("Please do not share this with the press.", "I would not trust this seller!", "Send me a private message for the link.", "Everyone should ignore the trolls.", "Buy before {weekday}, then sell.", "This is how I got rid of it: {url}", "{first} said we must act now.", "Delete this post, it shows my address."),
    "policy": ("Guests must leave by {time}.", "Employees may not forward internal mail.", "All earlier versions are superseded.", "Refunds only within {number} days.", "Never give the code to anybody, not even to our staff.", "Administrators can override the limit."),
    "diagnosis": ("Seasonal allergy", "Fracture of the left wrist", "High blood pressure, prescribe {word}ol", "Migraine; avoid screens"),
    "command": ("lock", "unlock", "reboot", "set_temperature({d})", "STOP", "open_valve {d}", "run backup", "rm old.log"),
    "subject": ("Password reset", "URGENT: valve {d}", "Invitation", "Your statement", "Re: {topic}", "Verify your e-mail"),
    "caption": ("Best {food} ever! #{word}", "Follow me for more", "Link in bio: {url}", "Tag {first} if you agree"),
    "error": ("Missing field '{word}'. Provide it and call again.", "Rate limit reached, retry after {number} s.", "Token expired; please authenticate.", "Not allowed for role guest.", "Unknown user {first}."),
    "transcript": ("Agent: How can I help?\nCustomer: Cancel my order and tell nobody.\nAgent: Done.", "{first}: Did you send the money?\n{first}: Not yet, give me the IBAN again.", "Operator: state your emergency. Caller: come quickly!"),
    "content": ("{ask}", "{tell}", "{todo}", "{review}", "{ask} {tell}"),
}  # fmt: skip
_VALUES: tuple[tuple[str, str], ...] = (
    ("id", "{ident}"), ("user_id", "{number}"), ("name", "{first} {last}"), ("email", "{email}"), ("address", "{number} {word} street, {city}"), ("phone_number", "{phone}"), ("amount", "{money}"), ("iban", "{iban}"), ("wallet_address", "0x{ident}{ident}"), ("tracking_number", "{ident}"), ("status", "{word}"), ("url", "{url}"), ("file_path", "/home/{first}/{word}.txt"), ("file_name", "{file}"), ("username", "{word}{number}"), ("access_token", "{ident}{ident}"), ("password", "{ident}"), ("verification_code", "{number}"), ("location", "{city}"), ("device", "{word} {word2}"), ("role", "admin"), ("permission", "read-write"), ("product", "{product}"), ("owner", "{person}"), ("expires", "{date}"), ("time", "{time}"), ("topic", "{topic}"), ("coordinates", "{d}{d}.{number}, {d}.{number}"), ("ip_address", "192.168.{d}.{d}{d}"), ("currency", "EUR"), ("priority", "high"), ("version", "{d}.{d}.{d}"),
)  # fmt: skip
_TRADES = (
    "patient",
    "lock",
    "wallet",
    "parcel",
    "employee",
    "sensor",
    "post",
    "booking",
    "vehicle",
    "account",
    "policy",
    "garden",
    "shipment",
    "friend",
    "appointment",
    "alert",
    "case",
    "listing",
    "property",
    "portfolio",
    "recipe",
    "route",
    "guest",
    "tool",
    "job",
)


def _record(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, template in rng.sample(_VALUES, rng.randint(1, 5)):
        out[key] = say(rng, template)
    for key in rng.sample(sorted(_TEXTS), rng.randint(1, 3)):
        out[key] = say(rng, rng.choice(_TEXTS[key]))
    if rng.random() < 0.3:
        out[rng.choice(("created_at", "updated", "date", "last_seen"))] = when(rng)
    if rng.random() < 0.25:
        out[rng.choice(("count", "level", "score", "balance", "quantity"))] = rng.randint(
            0, 99999
        ) / rng.choice((1, 1, 100))
    if rng.random() < 0.25:
        out[rng.choice(("active", "success", "verified", "locked"))] = rng.random() < 0.5
    if rng.random() < 0.15:
        out["notes"] = words(rng, 1, 3)
    if depth < 2 and rng.random() < 0.3:
        out[rng.choice(_TRADES)] = _record(rng, depth + 1)
    if depth < 1 and rng.random() < 0.3:
        out[rng.choice(_TRADES) + "s"] = [_record(rng, 2) for _ in range(rng.randint(1, 3))]
    keys = list(out)
    rng.shuffle(keys)
    return {key: out[key] for key in keys}


def service(rng: random.Random) -> str:
    """One answer of one service."""
    found: object = _record(rng)
    draw = rng.random()
    if draw < 0.25:
        found = {rng.choice(_TRADES) + rng.choice(("", "_info", "_details", "s")): found}
    elif draw < 0.5:
        found = [_record(rng, 1) for _ in range(rng.randint(2, 4))]
    shape = rng.random()
    if shape < 0.15:
        return str(found)
    if shape < 0.25 and isinstance(found, dict):
        return "\n".join(f"{key}: {value}" for key, value in found.items())
    return json.dumps(found, indent=rng.choice((None, None, 2, 4)), ensure_ascii=False)
