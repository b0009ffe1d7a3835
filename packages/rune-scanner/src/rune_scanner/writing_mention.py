"""Tell an attack that a document or message writes about from one that it makes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rune_scanner.quotations import Quotations
from rune_scanner.talk import (
    gives_example,
    is_about_attacks,
    speaks_of_attacks,
    speaks_of_attacks_around,
)

if TYPE_CHECKING:
    from rune_scanner.quotations import Bounds

_BEFORE: Final = 240
_NEXT_TO: Final = 80
_AFTER: Final = 160
_LABELLED: Final = 700
_TOLD_BY: Final = 120
_FOR_KEY: Final = 2000
_ITEMS: Final = 12
_READ: Final = 20_000

_LABEL: Final = re.compile(
    r"(?:^|[>*+\-.)|#])[ \t]{0,8}[*_`]{0,3}(?:[a-z]{1,14}[ -]){0,2}"
    r"(?:payload|attack(?:er)?(?: string| example| prompt)?|adversary|injection|exploit"
    r"|(?:injected|malicious|poisoned) [a-z]{1,12}|jailbreak|angriff|ataque|attaque|attacco)"
    r"(?: [a-z\d]{1,12}){0,2}[*_`]{0,3}\s{0,2}:[*_`]{0,3}",
    re.IGNORECASE,
)
_AGENT: Final = (
    r"(?:it|them|him|her|(?:the|an?|any|your|their|its|our|another|other) (?:[a-z-]{1,14} ){0,2}"
    r"(?:models?|llms?|agents?|assistants?|chatbots?|bots?|ai|systems?|machine|tool|experts?"
    r"|applications?|apps?|clients?|copilots?)"
    r"|chatgpt|gpt-?\d?|claude|gemini|copilot|bing(?: chat)?|llms|models|agents|chatbots)"
)
# The name of an attack stands inside a sentence, and words or the end of a question follow it.
_SENTENCE_END: Final = re.compile(r"[.!?:\n]+\s|\n")
_TO_READER: Final = re.compile(
    r"\b(?:you|your|please|must|now|want|need|should|let's|hereby|instead)\b", re.IGNORECASE
)
# An order by way of somebody else: "make the assistant …".
_THROUGH_AGENT: Final = re.compile(
    rf"(?:\A|\W)(?:and |then )?(?:make|have|let|get|tell|ask) {_AGENT}(?: to)? \Z", re.IGNORECASE
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
# An item of a list, a row of a table.
_ITEM: Final = re.compile(r"[ \t]{0,8}(?:[-*+\u2022]|\d{1,3}[.)]|[a-z]\)|\|)[ \t]{1,4}(?:\[.\] )?")
# The value of a key in a test or rule.
_VALUE: Final = re.compile(
    r"(?:[ \t]{1,12}|- )(?:- )?(?:input|message|prompt|query|text|value|user|content): "
)
_HEADING: Final = re.compile(r"\A(?:#|\*\*|\|(?![ :|-]*\Z))|:\*{0,2}\Z")
# What commands a list forbids.
_FORBIDS: Final = re.compile(
    r"\b(?:never|must not|may not|not allowed to) (?:be )?"
    r"(?:call|execute|invoke|launch|paste|run|type)"
)
_AS_EXAMPLE: Final = re.compile(
    r"(?:such as|like|e\.g\.,?|for (?:example|instance),?|phrases?|sentences?|prompts?|strings?"
    r"|says?|text):?[ \n]([*_]{1,3})(?:[^*_\s][^*_\n]{0,160})?\Z",
    re.IGNORECASE,
)
_CODE_OPENS: Final = re.compile(r"<(?:code|pre|kbd|samp)\b[^<>]{0,60}>[^<]{0,100}\Z", re.IGNORECASE)
_CODE_CLOSES: Final = re.compile(r"[^<]{0,400}</(?:code|pre|kbd|samp)>", re.IGNORECASE)
# What somebody else tells somebody else to do. Not "I want you to", nor "tell the model to".
_MAKES: Final = (
    r"(?:allow|ask|caus|coax|coerc|command|compel|convinc|deceiv|direct|encourag|fool|forc|get|induc"
    r"|instruct|lead|manipulat|mislead|nudg|order|persuad|push|tell|tempt|trick|urg)"
)
_MADE: Final = (
    r"(?:allowed|asked|caused|coaxed|coerced|commanded|compelled|convinced|deceived|directed"
    r"|encouraged|fooled|forced|got|induced|instructed|led|manipulated|misled|nudged|ordered"
    r"|persuaded|pushed|told|tempted|tricked|urged)"
)
_REPORTED: Final = re.compile(
    rf"(?:\b(?:{_MAKES}(?:t?ing|e?s)|{_MADE}"
    rf"|(?:who|that|which|they|users?|attackers?|attacks?|injections?|can|could|may|might|will|would"
    rf"|to|or) {_MAKES}e?) {_AGENT} (?:to|into)"
    rf"|\b(?:to make|makes|making|made|to have|lets|letting) {_AGENT}"
    r"|\b(?:some|many|most|such|these|larger|smaller) (?:models|llms|agents|assistants|chatbots)"
    r" (?:will|can|could|may|might|would)(?: [a-z]{2,9}ly)?"
    r"|\b(?:be|been|being|is|are|was|were) (?:coaxed|coerced|deceived|fooled|lured|manipulated"
    r"|misled|talked|tricked) (?:to|into)"
    r"|\b(?:if|when|whenever|once) [^.!?\n]{1,60} (?:asks?|tells?|instructs?|orders?|wants?)"
    r" (?:you|it) to"
    r"|\b(?:said|says|tries|trying|tried|attempts?|attempting|attempted|designed|crafted|intended"
    r"|commands?|prompts|payloads?|requests) to)"
    # Verbs that it is joined to: "to ignore or override its …".
    r"(?: [a-z-]{2,20}(?: [a-z'\u2019-]{1,16}){0,3},? (?:and|or)(?: then)?)? $",
    re.IGNORECASE,
)
# "Instructions such as: ignore …, and …", without quotation marks.
_SUCH_AS: Final = re.compile(
    r"\b(?:attacks?|attempts?|commands?|injections?|instructions?|orders|payloads?|phrases?|prompts?"
    r"|requests?|sentences|strings|text|wording),? (?:such as|like|e\.g\.,?|for example|including)"
    r":? $",
    re.IGNORECASE,
)
# The same in Chinese: "may hold instructions that …", "tries to have the model …", "such as …".
_REPORTED_ZH: Final = re.compile(
    "(?:\u53ef\u80fd|\u8bd5\u56fe|\u4f01\u56fe|\u5c1d\u8bd5|\u8bf1\u5bfc|\u8bf1\u4f7f|\u8bf1\u9a97|\u5d4c\u6709|\u4f8b\u5982|\u6bd4\u5982)"
    "[^\u3002\uff01\uff1f\n]{0,12}\\Z"
)
_FOLLOWS_ON: Final = re.compile(
    r"\b(?:to|into|and|or|then|as|like|including|example|e\.g\.|will|can|could|may|might|would|\w{2,9}ly"
    rf"|{_AGENT}),?:? \Z",
    re.IGNORECASE,
)
_SUBTITLE: Final = re.compile(r"[*_\"'\u201d\u2019]{0,3}: ([^\n]{4,80})")
# Prose is broken into lines; an empty line ends more than a line.
_SPACE: Final = re.compile(r"[ \t]{0,8}\n[ \t>]{0,8}(?=[^\s>]|\Z)|[ \t]{2,8}")


class WritingMentions:
    """Where a text that somebody wrote mentions attacks rather than makes them.

    Args:
        text: The text.
        more: Words that tell as well that it is about attacks.
    """

    __slots__ = ("_about_attacks", "_more", "_quotations", "_said", "_text")

    def __init__(self, text: str, more: frozenset[str] = frozenset()) -> None:
        self._text = text
        self._more = more
        self._quotations = Quotations(text)
        self._said: dict[Bounds, bool] = {}
        self._about_attacks: bool | None = None

    def hold(self, start: int, end: int) -> bool:
        """Whether the match from ``start`` to ``end`` is only mentioned."""
        if self._is_in_comment(start):
            return self.show_comment(start, end)
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
            or self._is_in_code(start, end)
            or self._is_reported(start, end)
            or self._is_named(start, end)
            or self._is_title(start, end)
        )

    def _is_in_comment(self, at: int) -> bool:
        low = max(0, at - _FOR_KEY)
        opening = self._text.rfind("<!--", low, at)
        return opening >= 0 and self._text.find("-->", opening, at) < 0

    def show_comment(self, start: int, end: int) -> bool:
        """Whether code shows the comment that holds a match, as in text about attacks."""
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

    def quote(self, start: int, end: int) -> bool:
        """Whether a line quotes it, as in text about attacks."""
        inline = self._quotations.inline(start, end)
        return inline is not None and self._in_writing(*inline)

    def show_encoded(self, start: int, end: int) -> bool:
        """Whether encoded characters are quoted as they are, as in text about attacks."""
        if self._is_in_comment(start):
            return False
        block = self._quotations.block(start)
        if block is not None:
            return self._in_block(*block, start, end)
        inline = self._quotations.inline(start, end)
        return inline is not None and self._in_writing(*inline)

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
        return speaks_of_attacks(f"{above}\n{below}".lower(), self._more)

    def _in_writing(self, opening: int, closing: int) -> bool:
        """Whether the words around a quotation speak of attacks."""
        if speaks_of_attacks_around(self._text, opening, closing, self._more):
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
            stop = len(text) if stop < 0 else stop
            return self._is_about_attacks() and speaks_of_attacks_around(
                text, low, stop, self._more
            )
        if _ITEM.match(text, low, start) is None:
            return False
        row = text[low:start]
        if "|" in row and speaks_of_attacks(row[: row.rfind("|")].lower(), self._more):
            return True  # the cells before it say what it is
        for _ in range(_ITEMS):
            if not low:
                return False
            high = low - 1
            low = text.rfind("\n", max(0, high - _LABELLED), high) + 1
            line = text[max(low, high - _LABELLED) : high].strip()
            if line.startswith("|") or (line and _ITEM.match(line) is None):
                if _HEADING.search(line):
                    words = line.lower()
                    return bool(speaks_of_attacks(words, self._more) or _FORBIDS.search(words)) or (
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
        if not lead.strip() or _TO_READER.search(lead) or _THROUGH_AGENT.search(lead):
            return False
        return speaks_of_attacks_around(text, start, end, self._more)

    def _is_title(self, start: int, end: int) -> bool:
        """Whether it is a title, whose second part says that it is about attacks."""
        text = self._text
        found = _SUBTITLE.match(text, end) if text[start:end].istitle() else None
        return found is not None and speaks_of_attacks(found[1].lower(), self._more)

    def _is_emphasised(self, start: int, end: int) -> bool:
        """Whether it is set in italics or bold as an example, in a sentence about attacks."""
        text = self._text
        found = _AS_EXAMPLE.search(text, max(0, start - _BEFORE), start)
        if found is None or text.find(found[1], end, end + _LABELLED) < 0:
            return False
        return speaks_of_attacks_around(self._text, start, end, self._more)

    def _is_in_code(self, start: int, end: int) -> bool:
        """Whether an HTML element for code holds it, in a sentence about attacks."""
        text = self._text
        if _CODE_OPENS.search(text, max(0, start - _TOLD_BY), start) is None:
            return False
        return _CODE_CLOSES.match(text, end, end + _LABELLED) is not None and (
            speaks_of_attacks_around(text, start, end, self._more)
        )

    def _is_reported(self, start: int, end: int) -> bool:
        """Whether the sentence tells what somebody asks of an agent, in a text about attacks."""
        before = _SPACE.sub(" ", self._text[max(0, start - _TOLD_BY) : start])
        # Most matches follow on nothing of the kind, and that is quick to see.
        if _FOLLOWS_ON.search(before) is not None:
            is_reported = _REPORTED.search(before) or _SUCH_AS.search(before)
        else:
            is_reported = _REPORTED_ZH.search(before)
        if is_reported is None:
            return False
        return (
            speaks_of_attacks_around(self._text, start, end, self._more) or self._is_about_attacks()
        )

    def _is_about_attacks(self) -> bool:
        if self._about_attacks is None:
            self._about_attacks = is_about_attacks(self._text[:_READ].lower())
        return self._about_attacks
