"""Tell a payload that a call's arguments write about from one that would run.

Mentioned is what is quoted beside words about attacks or for a command that searches or prints, and
a shell command inside a sentence ("why is … so dangerous?") where no shell would begin one: in an
argument that is no command, behind other words of its line, without a sign that begins a command.
"""

# ruff: noqa: SIM905 - many words read better without marks

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from rune_scanner.quotations import Quotations
from rune_scanner.talk import function_words, speaks_of_attacks_around
from rune_scanner.writing_mention import WritingMentions

if TYPE_CHECKING:
    from rune_scanner.quotations import Bounds

_BEFORE: Final = 240
_AFTER: Final = 160
_LINE: Final = 700
_INTERPRETER: Final = 120
_FOR_KEY: Final = 2000
_SENTENCE: Final = 2
_PIECE: Final = 512
_SEARCHED: Final = 200

_RUNS: Final = re.compile(
    r"(?:\b(?:ba|z|da|k|c|a)?sh|cmd(?:\.exe)?|powershell|python\d?|perl|ruby|node|php)\b[^\n]{0,40}"
    r"\s-{1,2}[a-z]{0,8}[ce]\b|\beval\b|\bexec\b|\bsystem\s{0,2}\(|\bpopen\b|\bspawn|\bxargs\b|"
    r"\bsource\b|\bsubprocess\b|\bssh\b|\bdocker\b|\bkubectl\b|\bsudo\b|\bcrontab\b|\$\(|<\(",
    re.IGNORECASE,
)
_SUBSTITUTES: Final = re.compile(r"`|\$\(|<\(")
_PIPED: Final = re.compile(r"\|\s{0,3}\S{0,20}(?:sh|python\d?|perl|tee|at|xargs|node)\b|>\s{0,2}\S")
# Commands that look for what is quoted, print it or file it.
_PRINTS: Final = re.compile(
    r"\b(?:e?grep|rg|ag|ack|findstr|select-string|semgrep|echo|printf|logger"
    r"|git (?:grep|log|commit|tag)|gh (?:issue|pr))\b[^\n;&|]{0,160}$",
    re.IGNORECASE,
)
# A string by its name; and one in JSON that is itself such a string.
_ARGUMENT: Final = re.compile(r'"(\w{1,40})"\s?:\s?"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NESTED: Final = re.compile(r'\\{1,7}"(\w{1,40})\\{1,7}"\s?:\s?(\\{1,7})"')
_LIST: Final = re.compile(r'"(\w{1,40})\\{0,7}"\s?:\s?\[')
_STRUCTURE: Final = re.compile(r"\s{0,2}[\[{]")
_COMMANDS: Final = frozenset(
    ("argv", "bash", "cmd", "command", "commands", "exec", "script", "shell")
)
_CODE: Final = frozenset(("code", "expression", "python", "source"))
# Arguments that hold what somebody reads.
_PROSE: Final = frozenset(
    """
    answer body caption comment content description file_text markdown message new_string new_text
    note notes patch prompt q query question reply search subject summary text thought title
    """.split()
)
# What is written there may be a page with code blocks, lists and quotations of its own.
_PAGES: Final = _PROSE - {"prompt", "q", "query", "question", "search", "thought", "title"}
_SCRIPT: Final = re.compile(
    r"\.(?:sh|bash|zsh|fish|ps1|bat|cmd|py|m?js|ts|rb|pl|php|lua|service|timer|desktop|ya?ml)\\{0,7}\""
)
_ESCAPE: Final = re.compile(r'(\\+)([nt"])')
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


class _Argument(NamedTuple):
    """Where a string lies in the call's JSON, and its name."""

    start: int
    end: int
    name: str


class CallMentions:
    """Where a call's arguments, as JSON, mention payloads rather than run them.

    Args:
        text: The arguments.
    """

    __slots__ = ("_arguments", "_pages", "_quotations", "_runners", "_said", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        # In JSON every text is between quotation marks.
        self._quotations = Quotations(text, in_json=True)
        self._runners: dict[int, list[int]] = {}
        self._said: dict[Bounds, bool] = {}
        self._pages: dict[int, WritingMentions] = {}
        self._arguments: list[_Argument] | None = None

    def hold(self, start: int, end: int) -> bool:
        """Whether the match from ``start`` to ``end`` is only mentioned."""
        bounds = self._quotations.inline(start, end)
        if bounds is not None:
            said = self._said.get(bounds)
            if said is None:
                said = self._said[bounds] = self._is_quoted_in_call(*bounds)
            if said:
                return True
        return self._is_in_sentence(start, end, quoted=bounds is not None) or self._is_on_page(
            start, end
        )

    def _is_quoted_in_call(self, opening: int, closing: int) -> bool:
        """Whether a quotation stands in a sentence, a test or a search, not in a command."""
        text = self._text
        # What JSON writes for a line break begins a line too.
        low = max(0, opening - _LINE)
        broken = max(text.rfind("\n", low, opening) + 1, text.rfind("\\n", low, opening) + 2)
        low = broken if broken > 1 else low
        if _PIPED.search(text, closing, closing + _AFTER):
            return False
        if _PRINTS.search(text, max(low, opening - _SEARCHED), opening):
            # A shell runs what it finds between these, quoted or not.
            return not _SUBSTITUTES.search(text, opening, closing)
        if self._runs(low, opening):
            return False
        argument = self._argument(opening)
        if (argument.name if argument else self._list(opening)) in _COMMANDS:
            return False
        return speaks_of_attacks_around(text, opening, closing)

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
                    for match in _RUNS.finditer(self._text, start, stop + _INTERPRETER)
                    if match.start() < stop
                ]
            if any(low <= at < high for at in found):
                return True
        return False

    def _is_in_sentence(self, start: int, end: int, *, quoted: bool) -> bool:
        """Whether a shell command stands among words, where no shell would begin a command."""
        text = self._text
        argument = self._argument(start) if _SHELL.match(text, start, end) else None
        if argument is None:
            return False
        value = text[max(argument.start, start - _BEFORE) : start]
        lines = _LINE_BREAK.split(value)
        line = lines[-1]
        begins = argument.start >= start - _BEFORE or len(lines) > 1
        if begins and line.lstrip().startswith(("# ", "// ")):
            return True  # a comment
        if _TEST_DATA.search(value) and argument.name in _PROSE:
            return speaks_of_attacks_around(text, start, end)
        # Between back-ticks a shell runs it after all, so only where somebody reads it.
        marks = " \t`\"'\\" if quoted else " \t"
        if (
            not line.strip(marks)
            or _BEGINS_COMMAND.search(line.rstrip(marks))
            or _RUNS.match(line.lstrip())
        ):
            return False
        after = _LINE_BREAK.split(text[end : min(argument.end, end + _AFTER)])[0]
        # Words behind it may be a comment; a sentence has some on either side, or before.
        leading, following = function_words(line), function_words(after)
        if not leading or leading + following < _SENTENCE:
            return argument.name in _PROSE and speaks_of_attacks_around(text, start, end)
        if quoted:
            return argument.name in _PROSE
        return argument.name not in _COMMANDS and argument.name not in _CODE

    def _is_on_page(self, start: int, end: int) -> bool:
        """Whether the argument is a page of its own, no script, that only mentions it."""
        text, argument = self._text, self._argument(start)
        if argument is None or argument.name not in _PAGES or end > argument.end:
            return False
        page = self._pages.get(argument.start)
        if page is None:
            low, high = argument.start, argument.end
            aside = f"{text[max(0, low - _BEFORE) : low]} {text[high : high + _BEFORE]}"
            written = "" if _SCRIPT.search(aside) else text[low:high]
            # As long as before, so that places stay where they are.
            page = self._pages[low] = WritingMentions(_ESCAPE.sub(_unescape, written))
        return page.hold(start - argument.start, end - argument.start)

    def _list(self, at: int) -> str:
        """The name of the last list that begins before ``at``; empty without one."""
        named = deque(_LIST.finditer(self._text, max(0, at - _FOR_KEY), at), maxlen=1)
        return named[0][1].casefold() if named else ""

    def _argument(self, at: int) -> _Argument | None:
        """The string that holds ``at``; None where it cannot be told, as in a list of strings."""
        text = self._text
        if self._arguments is None:
            self._arguments = [
                _Argument(found.start(2), found.end(2), found[1].casefold())
                for found in _ARGUMENT.finditer(text)
            ]
        index = bisect_right(self._arguments, at, key=attrgetter("start")) - 1
        if index < 0 or self._arguments[index].end <= at:
            return None
        argument = self._arguments[index]
        low = max(argument.start, at - _FOR_KEY)
        nested = deque(_NESTED.finditer(text, low, at), maxlen=1)
        if nested:
            start, mark = nested[0].end(), re.escape(f'{nested[0][2]}"')
            closing = re.compile(rf"(?<!\\){mark}").search(text, start, argument.end)
            stop = closing.start() if closing else argument.end
            if at < stop:
                return _Argument(start, stop, nested[0][1].casefold())
        if argument.name not in _PAGES and _STRUCTURE.match(text, argument.start):
            return None
        return argument


def _unescape(escape: re.Match[str]) -> str:
    sign = {"n": "\n", "t": "\t"}.get(escape[2], escape[2])
    return " " * len(escape[1]) + sign
