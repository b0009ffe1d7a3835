"""Whether a shell runs a piece of its command, or only shows, files or searches for it."""

# ruff: noqa: SIM905 - many words read better without marks

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_scanner.shell.syntax import Command, HereDocument, Redirection, Script, Word


class Effect(IntEnum):
    """What a shell does with a piece of text; of several, the highest counts."""

    SHOWN = 0
    """It is printed, written to a file that nothing runs, searched for, or a comment."""
    UNKNOWN = 1
    """A program gets it that may do anything with it."""
    RUNS = 2
    """It is a command, or something runs it as one."""


# What they are given they print, or may.
_PRINTS: Final = frozenset("echo expr jq print printf yq".split())
# What they are given is looked for, compared or filed, and not printed.
_TAKES_TEXT: Final = frozenset(
    ": [ [[ ack ag egrep false fgrep grep logger notify-send rg semgrep test true wall".split()
)
_SUBCOMMANDS_TAKE_TEXT: Final = {
    "git": frozenset("commit grep log notes stash tag".split()),
    "gh": frozenset("issue pr release search".split()),
    "glab": frozenset("issue mr release".split()),
}
_TAKING_TEXT: Final = frozenset("-F -m --body --grep --message --notes --title -b -t -S -G".split())
# Options that name a command to be started, or a file to be written.
_STARTS: Final = re.compile(
    r"-O|--(?:exec|ext|hostname-bin|open-files-in-pager|output|pager|pre)\b"
)
_TESTS: Final = frozenset(("[", "[[", "test"))
# What they read goes on to where they write.
_FILTERS: Final = frozenset(
    "base32 base64 bat cat cksum cmp col column comm cut diff egrep expand fgrep fold fmt grep gzip"
    " head hexdump iconv jq less md5sum more nl od paste pr rev rg sha1sum sha256sum sha512sum sort"
    " strings sum tac tail tr uniq wc xxd yq zcat".split()
)
_SHELLS: Final = frozenset("ash bash csh dash fish ksh sh tcsh zsh".split())
_INTERPRETER: Final = re.compile(
    r"(?:python|perl|ruby|node|nodejs|deno|bun|php|lua|tclsh|osascript|pwsh|powershell|rscript)"
    r"[\d.]{0,6}(?:\.exe)?\Z"
)
# What these read, or are told, they run or have run elsewhere.
_RUN: Final = frozenset(
    "at batch busybox chroot crontab docker doas eval exec expect kubectl mongosh mysql parallel"
    " podman psql redis-cli script source sqlcmd sqlite3 ssh su sudo systemd-run trap watch xargs"
    " .".split()
)
_PREFIXES: Final = frozenset(
    "builtin command doas env ionice nice nohup setsid stdbuf sudo time timeout".split()
)
# Where these stand, no name means what it says.
_CHANGES_NAMES: Final = frozenset("alias coproc enable exec function".split())
_GLOB: Final = re.compile(r"[*?\[]")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w{0,60}\+?=")
_NUMBER: Final = re.compile(r"\d[\d.]{0,8}[smhd]?\Z")
_WRITES: Final = frozenset((">", ">>", ">|", "<>"))
_STANDARD: Final = ("/dev/", "/proc/")
_NOWHERE: Final = frozenset("/dev/null /dev/stdout /dev/stderr /dev/tty -".split())
_DATA_FILE: Final = re.compile(r"\.(?:csv|html?|jsonl?|log|md|rst|tsv|txt|ya?ml)\Z", re.IGNORECASE)
# Some of those files say what is to be run.
_SAYS_WHAT_RUNS: Final = re.compile(
    r"(?:^|/)\.(?!\.?/)|(?:action|ansible|cloud|compose|composer|cron|deno|deploy|hook|init|job|kube|launch|mcp"
    r"|package|pipeline|playbook|runner|script|settings|task|user-data|values|workflow)[^/]{0,40}"
    r"\.(?:json|ya?ml)\Z",
    re.IGNORECASE,
)
_READS_FILES: Final = _FILTERS | _PRINTS | frozenset("file git ls rm stat tee touch".split())
_NAMES_NO_FILE: Final = _READS_FILES | _TAKES_TEXT | {"cd", "exit", "export", "sleep", "wait"}


