"""Tell a payload that a call's arguments write about from one that would run.

Mentioned is what is quoted beside words about attacks or for a command that searches or prints, and
a shell command inside a sentence ("why is … so dangerous?") where no shell would begin one: in an
argument that is no command, behind other words of its line, without a sign that begins a command.
"""

# ruff: noqa: SIM905 - many words read better without marks

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import deque
from contextlib import suppress
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from rune_scanner.json_strings import decode
from rune_scanner.quotations import Quotations
from rune_scanner.shell import Effect, Reading, ShellSyntaxError, parse
from rune_scanner.talk import (
    IN_CALLS,
    function_words,
    is_about_attacks,
    speaks_of_attacks,
    speaks_of_attacks_around,
)
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
_MARKUP: Final = 16
_OPTION: Final = 12
_READ_AS_SHELL: Final = 120_000

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
# Programs that take it for data, or say what they think of it.
_TAKES_TEXT: Final = re.compile(
    r"\b(?:jq|notify-send|pytest|yq)\s[^\n;&]{0,160}$"
    r"|\b(?:analy[sz]e|check|classify|detect|explain|guard|scan|scanner)\b[^\n;&|<>]{0,80}$"
    r"|\b(?:curl|http|xh)\s[^\n;|]{0,120}/(?:analy[sz]e|check|classify|detect|evaluate|guard"
    r"|moderat\w{1,4}|scan|validate)\b[^\n;|]{0,80}$",
    re.IGNORECASE,
)
_ASSIGNS: Final = re.compile(r"(?:^|[;&|]|\b(?:env|export))\s{0,3}[A-Za-z_]\w{0,40}=\Z")
# A file that nothing runs, at the end of the command.
_FILED: Final = re.compile(
    r"[ \t]{0,3}>>?[ \t]{0,3}[^\s;|&<>\"'`$\\]{1,80}\.(?:csv|html?|jsonl?|log|md|txt|ya?ml)"
    r"[ \t]{0,3}(?:\\{0,7}\"|\Z)"
)
# A string by its name; and one in JSON that is itself such a string.
_ARGUMENT: Final = re.compile(r'"(\w{1,40})"\s?:\s?"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NESTED: Final = re.compile(r'\\{1,7}"(\w{1,40})\\{1,7}"\s?:\s?(\\{1,7})"')
# The command of `["bash", "-lc", "…"]`.
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SHELL_OPTION: Final = re.compile(r'"(?:-[a-z]{0,3}c|/c)"\s?,\s?\Z', re.IGNORECASE)
_LIST: Final = re.compile(r'"(\w{1,40})\\{0,7}"\s?:\s?\[')
_STRUCTURE: Final = re.compile(r"\s{0,2}[\[{]")
_COMMANDS: Final = frozenset(
    ("argv", "bash", "cmd", "command", "commands", "exec", "script", "shell")
)
_CODE: Final = frozenset(("code", "expression", "python", "source"))
# Arguments that hold what somebody reads.
_PROSE: Final = frozenset(
    """
    answer body caption comment content context description detail details explanation feedback
    file_text markdown message msg new_string new_text note notes patch post prompt q query question
    rationale reason reply review search subject summary text thought title
    """.split()
)
# What somebody looks for, or what something is called: no shell gets that to run.
_TERMS: Final = frozenset(
    "keywords q query question search search_query subject title topic".split()
)
_DRAWN_BY: Final = re.compile(
    r"(?:\]\(\s?<?|\b(?:href|src)\s?=\s?\\{0,7}[\"']?|url\()\Z", re.IGNORECASE
)
_DRAWN: Final = ("![", "[", "<a", "<i", "<s", "<v", "<l", "<e", "<o", "<f", "<m", "<b")
# A name of several words is told by its last: `issue_body`, `commitMessage`.
_LAST_WORD: Final = re.compile(r".(?:_|-|(?<=[a-z])(?=[A-Z]))([A-Za-z]{3,12})\Z")
_KNOWN: Final = _COMMANDS | _CODE | _PROSE | _TERMS
# What is written there may be a page with code blocks, lists and quotations of its own.
_PAGES: Final = _PROSE - {"prompt", "q", "query", "question", "search", "thought", "title"}
# What becomes a file or a part of one.
_FILES: Final = frozenset(("content", "file_text", "new_string", "new_text", "patch"))
_SHELL_FILE: Final = re.compile(
    r"\.(?:sh|bash|zsh|fish|ps1|bat|cmd|service|timer|desktop)\\{0,7}\""
    r"|(?:docker|make|just|proc|jenkins)file|\bcron|\.git[/\\]{1,4}hooks"
    r"|(?:bash|zsh)rc\b|profile(?:\.d)?\b|rc\.local|init\.d\b",
    re.IGNORECASE,
)
# Keys whose value a shell gets, and functions that hand it one.
_RUN_BY_NAME: Final = re.compile(
    r"(?:argv|bash|before|after|build|clean|cmd|command|dev|do|entrypoint|exec\w{0,8}|hooks?|install"
    r"|lint|on\w{0,12}|(?:pre|post)\w{2,16}|run|scripts?|shell|start|steps?|stop|task|test)"
    r"[\\\"']{0,8}\s{0,3}[:=(\[]{1,2}[^:=(]{0,8}\Z",
    re.IGNORECASE,
)
_STARTS: Final = re.compile(
    r"child_process|execsync|getruntime|processbuilder|shell\s?=\s?true|shell_exec|passthru|proc_open"
    r"|invoke-expression|start-process|os\.exec|exec\.command|command::new|\bspawn|\bcall\(|\brun\(",
    re.IGNORECASE,
)
_NAMED: Final = 60
_SCRIPT: Final = re.compile(
    r"\.(?:sh|bash|zsh|fish|ps1|bat|cmd|py|m?js|ts|rb|pl|php|lua|service|timer|desktop|ya?ml)\\{0,7}\""
)
_ESCAPE: Final = re.compile(r'(\\+)([nt"])')
# A name and its arguments: what runs only where a command may begin. Code in other languages, and
# what servers expand wherever it stands, is something else.
_SHELL: Final = re.compile(r"(?:[a-z\d]{2,12}[ \t]|:\()(?!java\.)[^\n$]*\Z", re.IGNORECASE)
_BEGINS_COMMAND: Final = re.compile(r"[;|&$`{}<>=]|-exec\b")
# A match may begin in the middle of its command.
_BEGAN: Final = re.compile(
    r"\b(?:(?:curl|dig|nc|ncat|nslookup|ping|wget)\s[^\n;&|\"`]{0,160}"
    r"|(?:cat|echo|printf)\s[^\n;&|\"`]{0,160}\|\s{0,2}|sudo\s(?:-\S{1,10}\s)?)\Z",
    re.IGNORECASE,
)
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
    escaped: int = 1
    """How many times JSON escapes it: twice in JSON that is itself a string."""


class _Page(NamedTuple):
    """An argument that is a text of its own, and what kind of file it becomes."""

    mentions: WritingMentions
    is_script: bool
    is_shell: bool


class _Command(NamedTuple):
    """An argument that a shell can read."""

    reading: Reading
    places: list[int]


class CallMentions:
    """Where a call's arguments, as JSON, mention payloads rather than run them.

    Args:
        text: The arguments.
    """

    __slots__ = (
        "_arguments",
        "_commands",
        "_literals",
        "_pages",
        "_quotations",
        "_runners",
        "_said",
        "_strings",
        "_text",
    )

    def __init__(self, text: str) -> None:
        self._text = text
        # In JSON every text is between quotation marks.
        self._quotations = Quotations(text, in_json=True)
        self._runners: dict[int, list[int]] = {}
        self._said: dict[Bounds, bool] = {}
        self._pages: dict[int, _Page] = {}
        self._arguments: list[_Argument] | None = None
        self._literals: dict[int, bool] = {}
        self._commands: dict[int, _Command | None] = {}
        self._strings: list[Bounds] | None = None

    def hold(self, start: int, end: int) -> bool:
        """Whether the match from ``start`` to ``end`` is only mentioned."""
        effect = self._effect(start, end)
        if effect is Effect.SHOWN:
            return True
        if effect is Effect.RUNS:
            return False
        bounds = self._quotations.inline(start, end)
        if bounds is not None:
            said = self._said.get(bounds)
            if said is None:
                said = self._said[bounds] = self._is_quoted_in_call(*bounds)
            if said:
                return True
            if self._is_literal(*bounds, start, end):
                return True
        return self._is_in_sentence(start, end, quoted=bounds is not None) or self._is_on_page(
            start, end
        )

    def _effect(self, start: int, end: int) -> Effect | None:
        """What a shell does with it; None where no shell gets it, or none can read it."""
        argument = self._argument(start) or self._listed_command(start)
        if argument is None or end > argument.end:
            return None
        named = argument.name in _COMMANDS
        if not named and argument.name in _KNOWN:
            return None
        command = self._command(argument)
        if command is None:
            return None
        places = command.places
        found = command.reading.effect(bisect_left(places, start), bisect_left(places, end))
        # What has another name may be a sentence.
        return found if named or found is Effect.SHOWN else None

    def _command(self, argument: _Argument) -> _Command | None:
        if argument.start not in self._commands:
            command = None
            if argument.end - argument.start <= _READ_AS_SHELL:
                text, places = decode(
                    self._text, argument.start, argument.end, times=argument.escaped
                )
                with suppress(ShellSyntaxError):
                    command = _Command(Reading(parse(text)), places)
            self._commands[argument.start] = command
        return self._commands[argument.start]

    def _is_quoted_in_call(self, opening: int, closing: int) -> bool:
        """Whether a quotation stands in a sentence, a test or a search, not in a command."""
        text = self._text
        # What JSON writes for a line break begins a line too.
        low = max(0, opening - _LINE)
        broken = max(text.rfind("\n", low, opening) + 1, text.rfind("\\n", low, opening) + 2)
        low = broken if broken > 1 else low
        argument = self._argument(opening)
        lead = max(low, opening - _SEARCHED, argument.start if argument else 0)
        prints = (
            _PRINTS.search(text, lead, opening) is not None
            and (argument is None or self._effect(opening, closing) is None)
            and not self._runs(low, opening)
        )
        if prints and _FILED.match(text, closing, closing + _AFTER):
            return not self._substitutes(lead, opening, closing)
        if _PIPED.search(text, closing, closing + _AFTER):
            return False
        if prints:
            return not self._substitutes(lead, opening, closing)
        if self._runs(low, opening):
            return False
        if _TAKES_TEXT.search(text, lead, opening) and not _ASSIGNS.search(text[lead:opening]):
            return not self._substitutes(lead, opening, closing)
        if (argument.name if argument else self._list(opening)) in _COMMANDS:
            return False
        if argument and argument.name in _PAGES and self._page(argument).is_shell:
            return False
        return speaks_of_attacks_around(text, opening, closing, IN_CALLS)

    def _is_literal(self, opening: int, closing: int, start: int, end: int) -> bool:
        """Whether a command is a string in a file that runs none."""
        text, argument = self._text, self._argument(start)
        if argument is None or argument.name not in _FILES or not _SHELL.match(text, start, end):
            return False
        lead = text[max(argument.start, opening - _NAMED) : opening]
        if _RUN_BY_NAME.search(lead) or _BEGINS_COMMAND.search(text, closing, closing + 2):
            return False
        runs = self._literals.get(argument.start)
        if runs is None:
            low, high = argument.start, argument.end
            runs = self._literals[low] = (
                self._page(argument).is_shell
                or _RUNS.search(text, low, high) is not None
                or _STARTS.search(text, low, high) is not None
            )
        return not runs

    def _substitutes(self, lead: int, opening: int, closing: int) -> bool:
        """Whether a shell would run something inside a quotation."""
        text = self._text
        # Nothing between single marks that are not themselves between double ones.
        if text.startswith("'", opening) and '"' not in text[lead:opening]:
            return False
        return _SUBSTITUTES.search(text, opening, closing) is not None

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
        argument = self._argument(start)
        if argument is None:
            return False
        value = text[max(argument.start, start - _BEFORE) : start]
        lines = _LINE_BREAK.split(value)
        line = lines[-1]
        begins = argument.start >= start - _BEFORE or len(lines) > 1
        began = _BEGAN.search(line)
        if began:
            start -= len(line) - began.start()
            line = line[: began.start()]
        shell = _SHELL.match(text, start, end) is not None
        if (
            begins
            and line.lstrip().startswith(("# ", "// "))
            # Where no command or code is meant to stand, it may be a heading, and no comment.
            and (shell or argument.name in _COMMANDS or argument.name in _CODE)
        ):
            return True
        if not shell:
            return self._is_told(argument, line, start, end)
        if _TEST_DATA.search(value) and argument.name in _PROSE:
            return speaks_of_attacks_around(text, start, end, IN_CALLS)
        # Between back-ticks a shell runs it after all, so only where somebody reads it.
        marks = " \t`\"'\\" if quoted else " \t"
        after = _LINE_BREAK.split(text[end : min(argument.end, end + _AFTER)])[0]
        if not line.strip(marks):
            if begins and len(lines) == 1 and argument.name in _TERMS:
                return True
            # It may begin a sentence that says what it is.
            return (
                argument.name in _PROSE
                and function_words(after) > 0
                and speaks_of_attacks(after.lower())
                and not self._page(argument).is_shell
            )
        if _BEGINS_COMMAND.search(line.rstrip(marks)) or _RUNS.match(line.lstrip()):
            return False
        # Words behind it may be a comment; a sentence has some on either side, or before.
        leading, following = function_words(line), function_words(after)
        if not leading or leading + following < _SENTENCE:
            return argument.name in _PROSE and speaks_of_attacks_around(text, start, end, IN_CALLS)
        if quoted:
            return argument.name in _PROSE
        return argument.name not in _COMMANDS and argument.name not in _CODE

    def _is_told(self, argument: _Argument, line: str, start: int, end: int) -> bool:
        """Whether a sentence about attacks names something other than a command."""
        text = self._text
        # What a reader's program would draw or fetch by itself is there, whatever is said of it.
        if (
            argument.name not in _PROSE
            or text.startswith(_DRAWN, start)
            or _DRAWN_BY.search(text[max(0, start - _MARKUP) : start])
        ):
            return False
        after = _LINE_BREAK.split(text[end : min(argument.end, end + _AFTER)])[0]
        words = function_words(line) + function_words(after)
        if not words:
            return is_about_attacks(f"{line} {after}".lower())
        more = IN_CALLS if words >= _SENTENCE else frozenset[str]()
        return speaks_of_attacks_around(text, start, end, more)

    def _is_on_page(self, start: int, end: int) -> bool:
        """Whether the argument is a page, or a program with a string, that mentions it."""
        text, argument = self._text, self._argument(start)
        if argument is None or argument.name not in _PAGES or end > argument.end:
            return False
        page = self._page(argument)
        at, stop = start - argument.start, end - argument.start
        if not page.is_script:
            return page.mentions.hold(at, stop)
        low = max(argument.start, start - _LINE)
        low = max(low, text.rfind("\n", low, start), text.rfind("\\n", low, start))
        return not page.is_shell and not self._runs(low, start) and page.mentions.quote(at, stop)

    def _page(self, argument: _Argument) -> _Page:
        low, high = argument.start, argument.end
        page = self._pages.get(low)
        if page is None:
            text = self._text
            aside = f"{text[max(0, low - _BEFORE) : low]} {text[high : high + _BEFORE]}"
            # As long as before, so that places stay where they are.
            page = self._pages[low] = _Page(
                WritingMentions(_ESCAPE.sub(_unescape, text[low:high]), IN_CALLS),
                is_script=_SCRIPT.search(aside) is not None,
                is_shell=_SHELL_FILE.search(aside) is not None,
            )
        return page

    def _listed_command(self, at: int) -> _Argument | None:
        """The string behind a shell's ``-c`` that holds ``at``, in a list of a program's words."""
        if self._strings is None:
            self._strings = [found.span() for found in _STRING.finditer(self._text)]
        index = bisect_right(self._strings, at, key=itemgetter(0)) - 1
        if index < 0 or self._strings[index][1] <= at:
            return None
        start, end = self._strings[index]
        if _SHELL_OPTION.search(self._text, max(0, start - _OPTION), start) is None:
            return None
        name = self._list(start)
        return _Argument(start + 1, end - 1, name) if name in _COMMANDS else None

    def _list(self, at: int) -> str:
        """The name of the last list that begins before ``at``; empty without one."""
        named = deque(_LIST.finditer(self._text, max(0, at - _FOR_KEY), at), maxlen=1)
        return named[0][1].casefold() if named else ""

    def _argument(self, at: int) -> _Argument | None:
        """The string that holds ``at``; None where it cannot be told, as in a list of strings."""
        text = self._text
        if self._arguments is None:
            self._arguments = [
                _Argument(found.start(2), found.end(2), _name(found[1]))
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
                escaped = 1 + len(nested[0][2]).bit_length()
                return _Argument(start, stop, _name(nested[0][1]), escaped)
        if argument.name not in _PAGES and _STRUCTURE.match(text, argument.start):
            return None
        return argument


def _name(given: str) -> str:
    folded = given.casefold()
    if folded in _KNOWN:
        return folded
    last = _LAST_WORD.search(given)
    return last[1].casefold() if last and last[1].casefold() in _KNOWN else folded


def _unescape(escape: re.Match[str]) -> str:
    sign = {"n": "\n", "t": "\t"}.get(escape[2], escape[2])
    return " " * len(escape[1]) + sign
