"""Whether a shell runs a piece of its command, or only shows, files or searches for it."""

# ruff: noqa: SIM905 - many words read better without marks

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from rune_scanner.shell.syntax import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rune_scanner.shell.syntax import (
        HereDocument,
        Redirection,
        Script,
        Substitution,
        Word,
    )


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
_NOWHERE: Final = frozenset("/dev/null /dev/stdout /dev/stderr /dev/tty -".split())
_DATA_FILE: Final = re.compile(r"\.(?:csv|html?|jsonl?|log|md|rst|tsv|txt|ya?ml)\Z", re.IGNORECASE)
# Some of those files say what is to be run.
_SAYS_WHAT_RUNS: Final = re.compile(
    r"(?:^|/)(?:\.github|\.circleci|\.git|\.gitlab-ci|package\.json|cron|.{0,20}compose|.{0,20}playbook"
    r"|\.pre-commit)|\.(?:vscode|claude|cursor)/",
    re.IGNORECASE,
)
_READS_FILES: Final = _FILTERS | _PRINTS | frozenset("file git ls rm stat tee touch".split())
_RUN_FILES: Final = _SHELLS | {"source", ".", "xargs", "find", "parallel"}


def effect_of(script: Script, start: int, end: int) -> Effect:
    """What becomes of a piece of a command.

    Args:
        script: The command, as read by `parse`.
        start: Where the piece begins.
        end: Where it ends.
    """
    found = _Reading(script).look(script, start, end, Effect.SHOWN)
    if found is Effect.SHOWN and any(map(_changes_names, _commands(script))):
        return Effect.UNKNOWN
    return found


class _Reading:
    """One script, and what becomes of text in it."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def look(self, script: Script, start: int, end: int, printed: Effect) -> Effect:
        """What becomes of ``start`` to ``end``, where ``printed`` becomes of what is printed."""
        if any(low <= start and end <= high for low, high in script.comments):
            return Effect.SHOWN
        for pipeline in script.pipelines:
            for index, command in enumerate(pipeline):
                found = self._look_in(pipeline, index, command, start, end, printed)
                if found is not None:
                    return found
        return Effect.RUNS

    def _look_in(
        self,
        pipeline: list[Command],
        index: int,
        command: Command,
        start: int,
        end: int,
        printed: Effect,
    ) -> Effect | None:
        if command.subshell is not None and _holds(command.subshell, start, end):
            out = self._goes_to(pipeline, index, printed)
            return self.look(command.subshell.body, start, end, out)
        read = [one.target for one in command.redirections if one.operator == "<<<"]
        parts: tuple[Word | HereDocument, ...] = (*command.documents, *read)
        for part in parts:
            if _holds(part, start, end):
                becomes = self._is_read_by(pipeline, index, printed)
                return self._part(part, start, end, becomes, becomes)
        if any(_holds(one.target, start, end) for one in command.redirections):
            return Effect.UNKNOWN
        words = command.words
        if not words or start < words[0].start or end > words[-1].end:
            return None
        at = next(at for at, word in enumerate(words) if start <= word.end)
        out = self._goes_to(pipeline, index, printed)
        if not _holds(words[at], start, end):
            # Several words of one command.
            touched = [word for word in words if word.start < end and start < word.end]
            if any(word.substitutions for word in touched):
                return Effect.RUNS
            return self._as_argument(command, at, out)
        return self._part(
            words[at], start, end, self._as_argument(command, at, out), out, command, at
        )

    def _part(
        self,
        part: Word | HereDocument,
        start: int,
        end: int,
        itself: Effect,
        out: Effect,
        command: Command | None = None,
        at: int = 0,
    ) -> Effect:
        """The same in one word or here-document, of which ``itself`` becomes."""
        for substitution in part.substitutions:
            if _holds(substitution, start, end):
                becomes = itself
                if command is not None:
                    becomes = self._substituted(command, at, substitution, out)
                return self.look(substitution.body, start, end, becomes)
            if substitution.start < end and start < substitution.end:
                return Effect.RUNS
        return itself

    def _as_argument(self, command: Command, at: int, out: Effect) -> Effect:
        """What becomes of a word of a command that prints to where ``out`` is said of."""
        program, name = _program(command)
        if program is None:
            return Effect.UNKNOWN  # an assignment: who knows what reads it
        if at <= program:
            return Effect.RUNS
        if name in _PRINTS:
            return Effect.UNKNOWN if _options(command, program) & {"-v"} else out
        if name in _TAKES_TEXT:
            return Effect.SHOWN
        if name == "xargs":
            begins = _own_command(command, program)
            if begins is not None and begins < at:
                return self._as_argument(Command(command.words[begins:]), at - begins, out)
        taking = _SUBCOMMANDS_TAKE_TEXT.get(name)
        if taking and program + 1 < at and command.words[program + 1].text in taking:
            before, own = command.words[at - 1].text, command.words[at].text
            if before in _TAKING_TEXT or before == "-am" or own.startswith("--"):
                return out
            return out if command.words[program + 1].text == "grep" else Effect.UNKNOWN
        return Effect.UNKNOWN

    def _substituted(
        self, command: Command, at: int, substitution: Substitution, out: Effect
    ) -> Effect:
        """What becomes of what a substitution in a command's word prints."""
        program, name = _program(command)
        if substitution.opening == ">(":
            return Effect.SHOWN
        if program is None:
            return Effect.UNKNOWN
        if at <= program:
            assigns = _ASSIGNMENT.match(command.words[at].text)
            return Effect.UNKNOWN if assigns else Effect.RUNS
        if _runs_what_it_is_given(name):
            return Effect.RUNS
        if substitution.opening == "<(":
            return out if name in _FILTERS else Effect.UNKNOWN
        return self._as_argument(command, at, out)

    def _goes_to(self, pipeline: list[Command], index: int, printed: Effect) -> Effect:
        """What becomes of what a command prints."""
        command = pipeline[index]
        written = max(map(self._written_to, command.redirections), default=Effect.SHOWN)
        if index + 1 < len(pipeline):
            return max(written, self._is_read_by(pipeline, index + 1, printed))
        return max(written, printed)

    def _is_read_by(self, pipeline: list[Command], index: int, printed: Effect) -> Effect:
        """What becomes of what a command reads."""
        command = pipeline[index]
        program, name = _program(command)
        if program is None:
            # Only redirected, as in a subshell: its first command reads it, whatever that is.
            return Effect.UNKNOWN
        operands = command.words[program + 1 :]
        if name in _FILTERS:
            return self._goes_to(pipeline, index, printed)
        if name == "tee":
            files = [word for word in operands if not word.text.startswith("-")]
            written = max(map(self._file, files), default=Effect.SHOWN)
            return max(written, self._goes_to(pipeline, index, printed))
        if name in _SHELLS:
            options = _options(command, program)
            given = [word for word in operands if not word.text.startswith("-")]
            # A program of its own, which reads the text as data.
            return Effect.UNKNOWN if given and not options & {"-s"} else Effect.RUNS
        if _INTERPRETER.match(name):
            given = [word for word in operands if word.is_known and not word.text.startswith("-")]
            inline = _options(command, program) & {"-c", "-e", "-r", "-E"}
            if inline or any(not word.is_known for word in operands):
                return Effect.UNKNOWN
            return Effect.SHOWN if given else Effect.RUNS
        if name in _RUN:
            return Effect.RUNS
        return Effect.UNKNOWN

    def _written_to(self, redirection: Redirection) -> Effect:
        if redirection.operator == ">&" and not redirection.target.text.isdigit():
            return Effect.UNKNOWN
        return self._file(redirection.target) if redirection.operator in _WRITES else Effect.SHOWN

    def _file(self, target: Word) -> Effect:
        """What becomes of what is written to a file."""
        name = target.text
        if not target.is_known:
            return Effect.UNKNOWN
        if name in _NOWHERE:
            return Effect.SHOWN
        if not _DATA_FILE.search(name) or _SAYS_WHAT_RUNS.search(name):
            return Effect.UNKNOWN
        # Something else may run it nonetheless.
        last = name.rpartition("/")[2]
        for pipeline, nested in _pipelines(self._script):
            names = {_program(command)[1] for command in pipeline}
            if any(_mentions(command, last) for command in pipeline) and (
                nested or not names <= _READS_FILES
            ):
                return Effect.UNKNOWN
            if not names.isdisjoint(_RUN_FILES) and any(map(_names_files, pipeline)):
                return Effect.UNKNOWN
        return Effect.SHOWN


