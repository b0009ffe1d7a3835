"""Tokens that an attacker would try. Each is refused; the genuine one beside it is not."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from rune_server.auth import sessions, signing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.rune_server.auth.conftest import Browser
    from tests.rune_server.conftest import MovableClock

    from rune_server.platform import Platform
    from rune_server.state.tables.users import User


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, claims, signature = token.split(".")

    def read(text: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=="))
        return found

    return read(header), read(claims), signature


async def believed(platform: Platform, token: str) -> bool:
    found, _ = await sessions.authenticate(platform, {sessions.TOKEN_COOKIE: token})
    return found is not None


async def genuine(browser: Browser) -> str:
    await browser.sign_in()
    token = browser.cookies[sessions.TOKEN_COOKIE]
    assert await believed(browser.platform, token)
    header, claims, _ = opened(token)
    assert header["alg"] == "RS256"
    assert claims["exp"] - claims["iat"] == 900
    return token


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
async def test_unsigned(browser: Browser, ada: User, algorithm: str) -> None:
    header, claims, signature = opened(await genuine(browser))
    forged = part({**header, "alg": algorithm}) + "." + part(claims)
    assert not await believed(browser.platform, f"{forged}.")
    assert not await believed(browser.platform, f"{forged}.{signature}")


@pytest.mark.parametrize("encoding", ["pem", "der", "jwk", "n"])
async def test_hs256_with_the_public_key(browser: Browser, ada: User, encoding: str) -> None:
    header, claims, _ = opened(await genuine(browser))
    [public] = (await browser.platform.signing.jwks())["keys"]
    key = RSAKey.import_key(public)
    secret = {
        "pem": key.as_pem(private=False),
        "der": key.as_der(private=False),
        "jwk": json.dumps(public).encode(),
        "n": public["n"].encode(),
    }[encoding]
    import hashlib
    import hmac

    signed = part({**header, "alg": "HS256"}) + "." + part(claims)
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
    assert not await believed(browser.platform, f"{signed}.{part(mac)}")


async def test_a_key_of_ones_own(browser: Browser, ada: User) -> None:
    header, claims, _ = opened(await genuine(browser))
    mine = RSAKey.generate_key(2048, private=True)
    public = mine.as_dict(private=False)
    for extra in (
        {},
        {"kid": mine.thumbprint()},
        {"jwk": public},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
    ):
        forged = jwt.encode({**header, **extra}, claims, mine, algorithms=["RS256"])
        assert not await believed(browser.platform, forged)


@pytest.mark.parametrize(
    "kid", [None, "", "../../dev/null", "x' OR 1=1 --", 7, ["a"], {"a": 1}, "k" * 5000]
)
async def test_key_ids_that_are_none(browser: Browser, ada: User, kid: object) -> None:
    header, claims, signature = opened(await genuine(browser))
    forged = part({**header, "kid": kid}) + "." + part(claims) + "." + signature
    assert not await believed(browser.platform, forged)


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "someone-else"},
        {"sid": "00000000-0000-0000-0000-000000000000"},
        {"exp": 99_999_999_999},
        {"aud": "other"},
    ],
)
async def test_altered_claims(browser: Browser, ada: User, change: dict[str, object]) -> None:
    token = await genuine(browser)
    header, claims, signature = opened(token)
    forged = part(header) + "." + part({**claims, **change}) + "." + signature
    assert not await believed(browser.platform, forged)


@pytest.mark.parametrize(
    "change",
    [
        lambda claims: claims.update(iss="https://evil.example"),
        lambda claims: claims.update(aud="another service"),
        lambda claims: claims.update(aud=["rune dashboard"]),
        lambda claims: claims.update(exp=claims["iat"] - 3600),
        lambda claims: claims.update(exp="never"),
        lambda claims: claims.update(exp=True),
        lambda claims: claims.update(iat=claims["exp"] + 86_400, exp=claims["exp"] + 90_000),
        lambda claims: claims.pop("exp"),
        lambda claims: claims.pop("sid"),
        lambda claims: claims.update(sid=7),
        lambda claims: claims.update(sid="00000000-0000-0000-0000-000000000000"),
    ],
)
async def test_claims_are_checked_even_when_we_signed_them(
    browser: Browser, ada: User, change: Callable[[dict[str, Any]], object]
) -> None:
    """As if another use of the same key had signed them."""
    _, claims, _ = opened(await genuine(browser))
    change(claims)
    assert not await believed(browser.platform, await browser.platform.signing.sign(claims))


async def test_a_retired_key_is_believed_until_its_tokens_ran_out(
    browser: Browser, ada: User, clock: MovableClock
) -> None:
    platform = browser.platform
    header, claims, _ = opened(await genuine(browser))
    old = platform.signing
    # A token for as long as an attacker with the old key would like.
    stolen = await old.sign({**claims, "exp": claims["exp"] + 100 * 86_400})
    await signing.rotate(platform.state, platform.vault, platform.clock)
    platform.signing.forget()
    assert await believed(platform, stolen)
    fresh = await platform.signing.sign(claims)
    assert opened(fresh)[0]["kid"] != header["kid"]
    assert len((await platform.signing.jwks())["keys"]) == 2
    clock.forward(minutes=16)
    assert not await believed(platform, stolen)
    platform.signing.forget()
    assert len((await platform.signing.jwks())["keys"]) == 1


async def test_a_revoked_key_is_believed_no_more(browser: Browser, ada: User) -> None:
    platform = browser.platform
    token = await genuine(browser)
    await signing.rotate(platform.state, platform.vault, platform.clock, revoke=True)
    platform.signing.forget()
    assert not await believed(platform, token)
    # The session itself still stands, and gets a new token.
    assert await browser.who() is not None


async def test_another_process_made_the_key(browser: Browser, ada: User) -> None:
    platform = browser.platform
    await genuine(browser)
    other = signing.SigningKeys(platform.state, platform.vault, platform.clock)
    await signing.rotate(platform.state, platform.vault, platform.clock)
    _, claims, _ = opened(browser.cookies[sessions.TOKEN_COOKIE])
    token = await other.sign(claims)
    platform.signing._loaded -= 2  # as if two seconds had passed
    assert await believed(platform, token)


async def test_keys_are_replaced_after_a_month_and_only_then(
    platform: Platform, clock: MovableClock
) -> None:
    async def rotate() -> str | None:
        return await signing.rotate(
            platform.state, platform.vault, clock, older_than=timedelta(days=30)
        )

    assert await rotate() is not None
    clock.forward(days=29)
    assert await rotate() is None
    clock.forward(days=1)
    assert await rotate() is not None


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "..", "." * 50, "é.é.é", "a" * 100_000])
async def test_what_is_no_token(platform: Platform, token: str) -> None:
    assert not await believed(platform, token)


async def test_the_published_keys_hold_nothing_private(platform: Platform) -> None:
    await platform.signing.sign({})
    [key] = (await platform.signing.jwks())["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    assert key["kty"] == "RSA"
