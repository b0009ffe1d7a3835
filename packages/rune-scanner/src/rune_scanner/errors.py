"""Errors of the scanner.

::

    ScannerError
    ├── RuleError         one fault in one rule file (path, line, key, message, hint)
    └── RuleLoadError     every RuleError of a load, all at once
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ScannerError(Exception):
    """Base of everything the scanner raises on purpose."""


class RuleError(ScannerError):
    """One fault in a rule file.

    Attributes:
        path: The file, as it was given.
        line: 1-based line of the key, or of the syntax error; 0 when the fault is the file's.
        key: The TOML key, such as ``pattern`` or ``hit[2].text``; empty when none is to blame.
        message: What is wrong.
        hint: The way out.
    """

    def __init__(
        self, path: str, message: str, *, line: int = 0, key: str = "", hint: str = ""
    ) -> None:
        self.path = path
        self.line = line
        self.key = key
        self.message = message
        self.hint = hint
        where = f"{path}:{line}" if line else path
        subject = f" {key}:" if key else ""
        tail = f" ({hint})" if hint else ""
        super().__init__(f"{where}:{subject} {message}{tail}")


class RuleLoadError(ScannerError):
    """Every fault found while loading rules, so that all can be mended in one go.

    Attributes:
        errors: The faults, ordered by path and line.
    """

    def __init__(self, errors: Sequence[RuleError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.path, error.line)))
        noun = "fault" if len(self.errors) == 1 else "faults"
        lines = "\n".join(f"  {error}" for error in self.errors)
        super().__init__(f"{len(self.errors)} {noun} in rule files:\n{lines}")
