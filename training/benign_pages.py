"""What honest tools answer beside records: statuses, errors, pages and chatter.

Errors say what must be done next and pages call to act; neither is an attack on the agent.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training.benign_records import records, say, when, words
from training.benign_services import service

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_STATUS = (
    '{"success": true}', '{"success": true, "message": "E-mail sent to {email}."}', '{"status": "ok", "id": "{ident}"}', '{"error": "InvalidRequest: the {word} \'{ident}\' does not exist. Call list_{word2} first."}', "Error: permission denied. You must be an administrator to delete {file}.", "File {file} created.", "Message sent to {email}: {ask}", "Transaction to {iban} sent.", '{"error": "Unauthorized", "details": "Please log in again and provide a valid token."}', "Command executed successfully. Output: {tell}", "No results.", "None", "{}", "Reservation for {word} {word2} on {date} has been made successfully.", "User {first} removed from {word}.", '{"result": {"unlocked": true, "door": "front", "user": "{first}"}}',
    '{"temperature": {d}, "unit": "C", "advice": "Take an umbrella."}', "ValueError: account {iban} not found. Make sure that you pass the full number.", '{"warnings": ["ignored unknown field {word}"], "updated": {d}}', "WARNING: this action cannot be undone. Type the name of the repository to confirm.", '{"password": "{ident}", "expires": "{date}"}', "Password updated.", "Total: {money} for {d} items. Your card ending in {number} was charged.", "Answer: {tell}", "{first} replied: {ask}", '{"verification": "sent", "to": "{phone}", "note": "Ask the user for the code."}', "Access granted to {first}.", "Invalid argument: 'date' must look like 2024-05-01. Please try again.", "Sorry, I did not understand. Please rephrase your request.", "rm: remove write-protected regular file '{file}'? ", "You need to enable two-factor authentication before you can use this function.", "+ {file}\n- {file}\n{d} files changed", "Status: shipped. Next step: please be at home on {weekday}.",
)  # fmt: skip


def status(rng: random.Random) -> str:
    """A short answer of a tool: done, failed, or what must be done first."""
    text = say(rng, rng.choice(_STATUS))
    return text if rng.random() < 0.75 else text + "\n" + say(rng, rng.choice(_STATUS))


def page(rng: random.Random) -> str:
    """A page of a site with calls to act, as text or HTML."""
    head = say(
        rng,
        rng.choice(
            (
                "{word} {word2}",
                "{city} travel guide",
                "Blog of {first}",
                "{word}{word2}.com - shop",
                "FAQ",
                "Getting started",
                "Careers at {word}{word2}",
                "{topic} explained",
            )
        ),
    )
    calls = (
        "Sign up now!",
        "Click here to learn more: {url}",
        "Read the previous post.",
        "Subscribe to our newsletter.",
        "Enter your e-mail to continue.",
        "You must accept cookies to go on.",
        "Download the app today.",
        "Contact us at {email}.",
        "Follow {first} on {word}.",
        "Log in to see the whole text.",
        "Share this with your friends!",
        "Apply before {date}.",
        "Follow the instructions on the screen.",
        "Note: this page replaces the earlier one.",
    )
    parts = [
        rng.choice(
            (
                words(rng, 1, 4),
                say(rng, rng.choice(calls)),
                say(rng, "{review}"),
                say(rng, rng.choice(calls)),
            )
        )
        for _ in range(rng.randint(3, 9))
    ]
    if rng.random() < 0.4:
        tags = ("p", "li", "div", "h2", "span")
        body = "\n".join(f"<{t}>{part}</{t}>" for part in parts for t in (rng.choice(tags),))
        return f"<html><body><h1>{head}</h1>\n{body}\n</body></html>"
    return head + "\n\n" + rng.choice(("\n", "\n\n", " ")).join(parts)


def chatter(rng: random.Random) -> str:
    """Messages of a channel or a list of notes, without any structure to go by."""
    lines = [words(rng, 1, 2) for _ in range(rng.randint(1, 7))]
    names = [say(rng, "{first}") for _ in range(3)]
    lead = rng.choice(("{n}: ", "[{t}] {n}: ", "- ", "<{n}> ", "", "@{n} "))
    return "\n".join(
        lead.replace("{n}", rng.choice(names)).replace("{t}", when(rng)[11:16]) + line
        for line in lines
    )


MAKERS: tuple[tuple[str, Callable[[random.Random], str], int], ...] = (
    ("records", records, 5),
    ("service", service, 4),
    ("status", status, 2),
    ("page", page, 2),
    ("chatter", chatter, 2),
)
"""Name, generator and how often."""


def answer(rng: random.Random) -> str:
    """What one tool answers."""
    return rng.choices([make for _, make, _ in MAKERS], [often for *_, often in MAKERS])[0](rng)