def _holds(part: Word | HereDocument | Substitution, start: int, end: int) -> bool:
    return part.start <= start and end <= part.end


def _program(command: Command) -> tuple[int | None, str]:
    """Which word names the program that a command starts, and that name."""
    prefixed = False
    for index, word in enumerate(command.words):
        text = word.text
        if _ASSIGNMENT.match(text) or (prefixed and (text[:1] == "-" or _NUMBER.match(text))):
            continue
        name = text.rpartition("/")[2].lower()
        if word.is_known and name in _PREFIXES and index + 1 < len(command.words):
            prefixed = True
            continue
        return index, name if word.is_known else ""
    return None, ""


def _own_command(command: Command, program: int) -> int | None:
    """Where the command begins that ``xargs`` is told to start."""
    for index, word in enumerate(command.words[program + 1 :], program + 1):
        if not word.text.startswith("-") and word.text != "{}" and not _NUMBER.match(word.text):
            return index
    return None


def _options(command: Command, program: int) -> set[str]:
    """The options of a command; letters that share a mark count each."""
    found: set[str] = set()
    for word in command.words[program + 1 :]:
        text = word.text
        if text.startswith("--") or not text.startswith("-"):
            found.add(text)
        else:
            found.update(f"-{letter}" for letter in text[1:])
    return found


def _runs_what_it_is_given(name: str) -> bool:
    return name in _SHELLS or name in _RUN or not name or _INTERPRETER.match(name) is not None


def _changes_names(command: Command) -> bool:
    name = _program(command)[1]
    return name in _CHANGES_NAMES or any(word.text.startswith("PATH=") for word in command.words)


def _mentions(command: Command, file: str) -> bool:
    """Whether a command names a file, but to write to it."""
    read = [one.target for one in command.redirections if one.operator not in _WRITES]
    return any(file in word.text for word in (*command.words, *read))


def _names_files(command: Command) -> bool:
    """Whether a command is told of files in a way that is not known here."""
    return any(not word.is_known or _GLOB.search(word.text) for word in command.words)


def _pipelines(script: Script, *, nested: bool = False) -> Iterator[tuple[list[Command], bool]]:
    """All pipelines, and whether they stand in a substitution or subshell."""
    for pipeline in script.pipelines:
        yield pipeline, nested
        for command in pipeline:
            parts: Iterable[Word | HereDocument] = (
                *command.words,
                *(one.target for one in command.redirections),
                *command.documents,
            )
            for part in parts:
                for substitution in part.substitutions:
                    yield from _pipelines(substitution.body, nested=True)
            if command.subshell is not None:
                yield from _pipelines(command.subshell.body, nested=True)


def _commands(script: Script) -> Iterator[Command]:
    for pipeline, _ in _pipelines(script):
        yield from pipeline
