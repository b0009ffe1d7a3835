"""The keys that sign sessions: RS256, published as a JWKS, replaced every month.

A key signs until it is retired; what it signed is believed for the quarter of an hour that tokens
live, and a little longer for clocks that differ. A revoked key is believed no more at all.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from sqlalchemy import delete, select

from rune_server.state.tables.keys import SigningKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rune_server.clock import Clock
    from rune_server.platform import Platform
    from rune_server.state import State
    from rune_server.storage import Vault

_log = structlog.get_logger("rune_server.auth.signing")
ALGORITHM = "RS256"
TOKEN_LIFE = timedelta(minutes=15)
LEEWAY = timedelta(seconds=30)
ROTATE_AFTER = timedelta(days=30)
_BITS = 2048
PURPOSE = "signing key"
_RELOAD_SECONDS = 30.0
_EARLIEST_RELOAD_SECONDS = 1.0
_KEEP_RETIRED = timedelta(days=1)
_CHECK_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A key that is believed."""

    public: RSAKey
    believed_until: datetime | None
    not_before: datetime


class SigningKeys:
    """Signs and verifies tokens. One per process, on one event loop."""

    def __init__(self, state: State, vault: Vault, clock: Clock) -> None:
        self._state = state
        self._vault = vault
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._current: tuple[str, RSAKey] | None = None
        self._loaded = float("-inf")
        self._lock = asyncio.Lock()

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWT under the current key; makes the first key when there is none."""
        await self._load(_RELOAD_SECONDS)
        if self._current is None:
            await rotate(self._state, self._vault, self._clock, only_if_none=True)
            await self._load(0.0)
        assert self._current is not None
        kid, key = self._current
        return jwt.encode(
            {"alg": ALGORITHM, "typ": "JWT", "kid": kid}, dict(claims), key, algorithms=[ALGORITHM]
        )

    async def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that a believed key signed; None for any other.

        Only the signature and the key are looked at here; the claims are the caller's to check.
        """
        await self._load(_RELOAD_SECONDS)
        claims, kid = self._claims(token)
        if claims is None and kid is not None and kid not in self._known:
            # Perhaps another process has just made this key.
            await self._load(_EARLIEST_RELOAD_SECONDS)
            claims, _ = self._claims(token)
        return claims

    async def jwks(self) -> dict[str, Any]:
        """The public keys that are believed, as RFC 7517 has them."""
        await self._load(_RELOAD_SECONDS)
        keys = [
            {**known.public.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
            for kid, known in self._known.items()
        ]
        return {"keys": keys}

    def forget(self) -> None:
        """Load the keys again before the next use."""
        self._loaded = float("-inf")

    def _claims(self, token: str) -> tuple[dict[str, Any] | None, str | None]:
        """The claims, if the token is good, and the key id that it names."""
        asked: list[str] = []

        def find(found: Any) -> RSAKey:
            kid = found.headers().get("kid")
            if isinstance(kid, str):
                asked.append(kid)
            known = self._known.get(kid) if isinstance(kid, str) else None
            if known is None or (
                known.believed_until is not None and known.believed_until <= self._clock.now()
            ):
                raise JoseError(description="no such key")
            return known.public

        try:
            decoded = jwt.decode(token, find, algorithms=[ALGORITHM])
        except (JoseError, ValueError, TypeError, KeyError):
            return None, asked[0] if asked else None
        return dict(decoded.claims), asked[0]

    async def _load(self, older_than: float) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._loaded < older_than:
            return
        async with self._lock:
            if loop.time() - self._loaded < older_than:
                return
            now = self._clock.now()
            known: dict[str, _Known] = {}
            current: tuple[str, RSAKey] | None = None
            async with self._state.read() as session:
                rows = await session.scalars(select(SigningKey).order_by(SigningKey.created_at))
                for row in rows:
                    until = _believed_until(row)
                    if until is not None and until <= now:
                        continue
                    known[row.kid] = _Known(RSAKey.import_key(row.public), until, row.created_at)
                    if row.retired_at is None:
                        private = self._vault.open(PURPOSE, row.private_sealed, row.kid.encode())
                        current = (row.kid, RSAKey.import_key(private))
            self._known, self._current, self._loaded = known, current, loop.time()


async def rotate(
    state: State,
    vault: Vault,
    clock: Clock,
    *,
    only_if_none: bool = False,
    older_than: timedelta | None = None,
    revoke: bool = False,
) -> str | None:
    """Make a new key and retire the others.

    Args:
        state: The state database.
        vault: Seals the private half.
        clock: The time.
        only_if_none: Do nothing when a key is signing already.
        older_than: Do nothing while the current key is younger.
        revoke: Believe nothing any more that the others signed: everybody signs in again by
            their session's cookie, and whoever stole a key has nothing.

    Returns:
        The new key's id; None when nothing was done.
    """
    fresh = await asyncio.to_thread(RSAKey.generate_key, _BITS, None, True, True)
    kid = fresh.thumbprint()
    now = clock.now()
    async with state.begin() as session:
        rows = list(await session.scalars(select(SigningKey).with_for_update()))
        signing = [row for row in rows if row.retired_at is None]
        if signing and (
            only_if_none
            or (older_than is not None and max(r.created_at for r in signing) + older_than > now)
        ):
            return None
        for row in rows:
            row.retired_at = row.retired_at or now
            if revoke:
                row.revoked_at = row.revoked_at or now
        session.add(
            SigningKey(
                kid=kid,
                public=dict(fresh.as_dict(private=False)),
                private_sealed=vault.seal(PURPOSE, fresh.as_pem(private=True), kid.encode()),
                created_at=now,
            )
        )
        await session.execute(delete(SigningKey).where(SigningKey.retired_at < now - _KEEP_RETIRED))
    _log.info("signing key made", kid=kid)
    return kid


async def run(platform: Platform) -> None:
    """The job that replaces the key every month."""
    while True:
        await rotate(platform.state, platform.vault, platform.clock, older_than=ROTATE_AFTER)
        await asyncio.sleep(_CHECK_SECONDS)


def seconds(at: datetime) -> int:
    """Seconds since the epoch, as JWTs have them."""
    return int(at.astimezone(UTC).timestamp())


def _believed_until(row: SigningKey) -> datetime | None:
    if row.revoked_at is not None:
        return row.revoked_at
    return None if row.retired_at is None else row.retired_at + TOKEN_LIFE + LEEWAY