@dataclass(slots=True)
class _Use:
    """What a command does with what it is given.

    Attributes:
        words: The command's words.
        program: Which of them names the program; None without one.
        name: The program's name.
        given: What becomes of the words behind it.
        printed: What becomes of what it prints.
    """

    words: list[Word]
    program: int | None
    name: str
    given: Effect
    printed: Effect

    def word(self, at: int) -> Effect:
        """What becomes of a word."""
        if self.program is None or at >= len(self.words):
            return Effect.UNKNOWN  # an assignment: who knows what reads it
        if at <= self.program:
            return Effect.RUNS
        if _STARTS.match(self.words[at].text) or _STARTS.fullmatch(self.words[at - 1].text):
            return Effect.UNKNOWN
        taking = _SUBCOMMANDS_TAKE_TEXT.get(self.name)
        if taking and self.program + 1 < at and self.words[self.program + 1].text in taking:
            before, own = self.words[at - 1].text, self.words[at].text
            searches = self.words[self.program + 1].text == "grep"
            if searches or before in _TAKING_TEXT or own.startswith("--"):
                return self.printed
        return self.given

    def substituted(self, at: int, opening: str) -> Effect:
        """What becomes of what a substitution in a word prints."""
        if opening == ">(":
            return Effect.SHOWN
        if self.program is None:
            return Effect.UNKNOWN
        if at <= self.program:
            assigns = _ASSIGNMENT.match(self.words[at].text)
            return Effect.UNKNOWN if assigns else Effect.RUNS
        if _runs_what_it_is_given(self.name):
            return Effect.RUNS
        if opening == "<(":
            return self.printed if self.name in _FILTERS else Effect.UNKNOWN
        return self.word(at)


@dataclass(slots=True)
class _Region:
    """A piece of the command whose use is known.

    Attributes:
        start, end: Where it stands.
        within: The region that holds it.
        becomes: What becomes of it; None for what holds commands of its own.
        use: For a command, what it does with its words.
    """

    start: int
    end: int
    within: _Region | None
    becomes: Effect | None = None
    use: _Use | None = None


