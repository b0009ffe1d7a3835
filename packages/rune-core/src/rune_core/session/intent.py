"""Who asked for a call: the user, or a text the agent read.

A call that the user asked for may take its values from anywhere an honest task takes them. A
call that nobody but a retrieved text asked for is the mark of a hijacked agent, even when the
text reads like an ordinary request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_REQUESTS: Final = 2_000
"""Requests kept of one text; a text that asks for more asks for everything."""

_VERBS: Final[Mapping[str, str]] = {
    "send": "send forward mail email message share pass",
    "forward": "forward send",
    "email": "email mail send forward write",
    "post": "post publish share send upload put submit",
    "publish": "publish post",
    "upload": "upload post put",
    "share": "share send give grant",
    "transfer": "transfer send pay wire move",
    "pay": "pay transfer send settle wire refund reimburse",
    "refund": "refund reimburse pay return send",
    "buy": "buy purchase order get",
    "purchase": "purchase buy order",
    "order": "order buy purchase",
    "book": "book reserve make schedule arrange",
    "reserve": "reserve book make arrange reservation",
    "delete": "delete remove erase drop destroy clear wipe get-rid",
    "remove": "remove delete kick drop take",
    "cancel": "cancel delete remove call-off",
    "update": "update change set modify adjust replace edit reset correct increase decrease raise",
    "change": "change update set modify reset adjust",
    "set": "set change update make",
    "edit": "edit change update",
    "modify": "modify change update",
    "reschedule": "reschedule move change postpone shift",
    "write": "write save store put note create",
    "append": "append add write put",
    "create": "create make add set schedule write plan put organize organise book save open",
    "add": "add invite create include append put register",
    "invite": "invite add",
    "schedule": "schedule set plan arrange create book pay send transfer",
    "grant": "grant give allow",
    "run": "run execute start launch",
    "execute": "execute run",
    "get": "get visit open read fetch look check find go browse summarize summarise see",
    "visit": "visit open go browse see",
    "fetch": "fetch get open visit download read",
    "browse": "browse visit open go",
    "open": "open visit read",
    "download": "download get fetch save",
    "call": "call phone ring",
    "move": "move put transfer",
    "rename": "rename call name",
}
_NOUNS: Final[Mapping[str, str]] = {
    "money": "money transaction payment transfer bill invoice rent amount dollars euros usd eur",
    "transaction": "transaction payment money transfer bill order rent standing",
    "payment": "payment money transfer transaction bill",
    "event": "event meeting appointment calendar reminder lunch dinner call invitation",
    "calendar": "calendar event meeting appointment",
    "file": "file document attachment note report list",
    "message": "message dm text note link",
    "mail": "mail email message",
    "hotel": "hotel room accommodation reservation stay",
    "restaurant": "restaurant table reservation dinner lunch",
    "car": "car rental vehicle reservation",
    "webpage": "webpage website page site link article url blog",
    "page": "page webpage website site link url",
    "url": "url website webpage page link site",
    "user": "user member colleague person account profile info information",
    "password": "password credential login",
    "participants": "participants participant people attendee invite",
    "info": "info information details address profile",
}  # fmt: skip
_SYNONYMS: Final[Mapping[str, str]] = {**_VERBS, **_NOUNS}
_VAGUE: Final = frozenset(
    (
        "the", "a", "an", "to", "of", "for", "in", "on", "with", "and", "or", "by", "from",
        "my", "your", "our", "this", "that", "it", "its", "direct", "api", "tool", "new", "all",
    )
)  # fmt: skip
_IRREGULAR: Final[Mapping[str, str]] = {
    "sent": "send",
    "paid": "pay",
    "bought": "buy",
    "made": "make",
    "written": "write",
    "wrote": "write",
    "given": "give",
    "gave": "give",
    "ran": "run",
    "got": "get",
    "taken": "take",
}
_WORD: Final = re.compile(r"[a-z]{2,30}")
_TOOL_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SENTENCE: Final = re.compile(r"(?:[^.!?\n\r;]|[.!?](?=\S)){4,1200}")
_WRAP: Final = re.compile(r"\r?\n[ \t]+(?![\w-]{1,30}:|[-*+] )")
_CLAUSE: Final = re.compile(r"[:,\"'()\[\]{}<>|#*\u201c\u201d\u2013\u2014]+|\s-+\s")
_JOINING: Final = frozenset(["then", "and", "please", "also", "to", "must", "should", "you"])
# Nouns as often as verbs; what stands before them tells.
_NOUNS_TOO: Final = frozenset(
    (
        *(
            "email",
            "mail",
            "message",
            "call",
            "book",
            "order",
            "post",
            "file",
            "text",
            "share",
            "check",
        ),
        *(
            "look",
            "set",
            "plan",
            "schedule",
            "reservation",
            "transfer",
            "move",
            "put",
            "name",
            "open",
        ),
        *(
            "note",
            "link",
            "report",
            "list",
            "page",
            "event",
            "run",
            "change",
            "update",
            "pass",
        ),
    )
)
_BEFORE_NOUN: Final = frozenset(
    (
        *(
            "the",
            "a",
            "an",
            "my",
            "his",
            "her",
            "their",
            "our",
            "your",
            "this",
            "that",
            "these",
            "any",
        ),
        *(
            "unread",
            "new",
            "last",
            "latest",
            "first",
            "each",
            "every",
            "of",
            "by",
            "via",
            "from",
            "in",
        ),
        *(
            "on",
            "s",
            "direct",
            "slack",
            "received",
            "sent",
            "recent",
            "per",
            "with",
            "which",
            "what",
        ),
    )
)
# What may stand before the verb of a request: marks, politeness, address, sequence.
_BEFORE_VERB: Final = frozenset(
    (
        "todo", "task", "action", "important", "urgent", "attention", "note", "please",
        "kindly", "also", "then", "next", "now", "first", "finally", "and", "must", "should",
        "shall", "could", "can", "would", "will", "you", "we", "need", "to", "have", "want",
        "i", "d", "like", "just", "immediately", "remember", "do", "not", "forget", "make",
        "sure", "be", "instead", "after", "before", "reading", "this", "that", "system",
        "message", "user", "assistant", "ai", "agent", "model", "dear", "hi", "hello",
        "reminder", "request", "instruction", "instructions", "step", "so", "lets", "let", "us",
        "go", "ahead", "simply", "quickly", "asap",
    )
)  # fmt: skip
_MAX_BEFORE: Final = 14
_DELEGATION: Final = re.compile(
    r"\b(?:follow|do|perform|execute|complete|carry out|take care of|handle|work through|process)"
    r"\b(?:(?!\bfollowing\b)[^.!?\n]){0,60}"
    r"\b(?:instructions?|tasks?|actions?|steps?|to-?dos?|things|requests?|checklist)\b"
)
# Verbs that say nothing without their object: "update my rent" does not ask for a new password.
_GENERIC: Final = frozenset(
    (
        *(
            "update",
            "change",
            "set",
            "create",
            "add",
            "delete",
            "remove",
            "get",
            "edit",
            "modify",
        ),
        *(
            "make",
            "put",
            "open",
            "start",
            "check",
            "find",
            "reset",
            "adjust",
            "replace",
            "cancel",
        ),
    )
)
_REQUESTABLE: Final = frozenset(
    word for verb, synonyms in _SYNONYMS.items() for word in (verb, *synonyms.split())
)
VERBS: Final = frozenset(
    word for verb, synonyms in _VERBS.items() for word in (verb, *synonyms.split())
)
"""Those of the words that :func:`imperatives` may give that are verbs."""


@lru_cache(maxsize=512)
def _tool_words(tool: str) -> tuple[frozenset[str], frozenset[str]]:
    """The verbs that ask for a tool and the nouns it is about, with their synonyms."""
    # `payments.refund`, `mcp__mail__send`: what stands last is the tool, the rest its home.
    name = re.split(r"[./:]|__", tool)[-1] or tool
    words = [word.lower() for word in _TOOL_WORD.findall(name)]
    words = [word for word in words if word not in _VAGUE and len(word) > 1]
    verbs: set[str] = set()
    nouns: set[str] = set()
    for position, word in enumerate(words):
        known = set(_SYNONYMS.get(word, word).split()) | {word}
        if position == 0 or word in ("send", "email", "post", "transfer", "pay"):
            verbs |= known
        if position > 0:
            nouns |= known
    if {"money", "transaction", "payment", "funds"} & set(words):
        verbs |= {"pay", "transfer", "wire", "settle"}
    return frozenset(verbs), frozenset(nouns)


@lru_cache(maxsize=4096)
def _stems(word: str) -> frozenset[str]:
    found = {word, _IRREGULAR.get(word, word)}
    for ending in ("s", "es", "ed", "d", "ing", "ied"):
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            stem = word.removesuffix(ending)
            found |= {stem, stem + "e"} | ({stem + "y"} if ending == "ied" else set())
            if len(stem) > 2 and stem[-1] == stem[-2]:
                found.add(stem[:-1])
    return frozenset(found)


def _all_stems(words: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*map(_stems, words))


@dataclass(frozen=True, slots=True)
class _Request:
    start: int
    end: int
    verbs: frozenset[str]
    words: frozenset[str]


class Requests:
    """The requests that a text makes: its sentences in the imperative.

    Args:
        text: The text; letter case does not matter.
    """

    __slots__ = ("_requests",)

    def __init__(self, text: str) -> None:
        lower = text.lower()
        # Lines that only wrap a sentence are joined, one character for one, so offsets hold.
        joined = _WRAP.sub(lambda match: " " * len(match[0]), lower)
        if len(joined) != len(text):
            joined = lower = text
        self._requests: list[_Request] = []
        for match in _SENTENCE.finditer(joined):
            verbs = imperatives(match[0])
            if verbs:
                words = _all_stems(_WORD.findall(match[0]))
                self._requests.append(_Request(match.start(), match.end(), verbs, words))
                if len(self._requests) == MAX_REQUESTS:
                    break

    def ask_for(self, tool: str, span: tuple[int, int] | None = None) -> bool:
        """Whether one of the requests asks for a call of ``tool``.

        Args:
            tool: The tool's name.
            span: Look only at requests whose sentence touches this range of the text.
        """
        verbs, nouns = _tool_words(tool)
        return any(
            not verbs.isdisjoint(request.verbs)
            and (not nouns or not nouns.isdisjoint(request.words))
            for request in self._requests
            if span is None or (request.start < span[1] and request.end > span[0])
        )


def imperatives(sentence: str) -> frozenset[str]:
    """The verbs a sentence may be asking with, in all their stems; empty for a statement.

    Args:
        sentence: In lower case.
    """
    found: set[str] = set()
    for clause in _CLAUSE.split(sentence):
        words = _WORD.findall(clause)
        for word in words[:_MAX_BEFORE]:
            if word in _BEFORE_VERB:
                continue
            found.add(word)
            break
        # One sentence may ask for several things: "do this and then send …".
        found.update(
            word
            for before, word in pairwise(words)
            if before in _JOINING and word not in _BEFORE_VERB
        )
    return frozenset(found & _REQUESTABLE)


def user_asks_for(tool: str, text: str) -> bool:
    """Whether the user's words ask for this kind of call.

    Wider than what counts as a request in a retrieved text: "could you have 20 euros sent to"
    asks too. Words that are nouns as often as verbs (an e-mail, a book) count only where they
    stand as verbs.

    Args:
        tool: The tool's name.
        text: What the user wrote.
    """
    verbs, nouns = _tool_words(tool)
    lower = text.lower()
    words = _WORD.findall(lower)
    about = nouns and not nouns.isdisjoint(_all_stems(words))
    before = ""
    for word in words:
        stems = _stems(word)
        if not stems.isdisjoint(_NOUNS_TOO) and (before in _BEFORE_NOUN or word not in _NOUNS_TOO):
            # "the unread e-mails" names a thing; "e-mail the report" asks for one to be sent.
            matched: frozenset[str] = frozenset()
        else:
            matched = stems & verbs
        if matched and (about or not nouns or not matched <= _GENERIC):
            return True
        before = word
    return False


def user_delegates(text: str) -> bool:
    """Whether the user asks the agent to do what some text says.

    Args:
        text: What the user wrote.
    """
    return _DELEGATION.search(text.lower()) is not None
