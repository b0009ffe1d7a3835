"""The demo's world: a mailbox, a calendar, payments, files and a machine. All of it in memory.

A scenario is judged by what has become of the world, never by what the shield says of itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_IMAGE = re.compile(r"!\[[^\]]*\]\(\s*<?(?P<url>[^)\s>]+)")
_REMOVE = re.compile(r"\brm\s+(?:-\S+\s+)*(?P<path>/\S*)")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail in the inbox; ``html`` is its body as it came in."""

    id: str
    sender: str
    subject: str
    html: str


@dataclass(frozen=True, slots=True)
class SentMail:
    """One mail that the agent sent."""

    to: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment that the agent made; ``amount`` is in euros."""

    recipient: str
    amount: float
    reference: str


@dataclass(slots=True)
class Event:
    """One entry of the calendar."""

    id: str
    title: str
    day: str
    time: str
    notes: str = ""


@dataclass(slots=True)
class World:
    """What the agent's tools read and change.

    Attributes:
        inbox: Mails, newest first.
        sent: Mails that were sent.
        calendar: Events.
        files: Text by path.
        payments: Payments that were made.
        commands: Commands that were run. Nothing is executed; removing a path removes files here.
        fetched: Addresses that the user's chat window fetched to show the answer.
        third_party: What a rented tool was told, and its owner now knows.
    """

    inbox: list[Mail] = field(default_factory=list)
    sent: list[SentMail] = field(default_factory=list)
    calendar: list[Event] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    payments: list[Payment] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    third_party: list[str] = field(default_factory=list)

    def mail(self, mail_id: str) -> Mail | None:
        """The mail with this id."""
        return next((mail for mail in self.inbox if mail.id == mail_id), None)

    def event(self, event_id: str) -> Event | None:
        """The event with this id."""
        return next((event for event in self.calendar if event.id == event_id), None)

    def run(self, command: str) -> str:
        """Record a command, and do to the files what an ``rm`` would do."""
        self.commands.append(command)
        for match in _REMOVE.finditer(command):
            path = match["path"]
            folder = path.rstrip("/") + "/"
            for name in [name for name in self.files if name == path or name.startswith(folder)]:
                del self.files[name]
        return "exit status 0"

    def show(self, answer: str) -> None:
        """Show an answer as a chat window does: images are fetched without anyone clicking."""
        self.fetched.extend(match["url"] for match in _IMAGE.finditer(answer))
