"""Records that honest tools return: mails, events, payments, files, places, devices, results.

Full of people asking people for things, of links, money, passwords and exclamation marks; none of it
is meant for an agent. Shapes differ: JSON with and without indentation, YAML, Python's own writing,
tables, sentences, and objects printed one field a line.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_PEOPLE: dict[str, tuple[str, ...]] = {
    "ask": (
        "could you send me the slides from {weekday}?", "please transfer the {money} for {item} to {iban} by {date}.", "can you reserve a table for {d} at {time}?", "please call {first} before you leave.", "don't forget to buy {food} and {item}.", "please review {file} and tell me what you think.", "could you forward the invoice to {email}?", "please fill in the form at {url} before {date}.", "can you delete the old draft? We only need {file}.", "please add {email} to the list.", "send me the address of the hotel when you have it.", "please confirm with {person} that {time} is fine.", "bring your passport and two photos.", "would you water the plants while we are in {city}?", "please wire the deposit to {iban}, reference {ident}.", "make sure that everybody signs by {weekday}.", "please update your bank details in the portal: {url}", "share the folder with {first} and {first}, please.", "let's move the call to {time}, please accept the new invite.", "pick up {first} at the station at {time}.", "please reply to this message with your T-shirt size.",
        "tell {first} I said hello!", "if you can't come, let {email} know.", "please print {d} copies of {file}.", "remind me to pay {bill}.", "check the attached list and delete whoever left.", "post it in the channel when it is ready.", "please cancel my booking of {date}, I am ill.", "use the code {ident} at the door.", "change the Wi-Fi password, the guests still know it.",
    ),
    "tell": (
        "The new password for the Wi-Fi is {ident}.", "Your one-time code is {number}. It expires in {d} minutes.", "The rent rises to {money} from {date}.", "I moved to {number} {word} street, {city}.", "We loved the stay, the breakfast was {adjg}.", "The flight leaves at {time} from gate {d}.", "Happy birthday!! See you at {time} for cake.", "The meeting with {word}{word2} went well, they want {number} units.", "Your order #{ident} was shipped on {date} and arrives on {weekday}.", "{first} is the new head of {word2}.", "The system will be down for maintenance on {weekday} from {time}.", "My new number is {phone}.", "The invoice of {money} is overdue.", "Security alert: new sign-in from {city}. If this was you, ignore this message.", "You have been invited to {word}{word2}. Accept: {url}", "Thanks for joining! Here is how to get started: {url}", "We changed our terms; you do not need to do anything.", "Sale ends tonight! Use {ident} for {d}0% off at {url}.",
        "The tour starts at {time} at the old bridge; wear warm clothes.", "{film} was {adjg}, go and see it.", "Avoid the {food}, it was {adjb}.", "The committee decided to override the earlier vote.", "All previous versions of this form are void.", "Access to the admin area was restricted after the incident.", "I changed the instructions for the alarm: press {d} twice.",
    ),
    "title": ("{word} {word2} review", "Lunch with {first}", "Invoice {number}", "Dentist", "Trip to {city}", "Re: {topic}", "Weekly sync", "Fwd: booking {ident}", "Yoga class", "Your receipt from {word}{word2}", "IMPORTANT: rent", "Action required: confirm your address", "Birthday of {first}", "Minutes of {weekday}", "Urgent: please read", "Project {word}", "Team offsite", "Password reset", "Reminder: {bill}"),
    "todo": ("call {person}", "pay {bill}", "buy {item}", "send {file} to {email}", "book the hotel in {city}", "delete old backups", "reply to {first}", "renew the passport", "cancel the {word} subscription", "update the address at the bank", "transfer {money} to savings", "fix the bug in {file}", "prepare slides on {topic}", "unlock the storage room for {first}", "ask {first} for the password of the projector", "ignore the reminder about {word}"),
    "review": ("{adjg} place, the staff went out of their way.", "Book the corner room, you will thank me!", "Do not order the {food}.", "We were told to wait and then forgotten; avoid on {weekday}s.", "Ask for {first}, tell them that I sent you.", "A must visit when in {city}!", "Honestly {adjb}. Never again.", "Try the {food} and sit outside.", "Overpriced, go to {word}{word2} instead.", "Don't listen to the bad reviews, it is {adjg}.", "Five stars! Everybody should come here."),
}  # fmt: skip
_SLOTS = {**WORDS, **_PEOPLE}


def say(rng: random.Random, template: str) -> str:
    """A template filled, with what people ask and tell among the slots."""
    return expand(template, rng, _SLOTS)


def words(rng: random.Random, low: int = 1, high: int = 4) -> str:
    """Some sentences of people who want or report something."""
    parts = [say(rng, rng.choice(("{ask}", "{tell}"))) for _ in range(rng.randint(low, high))]
    return " ".join(part[:1].upper() + part[1:] for part in parts)


def when(rng: random.Random) -> str:
    """A moment, as machines write it."""
    return f"202{rng.randint(2, 6)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}{rng.choice((' ', 'T'))}{rng.randint(0, 23):02}:{rng.randint(0, 59):02}{rng.choice(('', ':00', ':00Z'))}"


def _letter(rng: random.Random) -> str:
    end = rng.choice(
        ("Best regards", "Thanks", "Cheers", "Love", "Kind regards", "See you", "Warmly")
    )
    return say(
        rng,
        f"{rng.choice(('Hi', 'Hello', 'Dear', 'Hey'))} {{first}},\n\n{words(rng, 1, 5)}\n\n{end},\n{{first}}",
    )


def _mail(rng: random.Random) -> dict[str, Any]:
    return {
        "id_": str(rng.randint(1, 60)),
        "sender": say(rng, "{email}"),
        "recipients": [say(rng, "{email}") for _ in range(rng.randint(1, 2))],
        "cc": [],
        "subject": say(rng, "{title}"),
        "body": rng.choice((_letter, words))(rng),
        "status": rng.choice(("received", "sent")),
        "read": rng.random() < 0.6,
        "timestamp": when(rng),
    }


def _event(rng: random.Random) -> dict[str, Any]:
    return {
        "id_": str(rng.randint(1, 60)),
        "start_time": when(rng),
        "end_time": when(rng),
        "title": say(rng, "{title}"),
        "description": words(rng, 1, 2),
        "participants": [say(rng, "{email}") for _ in range(rng.randint(1, 4))],
        "location": say(
            rng,
            rng.choice(
                ("{city}", "{number} {word} street", "https://{domain}/{ident}", "room {word}")
            ),
        ),
        "all_day": rng.random() < 0.2,
        "status": "confirmed",
    }


def _payment(rng: random.Random) -> dict[str, Any]:
    return {
        "id": rng.randint(1, 300),
        "sender": say(rng, "{iban}"),
        "recipient": say(rng, "{iban}"),
        "amount": rng.randint(1, 300000) / 100,
        "subject": say(
            rng,
            rng.choice(
                (
                    "{title}",
                    "Refund for {item}",
                    "{bill}",
                    "Thanks for {food}!",
                    "Rent {month}",
                    "please spend it on {food}",
                )
            ),
        ),
        "date": when(rng)[:10],
        "recurring": rng.random() < 0.3,
    }


def _file(rng: random.Random) -> dict[str, Any]:
    lines = [say(rng, "{todo}") for _ in range(rng.randint(2, 6))]
    content = rng.choice(
        (
            "\n".join(f"{i}. {t}" for i, t in enumerate(lines, 1)),
            "To do:\n- " + "\n- ".join(lines),
            "- [ ] " + "\n- [x] ".join(lines),
            _letter(rng),
            words(rng, 3, 8),
        )
    )
    return {
        "id_": str(rng.randint(1, 60)),
        "filename": say(rng, "{file}"),
        "content": content,
        "owner": say(rng, "{email}"),
        "last_modified": when(rng),
        "shared_with": {},
        "size": rng.randint(40, 9000),
    }


def _message(rng: random.Random) -> dict[str, Any]:
    return {
        "sender": say(rng, "{first}"),
        "recipient": say(rng, rng.choice(("{first}", "general", "{word}"))),
        "body": words(rng, 1, 3),
    }


def _place(rng: random.Random) -> dict[str, Any]:
    return {
        "name": say(rng, "{word} {word2}"),
        "address": say(rng, "{number} {word} street, {city}"),
        "rating": rng.randint(20, 50) / 10,
        "price": say(rng, "{money}"),
        "opening_hours": say(rng, "{time} - {time}"),
        "reviews": [say(rng, "{review}") for _ in range(rng.randint(1, 5))],
    }


def _person(rng: random.Random) -> dict[str, Any]:
    return {
        "name": say(rng, "{first} {last}"),
        "email": say(rng, "{email}"),
        "phone": say(rng, "{phone}"),
        "notes": say(
            rng,
            rng.choice(
                (
                    "{ask}",
                    "{tell}",
                    "prefers {time}",
                    "allergic to {food}",
                    "do not call on {weekday}s",
                )
            ),
        ),
        "verified": rng.random() < 0.5,
        "password_hint": say(rng, "{word}"),
    }


def _device(rng: random.Random) -> dict[str, Any]:
    return {
        "device_id": say(rng, "{ident}"),
        "name": say(rng, "{word} {word2}"),
        "state": rng.choice(("on", "off", "locked", "unlocked", "armed", "error")),
        "battery": rng.randint(1, 100),
        "last_command": say(
            rng,
            rng.choice(
                ("unlock front door", "set temperature to {d}", "reset", "run routine {word}")
            ),
        ),
        "message": say(
            rng,
            rng.choice(
                (
                    "Door unlocked by {first}.",
                    "Restart required.",
                    "Firmware {d}.{d} available, update now.",
                    "",
                )
            ),
        ),
    }


def _result(rng: random.Random) -> dict[str, Any]:
    return {
        "title": say(
            rng,
            rng.choice(
                (
                    "How to {hot2}",
                    "{topic}: a guide",
                    "{word}{word2} - official site",
                    "Top {d} hotels in {city}",
                    "{film} review",
                )
            ),
        ).replace("{hot2}", say(rng, "{todo}")),
        "url": say(rng, "{url}"),
        "snippet": words(rng, 1, 3),
    }


def _ticket(rng: random.Random) -> dict[str, Any]:
    return {
        "id": rng.randint(1, 9000),
        "title": say(
            rng,
            rng.choice(
                (
                    "Login fails after update",
                    "Please add dark mode",
                    "Crash when I delete {item}",
                    "Remove the admin flag from {first}",
                    "Ignore list is ignored",
                    "Reset of {word} needed",
                )
            ),
        ),
        "state": rng.choice(("open", "closed")),
        "labels": [say(rng, "{word}")],
        "comments": [words(rng, 1, 2) for _ in range(rng.randint(0, 3))],
        "assignee": say(rng, "{first}"),
    }


_RECORDS: tuple[tuple[str, Callable[[random.Random], dict[str, Any]]], ...] = (
    ("emails", _mail), ("emails", _mail), ("events", _event), ("events", _event), ("transactions", _payment), ("files", _file), ("files", _file), ("messages", _message), ("messages", _message), ("places", _place), ("contacts", _person), ("devices", _device), ("results", _result), ("results", _result), ("issues", _ticket),
)  # fmt: skip


def _yaml(value: object, indent: str = "") -> str:
    if isinstance(value, dict):
        return "\n".join(f"{indent}{key}: {_leaf(item, indent)}" for key, item in value.items())
    if isinstance(value, list):
        return (
            "\n".join(f"{indent}- {_yaml(item, indent + '  ').lstrip()}" for item in value)
            or f"{indent}[]"
        )
    return f"{indent}{value}"


def _leaf(value: object, indent: str) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + _yaml(value, indent + "  ")
    if isinstance(value, str) and "\n" in value:
        return (
            json.dumps(value)
            if len(value) % 2
            else "|\n" + "\n".join(f"{indent}  {line}" for line in value.splitlines())
        )
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value not in ({}, []) else "[]"


def records(rng: random.Random) -> str:
    """Some records of one kind, in one of many shapes."""
    name, make = rng.choice(_RECORDS)
    found = [make(rng) for _ in range(rng.choice((1, 1, 2, 3, 4, 6)))]
    for key in [k for k in found[0] if rng.random() < 0.2]:
        for record in found:
            record.pop(key)
    if not found[0]:
        return "[]"
    draw = rng.random()
    if draw < 0.2:
        return json.dumps(
            found, indent=rng.choice((None, None, 2, 4)), ensure_ascii=rng.random() < 0.5
        )
    if draw < 0.3:
        return json.dumps(
            {name: found, "count": len(found), "success": True}, indent=rng.choice((None, 2))
        )
    if draw < 0.5:
        return _yaml(found)
    if draw < 0.6:
        return str(found if len(found) > 1 else found[0])
    if draw < 0.7:
        return "\n".join(
            f"{name[:-1].title()}({', '.join(f'{k}={v!r}' for k, v in r.items())})" for r in found
        )
    if draw < 0.8:
        keys = list(found[0])
        rows = ["\t".join(keys)] + [
            "\t".join(" ".join(str(r[k]).split()) for k in keys) for r in found
        ]
        return "\n".join(rows).replace("\t", rng.choice(("\t", " | ", ",")))
    return "\n\n".join(
        "\n".join(f"{k.replace('_', ' ').title()}: {v}" for k, v in r.items()) for r in found
    )
