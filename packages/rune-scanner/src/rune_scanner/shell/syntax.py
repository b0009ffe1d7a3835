"""The structure of a shell command: pipelines of commands, words, redirections, substitutions.

As much of the POSIX shell's grammar and of Bash's as tells where a piece of text ends up. Nothing
is expanded. What is not understood (functions, ``case``, a loop whose output goes on, unbalanced
quotes) raises, so that nobody takes a guess for a reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_LONGEST: Final = 60_000
_DEEPEST: Final = 8
_PLAIN: Final = re.compile(r"[^\s\\'\"`$<>|&;()#]+")
_BLANK: Final = re.compile(r"(?:[ \t\r]|\\\n)+")
_DESCRIPTOR: Final = re.compile(r"(?:\d{1,3}|&)?(?=[<>])")
_REDIRECTION: Final = re.compile(r"<<<|<<-?|<>|<&|>\||>>|>&|<|>")
_PARAMETER: Final = re.compile(r"\$(?:[A-Za-z_]\w*|[\d@*#?$!-])")
_OPENING: Final = frozenset(
    ("!", "{", "if", "then", "elif", "else", "while", "until", "do", "time")
)
_CLOSING: Final = frozenset(("}", "fi", "done"))
# What a group prints, or reads, all its commands do.
_GOES_ON: Final = re.compile(r"[ \t]*(?:\|(?!\|)|\|&|\d{0,3}[<>]|&>)")


class ShellSyntaxError(ValueError):
    """The command cannot be read."""


@dataclass(slots=True)
class Substitution:
    """What a shell runs to get text, or to have something read or write: ``$(…)``, ``<(…)``.

    Attributes:
        opening: ``$(``, a back-tick, ``<(``, ``>(``, or ``(`` for a subshell.
        start, end: Where it stands, with its marks.
        body: What it runs.
    """

    opening: str
    start: int
    end: int
    body: Script


@dataclass(slots=True)
class Word:
    """One word.

    Attributes:
        start, end: Where it stands, with its quotation marks.
        text: What it says, as far as that is known without expanding anything.
        substitutions: What is run to get parts of it.
        is_known: Nothing in it is expanded.
    """

    start: int
    end: int
    text: str = ""
    substitutions: list[Substitution] = field(default_factory=list)
    is_known: bool = True


@dataclass(slots=True)
class Redirection:
    """``operator target``, such as ``>> notes.md``."""

    operator: str
    target: Word


@dataclass(slots=True)
class HereDocument:
    """Lines that a command reads.

    Attributes:
        start, end: Where its lines stand.
        substitutions: What is run to get parts of them; none where the delimiter is quoted.
        is_known: Nothing in it is expanded.
    """

    start: int = 0
    end: int = 0
    substitutions: list[Substitution] = field(default_factory=list)
    is_known: bool = True


@dataclass(slots=True)
class Command:
    """A simple command, or a subshell with what is redirected from and to it."""

    words: list[Word] = field(default_factory=list)
    redirections: list[Redirection] = field(default_factory=list)
    documents: list[HereDocument] = field(default_factory=list)
    subshell: Substitution | None = None


@dataclass(slots=True)
class Script:
    """Pipelines, one after another, each a list of commands; and where comments stand."""

    pipelines: list[list[Command]] = field(default_factory=list)
    comments: list[tuple[int, int]] = field(default_factory=list)


def parse(text: str) -> Script:
    """Read a command of one or more lines.

    Args:
        text: What a shell would be given, 60,000 characters at most.

    Raises:
        ShellSyntaxError: It is longer, nested deeper than eight substitutions, or holds what is not
            understood.
    """
    if len(text) > _LONGEST:
        raise ShellSyntaxError("too long")
    reader = _Reader(text)
    script = reader.script("")
    if reader.at < len(text):
        raise ShellSyntaxError(f"unexpected {text[reader.at]!r} at {reader.at}")
    return script


class _Reader:
    def __init__(self, text: str, *, depth: int = 0) -> None:
        self.text = text
        self.at = 0
        self._depth = depth
        self._pending: list[tuple[HereDocument, str, bool]] = []

    def script(self, closing: str) -> Script:
        """Read up to ``closing``, which is left to the caller, or to the end."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ShellSyntaxError("nested too deep")
        text, script = self.text, Script()
        pipeline: list[Command] = []
        command = Command()

        def end_command() -> None:
            nonlocal command
            if command.words or command.redirections or command.subshell:
                pipeline.append(command)
            command = Command()

        def end_pipeline() -> None:
            nonlocal pipeline
            end_command()
            if pipeline:
                script.pipelines.append(pipeline)
            pipeline = []

        while self.at < len(text):
            blank = _BLANK.match(text, self.at)
            if blank:
                self.at = blank.end()
                continue
            sign = text[self.at]
            if closing and sign == closing:
                break
            if sign == "#":
                stop = text.find("\n", self.at)
                stop = len(text) if stop < 0 else stop
                script.comments.append((self.at, stop))
                self.at = stop
            elif sign == "\n":
                self.at += 1
                self._documents()
                # A pipe at the end of a line goes on in the next one.
                if command.words or command.redirections or command.subshell or not pipeline:
                    end_pipeline()
            elif text.startswith(("&&", "||"), self.at) or text.startswith(";;", self.at):
                if text.startswith(";;", self.at):
                    raise ShellSyntaxError("case is not read")
                self.at += 2
                end_pipeline()
            elif sign == "|":
                self.at += 2 if text.startswith("|&", self.at) else 1
                end_command()
            elif sign == ";" or (sign == "&" and not text.startswith("&>", self.at)):
                self.at += 1
                end_pipeline()
            elif sign == "(" and not command.words:
                command.subshell = self._nested("(", self.at, self.at + 1, ")")
            elif sign in "()":
                raise ShellSyntaxError(f"unexpected {sign!r} at {self.at}")
            elif self._redirection(command):
                continue
            else:
                word = self._word()
                if word.start == word.end:
                    raise ShellSyntaxError(f"unexpected {sign!r} at {self.at}")
                # Between quotation marks it is a word like others.
                keyword = "" if command.words else text[word.start : word.end]
                if keyword in _CLOSING and _GOES_ON.match(text, self.at):
                    raise ShellSyntaxError(f"where {keyword!r} at {word.start} goes is not read")
                if keyword not in _OPENING and keyword not in _CLOSING:
                    command.words.append(word)
        if self._pending:
            self._documents()
        end_pipeline()
        self._depth -= 1
        return script

    def _redirection(self, command: Command) -> bool:
        text = self.text
        descriptor = _DESCRIPTOR.match(text, self.at)
        found = _REDIRECTION.match(text, descriptor.end()) if descriptor else None
        if found is None or text.startswith(("<(", ">("), found.start()):
            return False
        self.at = found.end()
        blank = _BLANK.match(text, self.at)
        if blank:
            self.at = blank.end()
        target = self._word()
        if target.start == target.end:
            raise ShellSyntaxError(f"nothing behind {found[0]!r} at {self.at}")
        if found[0] in ("<<", "<<-"):
            document = HereDocument()
            quoted = target.end - target.start > len(target.text)
            self._pending.append((document, target.text, quoted))
            command.documents.append(document)
        else:
            command.redirections.append(Redirection(found[0], target))
        return True

    def _documents(self) -> None:
        """Read the lines of the here-documents that the line before began."""
        text = self.text
        for document, delimiter, quoted in self._pending:
            document.start = self.at
            while True:
                if self.at >= len(text):
                    document.end = len(text)
                    break
                stop = text.find("\n", self.at)
                stop = len(text) if stop < 0 else stop
                if text[self.at : stop].strip("\t\r") == delimiter:
                    document.end = self.at
                    self.at = min(len(text), stop + 1)
                    break
                self.at = min(len(text), stop + 1)
            if not quoted:
                self._expanded(document)
        self._pending = []

    def _expanded(self, document: HereDocument) -> None:
        """Find what is run inside a here-document."""
        after, self.at = self.at, document.start
        word = Word(document.start, document.end)
        while self.at < document.end:
            if not self._expansion(word):
                self.at += 2 if self.text[self.at] == "\\" else 1
        document.substitutions, document.is_known = word.substitutions, word.is_known
        if self.at > document.end:
            raise ShellSyntaxError("a substitution goes beyond its here-document")
        self.at = after

    def _word(self) -> Word:
        text, word, parts = self.text, Word(self.at, self.at), list[str]()
        while self.at < len(text):
            plain = _PLAIN.match(text, self.at)
            if plain:
                parts.append(plain[0])
                self.at = plain.end()
                continue
            sign = text[self.at]
            if sign == "\\":
                if not text.startswith("\n", self.at + 1):
                    parts.append(text[self.at + 1 : self.at + 2])
                self.at = min(len(text), self.at + 2)
            elif sign == "'":
                stop = self._find("'", self.at + 1)
                parts.append(text[self.at + 1 : stop])
                self.at = stop + 1
            elif sign == '"':
                self.at += 1
                self._double_quoted(word, parts)
            elif text.startswith("$'", self.at):
                stop = self.at + 2
                while text[stop : stop + 1] not in ("'", ""):
                    stop += 2 if text[stop] == "\\" else 1
                if stop >= len(text):
                    raise ShellSyntaxError("a quotation never ends")
                parts.append(text[self.at + 2 : stop])
                word.is_known = False
                self.at = stop + 1
            elif text.startswith(("<(", ">("), self.at):
                opening = text[self.at : self.at + 2]
                word.substitutions.append(self._nested(opening, self.at, self.at + 2, ")"))
                word.is_known = False
            elif sign == "#" and self.at > word.start:
                parts.append(sign)
                self.at += 1
            elif not self._expansion(word):
                if sign != "$":
                    break
                parts.append(sign)
                self.at += 1
        word.end, word.text = self.at, "".join(parts)
        return word

    def _double_quoted(self, word: Word, parts: list[str]) -> None:
        text = self.text
        while True:
            if self.at >= len(text):
                raise ShellSyntaxError("a quotation never ends")
            sign = text[self.at]
            if sign == '"':
                self.at += 1
                return
            if sign == "\\":
                parts.append(text[self.at + 1 : self.at + 2])
                self.at += 2
            elif not self._expansion(word):
                parts.append(sign)
                self.at += 1

    def _expansion(self, word: Word) -> bool:
        """Read one expansion, if one begins here."""
        text, start = self.text, self.at
        if text.startswith("$((", start):
            stop = self._find("))", start + 3)
            if "$(" in text[start + 3 : stop] or "`" in text[start + 3 : stop]:
                raise ShellSyntaxError("a substitution within arithmetic is not read")
            self.at = stop + 2
        elif text.startswith("$(", start):
            word.substitutions.append(self._nested("$(", start, start + 2, ")"))
        elif text.startswith("`", start):
            word.substitutions.append(self._back_ticks())
        elif text.startswith("${", start):
            stop = self._find("}", start + 2)
            if (
                "$(" in text[start:stop]
                or "`" in text[start:stop]
                or "${" in text[start + 2 : stop]
            ):
                raise ShellSyntaxError("a substitution within a parameter is not read")
            self.at = stop + 1
        else:
            parameter = _PARAMETER.match(text, start)
            if parameter is None:
                return False
            self.at = parameter.end()
        word.is_known = False
        return True

    def _nested(self, opening: str, start: int, inside: int, closing: str) -> Substitution:
        self.at = inside
        pending, self._pending = self._pending, []
        body = self.script(closing)
        self._pending = pending
        if not self.text.startswith(closing, self.at):
            raise ShellSyntaxError(f"{opening!r} at {start} never ends")
        self.at += len(closing)
        return Substitution(opening, start, self.at, body)

    def _back_ticks(self) -> Substitution:
        start = self.at
        stop = self._find("`", start + 1)
        if "\\" in self.text[start:stop]:
            raise ShellSyntaxError("escapes between back-ticks are not read")
        inner = _Reader(self.text[start + 1 : stop], depth=self._depth)
        body = inner.script("")
        _shift(body, start + 1)
        self.at = stop + 1
        return Substitution("`", start, self.at, body)

    def _find(self, sign: str, low: int) -> int:
        found = self.text.find(sign, low)
        if found < 0:
            raise ShellSyntaxError(f"{sign!r} is missing after {low}")
        return found


def _shift(script: Script, by: int) -> None:
    """Move every place in ``script``."""
    script.comments = [(start + by, end + by) for start, end in script.comments]
    for pipeline in script.pipelines:
        for command in pipeline:
            for part in (*command.words, *(one.target for one in command.redirections)):
                _move(part, by)
            for document in command.documents:
                _move(document, by)
            if command.subshell is not None:
                _move_substitution(command.subshell, by)


def _move(part: Word | HereDocument, by: int) -> None:
    part.start += by
    part.end += by
    for substitution in part.substitutions:
        _move_substitution(substitution, by)


def _move_substitution(substitution: Substitution, by: int) -> None:
    substitution.start += by
    substitution.end += by
    _shift(substitution.body, by)