class Reading:
    """What becomes of every piece of a command. Reading costs its length, asking next to nothing.

    Args:
        script: The command, as read by `parse`.
    """

    __slots__ = ("_files", "_regions", "_starts", "_unknown")

    def __init__(self, script: Script) -> None:
        pipelines = list(_pipelines(script))
        self._unknown = any(_changes_names(command) for line, _ in pipelines for command in line)
        self._files = _Files(pipelines)
        self._regions: list[_Region] = []
        self._read(script, Effect.SHOWN, None)
        self._regions.sort(key=lambda region: (region.start, -region.end))
        self._starts = [region.start for region in self._regions]

    def effect(self, start: int, end: int) -> Effect:
        """What becomes of the piece from ``start`` to ``end``."""
        index = bisect_right(self._starts, start) - 1
        region = self._regions[index] if index >= 0 else None
        while region is not None and region.end < end:
            if region.becomes is None and region.use is None and region.end > start:
                return Effect.RUNS  # it begins in a substitution, and goes on behind it
            region = region.within
        if region is None:
            return Effect.RUNS
        for following in range(index + 1, bisect_left(self._starts, end)):
            inside = self._regions[following]
            if region.use is None or inside.within is not region:
                return Effect.RUNS  # it holds a substitution
        if region.use is not None:
            at = bisect_right(region.use.words, start, key=attrgetter("end"))
            found = region.use.word(at)
        else:
            found = Effect.RUNS if region.becomes is None else region.becomes
        return Effect.UNKNOWN if found is Effect.SHOWN and self._unknown else found

    def _read(self, script: Script, printed: Effect, within: _Region | None) -> None:
        """Note the regions of a script whose output becomes ``printed``."""
        for start, end in script.comments:
            self._regions.append(_Region(start, end, within, Effect.SHOWN))
        for pipeline in script.pipelines:
            out = printed
            for command in reversed(pipeline):
                written = max(map(self._written_to, command.redirections), default=Effect.SHOWN)
                out = max(out, written)
                program, name = _program(command.words)
                reads = self._reads(command, program, name, out)
                self._note(command, _use(command.words, out), reads, within)
                out = reads

    def _note(self, command: Command, use: _Use, reads: Effect, within: _Region | None) -> None:
        targets = [one.target for one in command.redirections]
        parts = [*command.words, *targets]
        if command.subshell is not None:
            start, end = command.subshell.start, command.subshell.end
            inside = _Region(start, end, within)
            self._regions.append(inside)
            self._read(command.subshell.body, use.printed, inside)
        for document in command.documents:
            self._part(document, reads, within, reads)
        if not parts:
            return
        low, high = min(part.start for part in parts), max(part.end for part in parts)
        region = _Region(low, high, within, use=use)
        self._regions.append(region)
        for at, word in enumerate(command.words):
            self._part(word, use.word(at), region, use, at)
        for redirection in command.redirections:
            is_read = redirection.operator == "<<<"
            becomes = reads if is_read else Effect.UNKNOWN
            self._part(redirection.target, becomes, region, becomes)

    def _part(
        self,
        part: Word | HereDocument,
        becomes: Effect,
        within: _Region | None,
        substituted: Effect | _Use,
        at: int = 0,
    ) -> None:
        region = _Region(part.start, part.end, within, becomes)
        self._regions.append(region)
        for one in part.substitutions:
            inside = _Region(one.start, one.end, region)
            self._regions.append(inside)
            printed = (
                substituted.substituted(at, one.opening)
                if isinstance(substituted, _Use)
                else substituted
            )
            self._read(one.body, printed, inside)

    def _reads(self, command: Command, program: int | None, name: str, out: Effect) -> Effect:
        """What becomes of what a command reads, where ``out`` becomes of what it prints."""
        if program is None:
            # A subshell: its first command reads it, whatever that is.
            return Effect.UNKNOWN
        operands = command.words[program + 1 :]
        given = [word for word in operands if not word.text.startswith("-")]
        if name in _FILTERS:
            return Effect.UNKNOWN if _writes_itself(name, operands, given) else out
        if name == "tee":
            return max([out, *map(self._files.written, given)])
        if name in _SHELLS:
            # A program of its own, which reads the text as data.
            own = given and "-s" not in _options(operands)
            return Effect.UNKNOWN if own else Effect.RUNS
        if _INTERPRETER.match(name):
            if any(word.text == "-" or word.text.startswith(_STANDARD) for word in operands):
                return Effect.RUNS
            inline = _options(operands) & {"-c", "-e", "-E", "-i", "-m", "-r"}
            if inline or any(not word.is_known for word in operands):
                return Effect.UNKNOWN
            return Effect.SHOWN if given else Effect.RUNS
        return Effect.RUNS if name in _RUN else Effect.UNKNOWN

    def _written_to(self, redirection: Redirection) -> Effect:
        if redirection.operator == ">&" and not redirection.target.text.isdigit():
            return Effect.UNKNOWN
        if redirection.operator in _WRITES:
            return self._files.written(redirection.target)
        return Effect.SHOWN


class _Files:
    """Which files something in the command may run."""

    __slots__ = ("_any", "_named")

    def __init__(self, pipelines: list[tuple[list[Command], bool]]) -> None:
        named: list[str] = []
        self._any = False
        for pipeline, nested in pipelines:
            names = {_program(command.words)[1] for command in pipeline}
            if nested or not names <= _READS_FILES:
                named += (text for command in pipeline for text in _told(command))
            if not names <= _NAMES_NO_FILE:
                self._any |= any(map(_tells_of_any, pipeline))
        self._named = "\n".join(named)

    def written(self, target: Word) -> Effect:
        """What becomes of what is written to a file."""
        name = target.text
        if not target.is_known:
            return Effect.UNKNOWN
        if name in _NOWHERE:
            return Effect.SHOWN
        if not _DATA_FILE.search(name) or _SAYS_WHAT_RUNS.search(name):
            return Effect.UNKNOWN
        # Something else may run it nonetheless.
        is_named = name.rpartition("/")[2] in self._named
        return Effect.UNKNOWN if self._any or is_named else Effect.SHOWN


