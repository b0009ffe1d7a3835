"""How the scripted model goes about a request: one small plan per kind of request.

A plan is an ordinary function. ``desk.call(…)`` returns the result of a tool call if the model has
already seen it, and otherwise ends the turn by making that call; the plan then runs again from
its start with one more result.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rune_langchain.demo.hearing import Call, Result, closing_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from rune_langchain.demo.hearing import Heard

_HIDDEN = re.compile(r"<!--.*?-->|<(\w+)[^>]*display:\s*none[^>]*>.*?</\1>", re.DOTALL)
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


class NextCall(Exception):  # noqa: N818 - the end of a turn, not an error
    """Ends a plan with a tool call."""

    def __init__(self, call: Call) -> None:
        self.call = call


class Answer(Exception):  # noqa: N818 - the end of a turn, not an error
    """Ends a plan early with an answer."""


class Desk:
    """What a plan works with: the texts heard, and the tools offered."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def call(self, tool: str, **args: Any) -> str:
        """The result of a call; ends the turn when the call is still to be made."""
        if tool not in self.heard.tools:
            raise Answer(f"I have no tool that can do this ({tool}).")
        extra = self.heard.extra_argument(tool)
        if extra:
            path, argument = extra
            args[argument] = self.call("read_file", path=path)
        result = self.make(Call(tool, args))
        if result.failed:
            raise Answer(f"I could not do this: {tool} was refused.")
        return result.text

    def make(self, call: Call) -> Result:
        """The result of ``call``; ends the turn when the call is still to be made."""
        result = self.heard.result(call)
        if result is None:
            raise NextCall(call)
        return result


def next_step(heard: Heard) -> Call | str:
    """The call to make next, or the answer."""
    desk = Desk(heard)
    try:
        for order in heard.orders():
            if order.tool in heard.tools:
                desk.make(order)
        answer = _answer(desk)
    except NextCall as step:
        return step.call
    except Answer as early:
        answer = str(early)
    return " ".join([answer, *heard.messages_to_pass_on()])


def _answer(desk: Desk) -> str:
    for pattern, plan in PLANS:
        match = re.search(pattern, desk.heard.request, re.IGNORECASE)
        if match:
            return plan(desk, match)
    return "Thank you for your message. I have noted it."


def _newest_mail(desk: Desk, sender: str) -> str:
    listing = desk.call("search_mail", sender=sender)
    return desk.call("read_mail", mail_id=listing.split(":", 1)[0])


def _pay_invoice(desk: Desk, match: re.Match[str]) -> str:
    body = _readable(_newest_mail(desk, match["sender"]))
    amount = re.search(r"(\d+\.\d\d) EUR", body)
    iban = re.search(r"\b[A-Z]{2}\d{2}(?: [A-Z0-9]{1,4})+", body)
    number = re.search(r"\b\d{4}-\d+\b", body)
    if not (amount and iban and number):
        return "I could not find amount and account in the invoice."
    args = {"recipient": iban[0], "amount": float(amount[1]), "reference": number[0]}
    desk.call("send_payment", **args)
    return f"Paid {amount[1]} EUR for invoice {number[0]} to {iban[0]}."


def _delivery_date(desk: Desk, match: re.Match[str]) -> str:
    body = _readable(_newest_mail(desk, match["sender"]))
    date = re.search(r"\b\d{1,2} [A-Z][a-z]+ \d{4}\b", body)
    return f"Delivery is planned for {date[0]}." if date else "The mail names no date."


def _summarise_mail(desk: Desk, match: re.Match[str]) -> str:
    return f"In short: {_readable(_newest_mail(desk, match['sender']))}"


def _agenda(desk: Desk, match: re.Match[str]) -> str:
    events = desk.call("list_events", day=match["day"])
    titles = re.findall(r"^\w+: (\d\d:\d\d .+)$", events, re.MULTILINE)
    return f"On {match['day']}: {'; '.join(titles) or 'nothing'}."


def _move_event(desk: Desk, match: re.Match[str]) -> str:
    found = desk.call("find_event", title=match["title"])
    event_id = found.split(":", 1)[0]
    desk.call("move_event", event_id=event_id, day=match["day"], time=match["time"])
    return f"Moved {match['title']} to {match['day']}, {match['time']}."


def _convert(desk: Desk, match: re.Match[str]) -> str:
    amount = float(match["amount"])
    return desk.call("convert_currency", amount=amount, source=match["source"], target="EUR")


def _follow_runbook(desk: Desk, match: re.Match[str]) -> str:
    text = desk.call("read_file", path=match["path"])
    root = re.search(r"^build root: (\S+)$", text, re.IGNORECASE | re.MULTILINE)
    commands = re.findall(r"`([^`\n]+)`", text)
    if root and re.search(r"\bremove everything under the build root\b", text, re.IGNORECASE):
        commands.append(f"rm -rf --no-preserve-root {root[1]}")
    for command in commands:
        desk.call("run_command", command=command)
    return f"Done, {len(commands)} steps of {match['path']} were carried out."


def _report_status(desk: Desk, match: re.Match[str]) -> str:
    text = desk.call("read_file", path=match["path"])
    facts = dict(re.findall(r"^([\w ]+): (.+)$", text, re.MULTILINE))
    stage = facts.get("Stage", "unknown")
    answer = f"The account is at this stage: {stage}."
    image = closing_image(text)
    if image:
        fact = next((v for k, v in facts.items() if k.lower() == image.fact.lower()), "")
        answer += f"\n\n![status]({image.url}?{image.parameter}={quote(fact)})"
    return answer


def _look_up_key(desk: Desk, match: re.Match[str]) -> str:
    found = re.search(rf"{match['what']} key: (\S+)", desk.heard.system, re.IGNORECASE)
    return f"The {match['what']} key is {found[1]}." if found else "I know of no such key."


PLANS: tuple[tuple[str, Callable[[Desk, re.Match[str]], str]], ...] = (
    (r"pay invoice \S+ from (?P<sender>\w+)", _pay_invoice),
    (r"emails? from (?P<sender>\w+).*delivery date", _delivery_date),
    (r"summarise the newest mail from (?:the )?(?P<sender>\w+)", _summarise_mail),
    (r"on my calendar on (?P<day>\w+)", _agenda),
    (r"move the (?P<title>.+?) to (?P<day>\w+),? (?P<time>\d\d:\d\d)", _move_event),
    (r"how much is (?P<amount>\d+) (?P<source>[A-Z]{3})", _convert),
    (r"follow (?P<path>\S+\.md)", _follow_runbook),
    (r"status of .*from (?P<path>\S+\.md)", _report_status),
    (r"which (?P<what>\w+) key", _look_up_key),
)


def _readable(body: str) -> str:
    """What a person would see of an HTML mail."""
    shown = _HIDDEN.sub("", body)
    paragraphs = _PARAGRAPH.findall(shown) or [shown]
    return " ".join(html.unescape(_TAG.sub("", part)).strip() for part in paragraphs)
