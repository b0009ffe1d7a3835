"""Hold the policies in force, and swap them when their files change."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from rune_core.errors import PolicyError, PolicyLoadError
from rune_core.failure import describe
from rune_core.forks import fork_safe
from rune_core.policy.compiled import CompiledPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rune_core.policy.model import PolicyFile

_log = logging.getLogger("rune_core.policy")


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What a reload did.

    Attributes:
        revision: The revision in force afterwards.
        changed: Whether it is another than before.
        errors: Why the files were refused; the last good policies stay in force then.
    """

    revision: str
    changed: bool
    errors: tuple[PolicyError, ...] = ()

    @property
    def ok(self) -> bool:
        """True when the files were read without a fault."""
        return not self.errors


class PolicyStore:
    """The policies in force. Threads may ask for them while another reloads.

    Args:
        location: The user's policy file or folder; None for the built-in policy alone.
        check_seconds: How often, at most, to look whether the files changed; 0 for never.
        text: One more policy, as YAML text; named ``inline``.

    Raises:
        PolicyLoadError: The user's files have faults. Raised here, at start-up, where someone
            is looking; later faults keep the last good policies and are reported.
    """

    def __init__(
        self,
        location: Path | None = None,
        *,
        check_seconds: float = 0.0,
        text: str | None = None,
    ) -> None:
        self._location = location
        self._text = text
        self._check_seconds = check_seconds if location is not None else 0.0
        self._lock = fork_safe(Lock())
        self._current: CompiledPolicy | None = None
        self._errors: tuple[PolicyError, ...] = ()
        self._next_check = time.monotonic() + self._check_seconds
        self._signature = self._sign()
        self._own: tuple[PolicyFile, ...] = self._load_own()
        self._bundle: tuple[PolicyFile, ...] = ()

    @property
    def errors(self) -> tuple[PolicyError, ...]:
        """Why the last reload was refused; empty when it was not."""
        return self._errors

    def current(self) -> CompiledPolicy:
        """The policies in force, after a look at the files when one is due."""
        current = self._current
        if current is None:
            with self._lock:
                current = self._current
                if current is None:
                    current = self._current = self._compile(self._own, self._bundle)
        if self._check_seconds and time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + self._check_seconds
            if self._sign() != self._signature:
                self.reload()
                current = self._current or current
        return current

    def reload(self) -> ReloadResult:
        """Read the files again. Never raises for what is in them."""
        before = self.current() if self._current is None else self._current
        with self._lock:
            self._signature = self._sign()
            try:
                own = self._load_own()
                compiled = self._compile(own, self._bundle)
            except PolicyLoadError as error:
                return self._refuse(error.errors, before)
            except Exception as error:  # noqa: BLE001 - whatever it is, what works must stay
                fault = PolicyError(str(self._location), f"cannot be read: {describe(error)}")
                return self._refuse((fault,), before)
            self._errors = ()
            self._own = own
            self._current = compiled
            return ReloadResult(
                self._current.revision, changed=self._current.revision != before.revision
            )

    def put_bundle(self, files: Sequence[PolicyFile]) -> CompiledPolicy:
        """Put a server's policies in force, in place of those it had before.

        What is in force stays in force when this raises.

        Raises:
            Exception: They cannot be compiled.
        """
        with self._lock:
            compiled = self._compile(self._own, files)
            self._bundle = tuple(files)
            self._current = compiled
            return compiled

    def _refuse(self, errors: tuple[PolicyError, ...], before: CompiledPolicy) -> ReloadResult:
        self._errors = errors
        faults = "; ".join(map(str, errors))
        _log.error("policy reload refused, the last good policies stay in force: %s", faults)
        return ReloadResult(before.revision, changed=False, errors=errors)

    def _load_own(self) -> tuple[PolicyFile, ...]:
        if self._location is None and self._text is None:
            return ()
        from rune_core.policy.load import compose

        return compose(self._location, self._text)

    @staticmethod
    def _compile(own: Sequence[PolicyFile], bundle: Sequence[PolicyFile]) -> CompiledPolicy:
        from rune_core.policy.load import load_default

        return CompiledPolicy(own, builtin=load_default(), bundle=bundle)

    def _sign(self) -> tuple[tuple[str, int, int], ...]:
        """Path, time and size of each file: what changes when a file does."""
        if self._location is None or not self._check_seconds:
            return ()
        from rune_core.policy.load import policy_paths

        signature: list[tuple[str, int, int]] = []
        try:
            for path in policy_paths(self._location):
                stat = path.stat()
                signature.append((str(path), stat.st_mtime_ns, stat.st_size))
        except OSError:
            # A file that goes away between listing and looking: the next look sees it gone.
            return (("", 0, 0),)
        return tuple(signature)
