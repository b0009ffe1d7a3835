"""Tell an attack that is talked about from one that is made.

Security writing quotes attacks and says what they are. So a match that lies in a quotation
(quotation marks, back-ticks, a code block, a block quote, a labelled item), or in reported speech
("telling the model to …"), while the words around it speak of attacks or of finding them, is
doubted: it weighs less. So is a shell command inside a sentence of a call's argument ("why is … so
dangerous?"), where nothing would run it: in an argument that is no command, behind other words of
its line, without a sign that begins a new command.

Anyone can write "for example" and quotation marks around an attack. What that buys is little: tool
results are not doubted at all, a doubted match still marks where its text came from, and a call
that such a text wants is judged by its origin.
"""

# ruff: noqa: SIM905 - many words read better without marks

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from rune_scanner.finding import Surface, Threat
from rune_scanner.quotations import Quotations
from rune_scanner.talk import (
    function_words,
    gives_example,
    is_about_attacks,
    speaks_of_attacks,
)

if TYPE_CHECKING:
    from rune_scanner.finding import Span

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
_LEADING: Final = " \t\r\n.=>*-"
_TRAILING: Final = " \t\r\n\\\"'`\u201d\u2019\u00bb;,.|)}"

_RUNS: Final = re.compile(
    r"(?:\b(?:ba|z|da|k|c|a)?sh|cmd(?:\.exe)?|powershell|python\d?|perl|ruby|node|php)\b[^\n]{0,40}"
    r"\s-{1,2}[a-z]{0,8}[ce]\b|\beval\b|\bexec\b|\bsystem\s{0,2}\(|\bpopen\b|\bspawn|\bxargs\b|"
    r"\bsource\b|\bsubprocess\b|\bssh\b|\bdocker\b|\bkubectl\b|\bsudo\b|\bcrontab\b|\$\(|<\(",
    re.IGNORECASE,
)
_SUBSTITUTES: Final = re.compile(r"`|\$\(|<\(")
_PIPED: Final = re.compile(r"\|\s{0,3}\S{0,20}(?:sh|python\d?|perl|tee|at|xargs|node)\b|>\s{0,2}\S")
_SEARCHES: Final = re.compile(
    r"\b(?:e?grep|rg|ag|ack|findstr|git (?:grep|log|commit)|select-string)\b[^\n;&|]{0,160}$",
    re.IGNORECASE,
)
_KEY: Final = re.compile(r'"(\w{1,40})\\{0,7}"\s?:\s?\\{0,7}"')
_COMMANDS: Final = frozenset(("bash", "cmd", "command", "commands", "exec", "script", "shell"))
_CODE: Final = frozenset(("code", "expression", "python", "source"))
# Arguments that hold what somebody reads.
_PROSE: Final = frozenset(
    """
    answer body caption comment content description file_text markdown message new_string new_text
    note notes patch prompt q query question reply search subject summary text thought title
    """.split()
)
# A name and its arguments: what runs only where a command may begin. Code in other languages, and
# what servers expand wherever it stands, is something else.
_SHELL: Final = re.compile(r"(?:[a-z\d]{2,12}[ \t]|:\()(?!java\.)[^\n$]*\Z", re.IGNORECASE)
_BEGINS_COMMAND: Final = re.compile(r"[;|&$`{}<>=]|-exec\b")
_LINE_BREAK: Final = re.compile(r"\n|\\n")
_TEST_DATA: Final = re.compile(
    r"(?:^|\\n|\n)[ \t]{0,12}(?:- )?(?:attack|case|example|input|pattern|payload|prompt|sample|text"
    r"|value):[ \t]{0,3}\Z",
    re.IGNORECASE,
)


