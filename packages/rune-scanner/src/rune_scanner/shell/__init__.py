"""Read a shell command as a shell does, without running it: what it runs and what it only shows."""

from rune_scanner.shell.effect import Effect, Reading
from rune_scanner.shell.syntax import Script, ShellSyntaxError, parse

__all__ = ["Effect", "Reading", "Script", "ShellSyntaxError", "parse"]
