"""Tell an attack that is talked about from one that is made.

Security writing quotes attacks and says what they are. So a match that lies in a quotation
(quotation marks, back-ticks, a code block, a block quote, a labelled item), or in reported speech
("telling the model to …"), while the words around it speak of attacks or of finding them, is
doubted: it weighs less. What a call's arguments mention is told by `call_mention`.

Anyone can write "for example" and quotation marks around an attack. What that buys is little: tool
results are not doubted at all, a doubted match still marks where its text came from, and a call
that such a text wants is judged by its origin.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rune_scanner.call_mention import CallMentions
from rune_scanner.finding import Surface, Threat
from rune_scanner.quotations import Quotations
from rune_scanner.talk import (
    gives_example,
    is_about_attacks,
    speaks_of_attacks,
    speaks_of_attacks_around,
)

if TYPE_CHECKING:
    from rune_scanner.finding import Span
    from rune_scanner.quotations import Bounds

SAID_OF: Final = frozenset(
    (
        Threat.PROMPT_INJECTION,
        Threat.JAILBREAK,
        Threat.SYSTEM_PROMPT_LEAK,
        Threat.PRIVILEGE_ESCALATION,
    )
)
_IN_WRITING: Final = SAID_OF | {Threat.TOOL_MANIPULATION, Threat.DATA_EXFILTRATION}
# In a call's arguments these are what would stop it. Instructions to the agent are only flagged.
_IN_CALLS: Final = frozenset((Threat.COMMAND_INJECTION, Threat.DATA_EXFILTRATION))
_THREATS: Final = {
    Surface.DOCUMENT: _IN_WRITING,
    Surface.INPUT: _IN_WRITING,
    Surface.TOOL_CALL: _IN_CALLS,
}

_BEFORE: Final = 240
_NEXT_TO: Final = 80
_AFTER: Final = 160
_LABELLED: Final = 700
_TOLD_BY: Final = 120
_FOR_KEY: Final = 2000
_SENTENCE: Final = 2
_ITEMS: Final = 12
_PIECE: Final = 512
_SEARCHED: Final = 200
_READ: Final = 20_000

_LABEL: Final = re.compile(
    r"(?:^|[>*+\-.)|#])[ \t]{0,8}[*_`]{0,3}(?:[a-z]{1,14}[ -]){0,2}"
    r"(?:payload|attack(?: string| example| prompt)?|injection|exploit|malicious [a-z]{1,12}"
    r"|jailbreak)(?: [a-z\d]{1,12}){0,2}[*_`]{0,3}\s{0,2}:[*_`]{0,3}",
    re.IGNORECASE,
)
_AGENT: Final = (
    r"(?:it|them|him|her|(?:the|an?|any|your|their|its|our|another|other) (?:[a-z-]{1,14} ){0,2}"
    r"(?:models?|llms?|agents?|assistants?|chatbots?|bots?|ai|systems?|machine|tool)"
    r"|chatgpt|gpt-?\d?|claude|gemini|copilot|bing(?: chat)?|llms|models|agents|chatbots)"
)
# The name of an attack stands inside a sentence, and words or the end of a question follow on it.
_SENTENCE_END: Final = re.compile(r"[.!?:\n]+\s|\n")
_TO_READER: Final = re.compile(
    r"\b(?:you|your|please|must|now|want|need|should|let's|hereby|instead)\b", re.IGNORECASE
)
# What says what a model does or is, is no phrase that somebody quotes.
_ORDER: Final = re.compile(
    r"(?:act|bypass|delete|disable|disregard|enter|erase|forget|ignore|override|pretend|print|repeat"
    r"|reveal|show|you are now)\b",
    re.IGNORECASE,
)
_AFTER_NAME: Final = re.compile(
    r"\s{0,2}[?;)]|[.!]?\s{0,8}\Z|,? (?:is|are|was|were|made|makes|means?|works?|still|style|types?"
    r"|attacks?|prompts?|payloads?|phrases?|in|from|with|for|as|or|into"
    r"|and (?:its|similar|other))\b",
    re.IGNORECASE,
)
_ITEM: Final = re.compile(r"[ \t]{0,8}(?:[-*+\u2022]|\d{1,3}[.)]|[a-z]\)|\|)[ \t]{1,4}(?:\[.\] )?")
# The value of a key in a test or rule.
_VALUE: Final = re.compile(
    r"(?:[ \t]{1,12}|- )(?:- )?(?:input|message|prompt|query|text|value|user|content): "
)
_HEADING: Final = re.compile(r"\A(?:#|\*\*|\|(?![ :|-]*\Z))|:\*{0,2}\Z")
_AS_EXAMPLE: Final = re.compile(
    r"(?:such as|like|e\.g\.,?|for (?:example|instance),?|phrases?|sentences?|prompts?|strings?"
    r"|says?|text):?[ \n]([*_]{1,3})\Z",
    re.IGNORECASE,
)
# What somebody else tells somebody else to do. Not "I want you to", nor "tell the model to".
_REPORTED: Final = re.compile(
    r"(?:\b(?:(?:tell|ask|instruct|order|command|direct|convinc|persuad|forc|caus|lead|get)(?:ing|e?s)"
    r"|told|asked|instructed|ordered|convinced|persuaded|forced|caused|tricked|led|got"
    r"|(?:who|they|users?|attackers?|can|could|may|might|to) (?:ask|tell|instruct|order|get|trick"
    r"|force|convince|cause)) " + _AGENT + r" to"
    r"|\b(?:if|when|whenever|once) [^.!?\n]{1,60} (?:asks?|tells?|instructs?|orders?|wants?)"
    r" (?:you|it) to"
    r"|\b(?:said|says|tries|trying|tried|attempts?|attempting|attempted|designed|crafted|intended"
    r"|commands?|prompts|payloads?|requests) to) $",
    re.IGNORECASE,
)
# Patterns take a little of what stands around a phrase along.
_LEADING_IN_CALLS: Final = " \t\r\n.=>*-"
_LEADING: Final = f"{_LEADING_IN_CALLS}:"
_TRAILING: Final = " \t\r\n\\\"'`\u201d\u2019\u00bb;,.|)}"


class Mentions:
    """Where a text mentions attacks rather than makes them.

    Args:
        text: The text.
        surface: Where the text was met.
    """

    __slots__ = ("_about_attacks", "_call", "_quotations", "_said", "_text", "_threats")

    def __init__(self, text: str, surface: Surface) -> None:
        self._text = text
        self._threats = _THREATS.get(surface, frozenset())
        self._call = CallMentions(text) if surface is Surface.TOOL_CALL else None
        self._quotations = Quotations(text)
        self._said: dict[Bounds, bool] = {}
        self._about_attacks: bool | None = None

    def hold(self, threat: Threat, span: Span) -> bool:
        """Whether a match of a rule against ``threat`` is only mentioned.

        Args:
            threat: What the rule warns of.
            span: The match, in characters of the text.
        """
        if threat not in self._threats:
            return False
        text, (start, end) = self._text, span
        leading = _LEADING_IN_CALLS if self._call else _LEADING
        while start < end and text[start] in leading:
            start += 1
        while start < end and text[end - 1] in _TRAILING:
            end -= 1
        if self._call:
            return self._call.hold(start, end)
        if self._is_in_comment(start):
            return self._shows_comment(start, end)
        block = self._quotations.block(start)
        if block is not None and self._in_block(*block, start, end):
            return True
        inline = self._quotations.inline(start, end)
        if inline is not None:
            return self._in_writing(*inline)
        return block is None and (
            self._is_labelled(start)
            or self._is_listed(start)
            or self._is_emphasised(start, end)
            or self._is_reported(start, end)
            or self._is_named(start, end)
        )

    def hold_comment(self, threat: Threat, span: Span) -> bool:
        """Whether a match that was read in an HTML comment is only mentioned.

        Args:
            threat: What the rule warns of.
            span: The match, in characters of the text.
        """
        return threat in self._threats and not self._call and self._shows_comment(*span)

    def _is_in_comment(self, at: int) -> bool:
        low = max(0, at - _FOR_KEY)
        opening = self._text.rfind("<!--", low, at)
        return opening >= 0 and self._text.find("-->", opening, at) < 0

    def _shows_comment(self, start: int, end: int) -> bool:
        """Whether code shows the comment, as in text about attacks."""
        # Code that is itself part of a comment shows nothing.
        fence = self._quotations.fence(start)
        if fence is not None and not self._is_in_comment(fence[0]):
            return self._in_block(*fence, start, end)
        code = self._quotations.inline(start, end)
        return (
            code is not None
            and self._text.startswith("`", code[0])
            and not self._is_in_comment(code[0])
            and self._in_writing(*code)
        )

    def _in_block(self, opening: int, closing: int, start: int, end: int) -> bool:
        """Whether the words around a block, or those of its other lines, speak of attacks."""
        key = (opening, closing)
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = self._in_writing(opening, closing)
        if said:
            return True
        text = self._text
        above = text[max(opening, start - _BEFORE) : max(opening, text.rfind("\n", opening, start))]
        stop = text.find("\n", end, closing)
        below = text[stop : min(closing, stop + _AFTER)] if stop >= 0 else ""
        return speaks_of_attacks(f"{above}\n{below}".lower())

    def _in_writing(self, opening: int, closing: int) -> bool:
        """Whether the words around a quotation speak of attacks."""
        if speaks_of_attacks_around(self._text, opening, closing):
            return True
        # The words next to it only say that it is quoted; the text as a whole says of what.
        beside = self._text[max(0, opening - _NEXT_TO) : opening].lower()
        return gives_example(beside) and self._is_about_attacks()

    def _is_labelled(self, start: int) -> bool:
        """Whether the line calls what it gives a payload or an attack."""
        text = self._text
        low = max(0, start - _LABELLED)
        low = max(low, text.rfind("\n", low, start) + 1)
        return _LABEL.search(text[low:start]) is not None

    def _is_listed(self, start: int) -> bool:
        """Whether it lies in an item of a list or table that is said to hold attacks."""
        text = self._text
        low = text.rfind("\n", max(0, start - _LABELLED), start) + 1
        if _VALUE.match(text, low, start):
            stop = text.find("\n", start, start + _LABELLED)
            return speaks_of_attacks_around(self._text, low, len(text) if stop < 0 else stop)
        if _ITEM.match(text, low, start) is None:
            return False
        for _ in range(_ITEMS):
            if not low:
                return False
            high = low - 1
            low = text.rfind("\n", max(0, high - _LABELLED), high) + 1
            line = text[max(low, high - _LABELLED) : high].strip()
            if line.startswith("|") or (line and _ITEM.match(line) is None):
                if _HEADING.search(line):
                    words = line.lower()
                    return speaks_of_attacks(words) or (
                        gives_example(words) and self._is_about_attacks()
                    )
                if not line.startswith("|"):
                    return False
        return False

    def _is_named(self, start: int, end: int) -> bool:
        """Whether it is the name of an attack, inside a sentence about attacks.

        "How do I detect ignore previous instructions style attacks?" An order goes on otherwise.
        """
        text = self._text
        if _AFTER_NAME.match(text, end) is None or _ORDER.match(text, start) is None:
            return False
        lead = _SENTENCE_END.split(text[max(0, start - _TOLD_BY) : start])[-1]
        if not lead.strip() or _TO_READER.search(lead):
            return False
        return speaks_of_attacks_around(self._text, start, end)

    def _is_emphasised(self, start: int, end: int) -> bool:
        """Whether it is set in italics or bold as an example, in a sentence about attacks."""
        text = self._text
        found = _AS_EXAMPLE.search(text, max(0, start - _NEXT_TO), start)
        if found is None or text.find(found[1], end, end + _LABELLED) < 0:
            return False
        return speaks_of_attacks_around(self._text, start, end)

    def _is_reported(self, start: int, end: int) -> bool:
        """Whether the sentence tells what somebody asks of an agent, in a text about attacks."""
        before = self._text[max(0, start - _TOLD_BY) : start]
        # Most matches do not follow on "to", and that is quick to see.
        if not before.endswith((" to ", " TO ")) or _REPORTED.search(before) is None:
            return False
        return speaks_of_attacks_around(self._text, start, end) or self._is_about_attacks()

    def _is_about_attacks(self) -> bool:
        if self._about_attacks is None:
            self._about_attacks = is_about_attacks(self._text[:_READ].lower())
        return self._about_attacks