def _use(words: list[Word], out: Effect) -> _Use:
    program, name = _program(words)
    given = Effect.UNKNOWN
    if program is not None and name == "xargs":
        # The command that it starts for what it reads is given the rest.
        begins = next(
            (
                index
                for index, word in enumerate(words[program + 1 :], program + 1)
                if word.text[:1] != "-" and word.text != "{}" and not _NUMBER.match(word.text)
            ),
            None,
        )
        if begins is not None:
            own, own_name = _program(words[begins:])
            if own is not None and own_name != "xargs":
                program, name = begins + own, own_name
    if program is not None:
        if name in _PRINTS and "-v" not in _options(words[program + 1 :]):
            given = out
        elif name in _TAKES_TEXT:
            # A number that is a subscript is expanded after all: [[ 'a[$(…)]' -eq 0 ]].
            expands = name in _TESTS and any(
                "[" in word.text and word.text != name for word in words
            )
            given = Effect.UNKNOWN if expands else Effect.SHOWN
    return _Use(words, program, name, given, out)


def _program(words: list[Word]) -> tuple[int | None, str]:
    """Which word names the program that a command starts, and that name."""
    prefixed = False
    for index, word in enumerate(words):
        text = word.text
        if _ASSIGNMENT.match(text) or (prefixed and (text[:1] == "-" or _NUMBER.match(text))):
            continue
        name = text.rpartition("/")[2].lower()
        if word.is_known and name in _PREFIXES and index + 1 < len(words):
            prefixed = True
            continue
        return index, name if word.is_known else ""
    return None, ""


def _options(operands: list[Word]) -> set[str]:
    """The options among a program's words; letters that share a mark count each."""
    found: set[str] = set()
    for word in operands:
        if word.text.startswith("-") and not word.text.startswith("--"):
            found.update(f"-{letter}" for letter in word.text[1:])
    return found


def _writes_itself(name: str, operands: list[Word], given: list[Word]) -> bool:
    """Whether a filter writes to a file of its own."""
    if "grep" in name or name == "rg":
        return False
    to_file = any(word.text.startswith(("-o", "--output", "-i", "--in-place")) for word in operands)
    names_two = len(given) > 1 or any(word.text == "-" for word in operands)
    return to_file or (name in ("uniq", "xxd") and names_two)


def _runs_what_it_is_given(name: str) -> bool:
    return name in _SHELLS or name in _RUN or not name or _INTERPRETER.match(name) is not None


def _changes_names(command: Command) -> bool:
    name = _program(command.words)[1]
    return name in _CHANGES_NAMES or any(word.text.startswith("PATH=") for word in command.words)


def _told(command: Command) -> Iterator[str]:
    """What a command is told, and reads, but not what it writes to."""
    for word in command.words:
        yield word.text
    for redirection in command.redirections:
        if redirection.operator not in _WRITES:
            yield redirection.target.text


def _tells_of_any(command: Command) -> bool:
    """Whether a command is told of files in a way that is not known here."""
    return any(not word.is_known or _GLOB.search(word.text) for word in command.words)


def _pipelines(script: Script, *, nested: bool = False) -> Iterator[tuple[list[Command], bool]]:
    """All pipelines, and whether they stand in a substitution or subshell."""
    for pipeline in script.pipelines:
        yield pipeline, nested
        for command in pipeline:
            parts: list[Word | HereDocument] = [*command.words, *command.documents]
            parts += (one.target for one in command.redirections)
            for part in parts:
                for substitution in part.substitutions:
                    yield from _pipelines(substitution.body, nested=True)
            if command.subshell is not None:
                yield from _pipelines(command.subshell.body, nested=True)