class Mentions:
    """Where a text mentions attacks rather than makes them.

    Args:
        text: The text.
        surface: Where the text was met.
    """

    __slots__ = (
        "_about_attacks",
        "_is_call",
        "_quotations",
        "_runners",
        "_said",
        "_text",
        "_threats",
    )

    def __init__(self, text: str, surface: Surface) -> None:
        self._text = text
        self._threats = _THREATS.get(surface, frozenset())
        # A call's arguments come as JSON, where every text is between quotation marks.
        self._is_call = surface is Surface.TOOL_CALL
        self._quotations = Quotations(text, in_json=self._is_call)
        self._said: dict[tuple[int, int], bool] = {}
        self._runners: dict[int, list[int]] = {}
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
        while start < end and text[start] in _LEADING:
            start += 1
        while start < end and text[end - 1] in _TRAILING:
            end -= 1
        if self._is_call:
            return self._in_call(start, end)
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
        return threat in self._threats and not self._is_call and self._shows_comment(*span)

    def _is_in_comment(self, at: int) -> bool:
        low = max(0, at - _FOR_KEY)
        opening = self._text.rfind("<!--", low, at)
        return opening >= 0 and self._text.find("-->", opening, at) < 0

    def _shows_comment(self, start: int, end: int) -> bool:
        """Whether a fenced block shows the comment, as text about attacks does."""
        fence = self._quotations.fence(start)
        # A fence that is itself part of a comment shows nothing.
        if fence is None or self._is_in_comment(fence[0]):
            return False
        return self._in_block(*fence, start, end)

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
        if self._speaks_of_attacks(opening, closing):
            return True
        # The words next to it only say that it is quoted; the text as a whole says of what.
        beside = self._text[max(0, opening - _NEXT_TO) : opening].lower()
        return gives_example(beside) and self._is_about_attacks()

    def _in_call(self, start: int, end: int) -> bool:
        bounds = self._quotations.inline(start, end)
        if bounds is not None:
            said = self._said.get(bounds)
            if said is None:
                said = self._said[bounds] = self._is_quoted_in_call(*bounds)
            if said:
                return True
        return self._is_in_sentence(start, end, quoted=bounds is not None)

    def _is_quoted_in_call(self, opening: int, closing: int) -> bool:
        """Whether a quotation stands in a sentence, a test or a search, not in a command."""
        text = self._text
        # What JSON writes for a line break begins a line too.
        low = max(0, opening - _LABELLED)
        broken = max(text.rfind("\n", low, opening) + 1, text.rfind("\\n", low, opening) + 2)
        low = broken if broken > 1 else low
        if self._runs(low, opening) or _PIPED.search(text, closing, closing + _AFTER):
            return False
        if _SEARCHES.search(text, max(low, opening - _SEARCHED), opening):
            # A shell runs what it finds between these, quoted or not.
            return not _SUBSTITUTES.search(text, opening, closing)
        if self._key(opening) in _COMMANDS:
            return False
        return self._speaks_of_attacks(opening, closing)

    def _runs(self, low: int, high: int) -> bool:
        """Whether something from ``low`` to ``high`` runs what follows it.

        Looked for in pieces, each once: a line may hold any number of quotations.
        """
        for piece in range(low // _PIECE, high // _PIECE + 1):
            found = self._runners.get(piece)
            if found is None:
                start, stop = piece * _PIECE, (piece + 1) * _PIECE
                found = self._runners[piece] = [
                    match.start()
                    for match in _RUNS.finditer(self._text, start, stop + _TOLD_BY)
                    if match.start() < stop
                ]
            if any(low <= at < high for at in found):
                return True
        return False

    def _is_in_sentence(self, start: int, end: int, *, quoted: bool) -> bool:
        """Whether a shell command stands among words, where no shell would begin a command."""
        text = self._text
        if not _SHELL.match(text, start, end):
            return False
        before = text[max(0, start - _BEFORE) : start]
        key = deque(_KEY.finditer(before), maxlen=1)
        value = before[key[0].end() :] if key else before
        line = _LINE_BREAK.split(value)[-1]
        if _TEST_DATA.search(value) and self._key(start) in _PROSE:
            return self._speaks_of_attacks(start, end)
        # Between back-ticks a shell runs it after all, so only where somebody reads it.
        marks = " \t`\"'\\" if quoted else " \t"
        if (
            not line.strip(marks)
            or _BEGINS_COMMAND.search(line.rstrip(marks))
            or _RUNS.match(line.lstrip())
        ):
            return False
        after = _LINE_BREAK.split(text[end : end + _AFTER])[0].partition('"')[0]
        named = self._key(start)
        # Words behind it may be a comment; a sentence has some on either side, or before.
        leading, following = function_words(line), function_words(after)
        if not leading or leading + following < _SENTENCE:
            return named in _PROSE and self._speaks_of_attacks(start, end)
        return named in _PROSE if quoted else named not in _COMMANDS and named not in _CODE

    def _key(self, at: int) -> str:
        """The name of the argument, as far as it can be seen; empty otherwise."""
        key = deque(_KEY.finditer(self._text, max(0, at - _FOR_KEY), at), maxlen=1)
        return key[0][1].casefold() if key else ""

    def _speaks_of_attacks(self, opening: int, closing: int) -> bool:
        text = self._text
        around = f"{text[max(0, opening - _BEFORE) : opening]}\n{text[closing : closing + _AFTER]}"
        return speaks_of_attacks(around.lower())

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
            return self._speaks_of_attacks(low, len(text) if stop < 0 else stop)
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
        return self._speaks_of_attacks(start, end)

    def _is_emphasised(self, start: int, end: int) -> bool:
        """Whether it is set in italics or bold as an example, in a sentence about attacks."""
        text = self._text
        found = _AS_EXAMPLE.search(text, max(0, start - _NEXT_TO), start)
        if found is None or text.find(found[1], end, end + _LABELLED) < 0:
            return False
        return self._speaks_of_attacks(start, end)

    def _is_reported(self, start: int, end: int) -> bool:
        """Whether the sentence tells what somebody asks of an agent, in a text about attacks."""
        before = self._text[max(0, start - _TOLD_BY) : start]
        # Most matches do not follow on "to", and that is quick to see.
        if not before.endswith((" to ", " TO ")) or _REPORTED.search(before) is None:
            return False
        return self._speaks_of_attacks(start, end) or self._is_about_attacks()

    def _is_about_attacks(self) -> bool:
        if self._about_attacks is None:
            self._about_attacks = is_about_attacks(self._text[:_READ].lower())
        return self._about_attacks
