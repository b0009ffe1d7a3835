"""What GitHub and Google say about a person: OAuth 2.0 with PKCE, and OpenID Connect on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import httpx2
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from rune_server.errors import NotFoundError, UnauthenticatedError, UnavailableError

if TYPE_CHECKING:
    from datetime import datetime

    from rune_server.settings import Settings

_log = structlog.get_logger("rune_server.auth.providers")
ProviderName = Literal["github", "google"]
LABELS: dict[ProviderName, str] = {"github": "GitHub", "google": "Google"}
_SECONDS = 10.0
_RETRY_AFTER = 30
_LEEWAY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Profile:
    """Who somebody is at a provider, who vouches for the address.

    Attributes:
        subject: Their id there, which never changes.
        email: A verified address, in lower case.
        name: As they call themselves.
    """

    subject: str
    email: str
    name: str


class Provider(Protocol):
    """A provider."""

    async def authorization_url(
        self, redirect_uri: str, state: str, verifier: str, nonce: str
    ) -> str:
        """Where to send the browser."""
        ...

    async def profile(self, redirect_uri: str, code: str, verifier: str, nonce: str) -> Profile:
        """Who came back with ``code``.

        Raises:
            UnauthenticatedError: The provider does not vouch for anybody, or for no address.
            UnavailableError: The provider does not answer.
        """
        ...


def configured(settings: Settings) -> list[ProviderName]:
    """The providers that the operator has set up."""
    return [name for name in LABELS if getattr(settings, f"{name}_client_id")]


def find(settings: Settings, name: str, now: datetime) -> Provider:
    """A provider by name.

    Raises:
        NotFoundError: It is not set up.
    """
    if name not in configured(settings):
        raise NotFoundError("this server does not offer that way of signing in")
    return GitHub(settings) if name == "github" else OpenId(settings, now)


def refused(detail: str = "signing in there did not work: try again") -> UnauthenticatedError:
    """What anybody sees of a sign-in that went wrong at a provider."""
    return UnauthenticatedError(detail, code="oauth")


class GitHub:
    """GitHub: OAuth 2.0, no OpenID. Profile and addresses come from its API."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def _client(self, redirect_uri: str) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._settings.github_client_id,
            self._settings.github_client_secret,
            scope="read:user user:email",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=_SECONDS,
        )

    async def authorization_url(
        self, redirect_uri: str, state: str, verifier: str, nonce: str
    ) -> str:
        del nonce
        async with self._client(redirect_uri) as client:
            url, _ = client.create_authorization_url(
                f"{self._settings.github_url}/login/oauth/authorize",
                state=state,
                code_verifier=verifier,
            )
        return str(url)

    async def profile(self, redirect_uri: str, code: str, verifier: str, nonce: str) -> Profile:
        del nonce
        api = self._settings.github_api_url
        async with self._client(redirect_uri) as client:
            try:
                await client.fetch_token(
                    f"{self._settings.github_url}/login/oauth/access_token",
                    code=code,
                    code_verifier=verifier,
                    headers={"Accept": "application/json"},
                )
                headers = {"Accept": "application/vnd.github+json"}
                user = await _json(await client.get(f"{api}/user", headers=headers))
                addresses = await _json(
                    await client.get(f"{api}/user/emails?per_page=100", headers=headers)
                )
            except AuthlibBaseError as error:
                raise _told(error) from None
            except httpx2.HTTPError as error:
                raise _silent("GitHub", error) from None
        if not isinstance(user, dict) or type(user.get("id")) is not int:
            raise refused()
        good = [
            address
            for address in (addresses if isinstance(addresses, list) else [])
            if isinstance(address, dict)
            and address.get("verified") is True
            and isinstance(address.get("email"), str)
        ]
        good.sort(key=lambda address: address.get("primary") is not True)
        if not good:
            raise refused("GitHub knows no verified address of yours: verify one there first")
        name = user.get("name") or user.get("login") or ""
        return Profile(str(user["id"]), good[0]["email"].lower(), str(name))


class OpenId:
    """Google, or any other OpenID provider that the settings name."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings = settings
        self._now = now

    def _client(self, redirect_uri: str) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._settings.google_client_id,
            self._settings.google_client_secret,
            scope="openid email profile",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=_SECONDS,
        )

    async def authorization_url(
        self, redirect_uri: str, state: str, verifier: str, nonce: str
    ) -> str:
        async with self._client(redirect_uri) as client:
            try:
                metadata = await self._metadata(client)
            except httpx2.HTTPError as error:
                raise _silent("the provider", error) from None
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=state,
                code_verifier=verifier,
                nonce=nonce,
            )
        return str(url)

    async def profile(self, redirect_uri: str, code: str, verifier: str, nonce: str) -> Profile:
        async with self._client(redirect_uri) as client:
            try:
                metadata = await self._metadata(client)
                token = await client.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=verifier
                )
                keys = await _json(await client.request("GET", metadata["jwks_uri"], auth=None))
                claims = self._claims(token.get("id_token"), keys, metadata["issuer"], nonce)
                if "email" not in claims and "userinfo_endpoint" in metadata:
                    more = await _json(await client.get(metadata["userinfo_endpoint"]))
                    if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
                        raise refused()
                    claims = {**more, **claims}
            except AuthlibBaseError as error:
                raise _told(error) from None
            except httpx2.HTTPError as error:
                raise _silent("the provider", error) from None
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise refused("the provider knows no verified address of yours: verify one there first")
        return Profile(claims["sub"], email.lower(), str(claims.get("name") or ""))

    async def _metadata(self, client: AsyncOAuth2Client) -> dict[str, Any]:
        issuer = self._settings.google_issuer
        url = f"{issuer}/.well-known/openid-configuration"
        found = await _json(await client.request("GET", url, withhold_token=True))
        if not isinstance(found, dict) or found.get("issuer") != issuer:
            raise refused()
        return found

    def _claims(self, token: object, keys: object, issuer: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that this provider signed for this sign-in."""
        if not isinstance(token, str) or not isinstance(keys, dict):
            raise refused()
        try:
            decoded = jwt.decode(
                token, KeySet.import_key_set({"keys": keys["keys"]}), algorithms=["RS256"]
            )
        except (JoseError, ValueError, KeyError, TypeError):
            raise refused() from None
        claims = dict(decoded.claims)
        now = self._now.timestamp()
        expires = claims.get("exp")
        audience = claims.get("aud")
        if (
            claims.get("iss") != issuer
            or audience not in (self._settings.google_client_id, [self._settings.google_client_id])
            or claims.get("nonce") != nonce
            or not isinstance(expires, int | float)
            or expires + _LEEWAY_SECONDS <= now
            or not isinstance(claims.get("sub"), str)
        ):
            raise refused()
        return claims


async def _json(answer: httpx2.Response) -> Any:
    """The body of a good answer; anything else is a provider that does not vouch."""
    if answer.status_code >= 500:
        raise httpx2.HTTPStatusError("", request=answer.request, response=answer)
    if answer.status_code != 200:
        raise refused()
    try:
        return answer.json()
    except ValueError:
        raise refused() from None


def _told(error: Exception) -> UnauthenticatedError:
    # Its description may repeat the code or the token.
    _log.info("sign-in refused by the provider", code=str(getattr(error, "error", ""))[:64])
    return refused()


def _silent(who: str, error: Exception) -> UnavailableError:
    _log.warning("provider does not answer", kind=type(error).__name__)
    return UnavailableError(
        f"{who} does not answer: try again soon", code="oauth", retry_after=_RETRY_AFTER
    )
