"""What was counted or spent so far, by account. In memory, bounded, safe to share by threads."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from decimal import Context, Decimal
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ACCOUNTS: Final = 4096
MAX_ENTRIES: Final = 4096
"""Entries of one account with a window; beyond, the two oldest become one that counts longer."""

# The host may have set traps in its own context; here no sum may raise.
_SUMS: Final = Context(prec=40, traps=[])


class Entry:
    """One amount that was reserved. Handed back to :meth:`Ledger.give_back` if it was not used."""

    __slots__ = ("_account", "_amount", "_expired", "_into", "_sum", "at")

    def __init__(self, account: _Account, amount: Decimal, at: float) -> None:
        self.at = at
        self._account = account
        self._amount = amount
        self._sum = amount
        self._into: Entry | None = None
        self._expired = False


class _Account:
    __slots__ = ("entries", "total")

    def __init__(self) -> None:
        self.total = Decimal(0)
        self.entries: deque[Entry] = deque()


class Ledger:
    """Sums by key, over all time or a sliding window. The least recently used key goes first.

    Args:
        max_accounts: Keys to keep.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, max_accounts: int = MAX_ACCOUNTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_accounts = max_accounts
        self._clock = clock
        self._lock = Lock()
        self._accounts: OrderedDict[tuple[str, ...], _Account] = OrderedDict()

    def __len__(self) -> int:
        return len(self._accounts)

    def reserve(
        self, key: tuple[str, ...], amount: Decimal, window: float | None = None
    ) -> tuple[Decimal, Entry]:
        """Add ``amount`` and say what the sum is now.

        Reserving before the call is decided, rather than adding after it, keeps two calls made
        at the same time from both finding room for one.

        Args:
            key: The account.
            amount: What to add; not negative.
            window: Seconds after which it stops to count; None for never.
        """
        with self._lock:
            account = self._accounts.get(key)
            if account is None:
                account = self._accounts[key] = _Account()
                while len(self._accounts) > self._max_accounts:
                    self._accounts.popitem(last=False)
            self._accounts.move_to_end(key)
            now = self._clock()
            if window is not None:
                _expire(account, now - window)
            entry = Entry(account, amount, now)
            account.total = _SUMS.add(account.total, amount)
            if window is not None:
                account.entries.append(entry)
                if len(account.entries) > MAX_ENTRIES:
                    _merge_oldest(account)
            return account.total, entry

    def total(self, key: tuple[str, ...], window: float | None = None) -> Decimal:
        """What an account holds."""
        with self._lock:
            account = self._accounts.get(key)
            if account is None:
                return Decimal(0)
            if window is not None:
                _expire(account, self._clock() - window)
            return account.total

    def clear(self, key: tuple[str, ...]) -> None:
        """Empty an account."""
        with self._lock:
            account = self._accounts.pop(key, None)
            if account is not None:
                # Entries that are still to be given back must not be taken from a new account.
                for entry in account.entries:
                    entry._expired = True

    def give_back(self, entry: Entry) -> None:
        """Take an amount out again, once."""
        with self._lock:
            root = entry
            while root._into is not None:
                root = root._into
            if not root._expired:
                root._sum = _SUMS.subtract(root._sum, entry._amount)
                entry._account.total = _SUMS.subtract(entry._account.total, entry._amount)
            entry._amount = Decimal(0)


def _expire(account: _Account, until: float) -> None:
    entries = account.entries
    while entries and entries[0].at <= until:
        entry = entries.popleft()
        entry._expired = True
        account.total = _SUMS.subtract(account.total, entry._sum)


def _merge_oldest(account: _Account) -> None:
    older = account.entries.popleft()
    newer = account.entries[0]
    newer._sum = _SUMS.add(newer._sum, older._sum)
    older._into = newer
