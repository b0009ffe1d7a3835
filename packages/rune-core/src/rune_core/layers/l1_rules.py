"""Layer 1: rune-scanner's rules, and the patterns that policies bring along."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from rune_core.errors import RulesError
from rune_core.layers.base import Found
from rune_scanner.finding import Severity, Surface, Threat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rune_core.context import ScanContext
    from rune_core.policy.compiled import CompiledPolicy
    from rune_scanner import Scanner

NAME = "l1_rules"
PATTERNS_NAME = "policy_patterns"


class RulesLayer:
    """Runs the rule scanner. Rules are read and compiled at the first scan.

    Args:
        folders: Rule folders to add to the built-in rules; asked for at the first scan.
        engine: ``re2``, ``re`` or None for the better one installed.
        enabled: False to report ``skipped``.
    """

    name = NAME
    heavy = False
    surfaces = None

    def __init__(
        self, folders: Callable[[], tuple[Path, ...]], *, engine: str | None, enabled: bool = True
    ) -> None:
        self._folders = folders
        self._engine = engine
        self._enabled = enabled
        self._lock = Lock()
        self._scanner: Scanner | None = None
        self._fault = ""

    @property
    def scanner(self) -> Scanner:
        """The scanner, made when first asked for.

        Raises:
            RulesError: The rules do not load, or do not compile.
        """
        if self._scanner is None:
            with self._lock:
                if self._fault:
                    # Reading hundreds of rules again at every scan would not mend them.
                    raise RulesError(self._fault)
                if self._scanner is None:
                    self._scanner = self._make()
        return self._scanner

    def _make(self) -> Scanner:
        from rune_scanner import Scanner, ScannerError, load_rules

        try:
            folders = self._folders()
            scanner = Scanner(load_rules(*folders) if folders else None, engine=self._engine)
            scanner.compile()
        except ScannerError as error:
            self._fault = str(error)
            raise RulesError(self._fault) from None
        return scanner

    @property
    def revision(self) -> str:
        """The rules' content hash and the engine."""
        return f"{self.scanner.rules.revision}/{self.scanner.engine}" if self._enabled else "off"

    def skip_reason(self, _context: ScanContext, _findings: object) -> str | None:
        return None if self._enabled else "disabled by configuration"

    def scan(self, text: str, context: ScanContext) -> Found:
        scan = self.scanner.scan(text, context.surface)
        # Too many findings are merged into wider ones, so that limit leaves nothing unread.
        unread = [name for name in scan.limits_hit if name != "findings"]
        return Found(
            findings=scan.findings,
            note=f"limits hit: {', '.join(scan.limits_hit)}" if scan.limits_hit else "",
            incomplete=bool(unread),
        )


class PatternsLayer:
    """Matches the regexes of ``data_protection`` rules, in the scanner's linear-time engine."""

    name = PATTERNS_NAME
    heavy = False
    surfaces = None
    revision = "policy"

    def __init__(self, policy: CompiledPolicy, *, engine: str | None) -> None:
        self.policy = policy
        self._engine = engine
        self._applies: frozenset[Surface] = frozenset().union(
            *(policy.regex_surfaces(name) for name, _ in policy.regexes)
        )
        self._scanner: Scanner | None = None

    def skip_reason(self, context: ScanContext, _findings: object) -> str | None:
        return None if context.surface in self._applies else "not for this surface"

    def scan(self, text: str, context: ScanContext) -> Found:
        return Found(findings=self.scanner.scan(text, context.surface).findings)

    @property
    def scanner(self) -> Scanner:
        """The scanner. Not made in the constructor: where it fails, it is this layer that failed.

        Raises:
            rune_scanner.ScannerError: The patterns cannot be compiled.
        """
        # Two threads may both make one; either will do.
        scanner = self._scanner = self._scanner or self._make()
        return scanner

    def _make(self) -> Scanner:
        from rune_scanner import Form, Rule, RuleSet, Scanner

        rules = RuleSet(
            tuple(
                Rule(
                    id=name,
                    title="a pattern of a data_protection rule",
                    threat=Threat.POLICY_VIOLATION,
                    severity=Severity.MEDIUM,
                    confidence=1.0,
                    surfaces=self.policy.regex_surfaces(name),
                    form=Form.RAW,
                    pattern=pattern,
                    label="PROTECTED",
                )
                for name, pattern in self.policy.regexes
            )
        )
        return Scanner(rules, engine=self._engine)
