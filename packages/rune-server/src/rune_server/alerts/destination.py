"""Send to an address that a tenant typed in, without becoming a way into our own network.

The name is resolved once per connection, every address it has is checked, and the connection is
made to the very address that was checked: what the name resolves to a moment later does not
matter. Redirects are not followed, proxies of the environment are not used, and nothing of an
answer but its status is kept. TLS checks the certificate against the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpcore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network
    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_URL: Final = 2000
TIMEOUT_SECONDS: Final = 10.0
_MAX_ANSWER: Final = 65_536
# Public by number, but the way to a cloud's own services.
_CLOUD: Final = frozenset((ipaddress.ip_address("168.63.129.16"),))
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class RefusedDestinationError(Exception):
    """The address must not be connected to. The message is for the tenant."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a request.

    Attributes:
        ok: Whether it was taken: a status of 200 to 299.
        status: The answer's status; 0 when none came.
        answer: The same for a person; nothing of the answer's body.
        final: Whether trying again is of no use.
        retry_after: Seconds that the receiver asks to wait; None when it does not.
    """

    ok: bool
    status: int
    answer: str
    final: bool = False
    retry_after: float | None = None


def check_url(url: str, allow_networks: Sequence[str] = ()) -> str:
    """What is wrong with an address as it is written; empty when nothing is.

    Args:
        url: The address.
        allow_networks: Networks that are allowed though they are not public.
    """
    if not 0 < len(url) <= MAX_URL:
        return f"must be 1 to {MAX_URL:,} characters"
    if not url.isascii() or any(
        not character.isprintable() or character == " " for character in url
    ):
        return "must be plain ASCII without spaces"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address"
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_networks):
        return "must start with https://"
    if not host or port == 0:
        return "is not an address"
    if parts.username is not None or parts.password is not None or "\\" in url:
        return "must not hold a user name or password"
    if parts.fragment:
        return "must not hold a fragment (#)"
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if is_allowed(literal, _networks(tuple(allow_networks)), plain=parts.scheme == "http"):
        return ""
    return "is an address of a private or reserved network"


def is_allowed(address: Address, networks: Iterable[Network], *, plain: bool = False) -> bool:
    """Whether an address may be connected to.

    Args:
        address: Where a name points.
        networks: Networks that are allowed though they are not public.
        plain: Whether it would be spoken to without TLS: then only in those networks.
    """
    inner = _embedded(address)
    if any(each in network for network in networks for each in (address, inner)):
        return True
    return not plain and _is_public(address) and _is_public(inner)


def _is_public(address: Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and address not in _CLOUD
    )


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, by one of the ways there are."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64 or int(address) >> 32 == 0:
        return low
    return address


@lru_cache(maxsize=16)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a host.

    Raises:
        OSError: It has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


class Guard(httpcore.AsyncNetworkBackend):
    """Opens connections, but only to addresses that may be connected to.

    Args:
        networks: Networks that are allowed though they are not public.
        plain: Whether TLS is not used.
        find: Resolves a name.
    """

    def __init__(self, networks: tuple[Network, ...], *, plain: bool, find: Resolve) -> None:
        self._networks = networks
        self._plain = plain
        self._find = find
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = [ipaddress.ip_address(text) for text in await self._find(host, port)]
        except OSError:
            raise RefusedDestinationError("the name does not resolve") from None
        if not addresses:
            raise RefusedDestinationError("the name does not resolve")
        # One bad address condemns the name: it is not for us to pick the harmless one.
        if not all(is_allowed(each, self._networks, plain=self._plain) for each in addresses):
            raise RefusedDestinationError("the name points into a private or reserved network")
        for number, address in enumerate(addresses, 1):
            try:
                return await self._backend.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise RefusedDestinationError("sockets of this machine are not spoken to")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow_networks: Sequence[str] = (),
    find: Resolve = resolve,
    context: ssl.SSLContext | None = None,
) -> Sent:
    """Send one POST request. Never raises for what the other side does.

    Args:
        url: Where to.
        body: The body.
        headers: Headers besides those that HTTP needs.
        allow_networks: Networks that are allowed though they are not public.
        find: Resolves a name.
        context: TLS settings; by default the usual authorities.
    """
    fault = check_url(url, allow_networks)
    if fault:
        return Sent(ok=False, status=0, answer=f"the address {fault}", final=True)
    guard = Guard(_networks(tuple(allow_networks)), plain=url.startswith("http:"), find=find)
    waits = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_SECONDS)
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            httpcore.AsyncConnectionPool(
                ssl_context=context or _tls(), network_backend=guard, http2=False, retries=0
            ) as pool,
            pool.stream(
                "POST",
                url,
                headers=[("user-agent", "rune-server"), *headers.items()],
                content=body,
                extensions={"timeout": waits},
            ) as response,
        ):
            return await _sent(response)
    except RefusedDestinationError as error:
        return Sent(ok=False, status=0, answer=str(error))
    except TimeoutError:
        return Sent(ok=False, status=0, answer=f"no answer within {TIMEOUT_SECONDS:g} s")
    except ssl.SSLError:
        return Sent(ok=False, status=0, answer="TLS failed")
    except (httpcore.ConnectError, httpcore.NetworkError, httpcore.TimeoutException) as error:
        why = "TLS failed" if _is_tls(error) else "cannot be reached"
        return Sent(ok=False, status=0, answer=why)
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol):
        return Sent(ok=False, status=0, answer="does not speak HTTP")


async def _sent(response: httpcore.Response) -> Sent:
    status = response.status
    read = 0
    async for piece in response.aiter_stream():  # to its end, so that small answers are not cut
        read += len(piece)
        if read > _MAX_ANSWER:
            break
    answer = f"HTTP {status}"
    if 200 <= status < 300:
        return Sent(ok=True, status=status, answer=answer)
    if 300 <= status < 400:
        return Sent(False, status, f"{answer}: redirects are not followed", final=True)
    # 410: the receiver wants nothing more; 4xx: the same would be refused again.
    final = 400 <= status < 500 and status not in (408, 409, 425, 429)
    return Sent(False, status, answer, final=final, retry_after=_retry_after(response))


def _retry_after(response: httpcore.Response) -> float | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after" and value.isdigit() and len(value) < 7:
            return float(value)
    return None


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
