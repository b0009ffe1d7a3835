"""What ``rune doctor`` looks at on the way to a server: address, key, TLS, clock, policies, push.

It asks the server for its policies, as a Shield does, and changes nothing there.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from rune_core.cli.check import Check
from rune_core.errors import (
    ConfigError,
    KeyRefusedError,
    ServerBusyError,
    ServerError,
    ServerStatusError,
    ServerUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.bundle.model import Bundle, Refusal
    from rune_core.config import ShieldConfig
    from rune_core.connection import Connection
    from rune_core.server_answer import Answer

AREA = "server"
MAX_SKEW_SECONDS = 60.0
FEW_DAYS = 14.0
_KEY = re.compile(r"rune_live_[A-Za-z0-9_-]{43}", re.ASCII)
_WAYS_OUT: Final = {
    "dns": "check the name in RUNE_URL, and this machine's DNS",
    "connect": "check the port in RUNE_URL, that the server runs, and firewalls in between",
    "timeout": "check firewalls in between; RUNE_CONNECTION_TIMEOUT_SECONDS is how long is waited",
    "proxy": "check HTTPS_PROXY, or add the server to NO_PROXY",
    "network": "check that RUNE_URL leads to a Rune server, and proxies in between",
}


def server(config: ShieldConfig) -> Iterator[Check]:
    """Everything between this process and the server that the settings name."""
    from rune_core.connection import Connection

    if config.url is None and config.api_key is None:
        yield Check(AREA, "connection", "ok", "none configured: everything stays here")
        return
    for name, value in (("RUNE_URL", config.url), ("RUNE_API_KEY", config.api_key)):
        if value is None:
            why = f"{name} is missing: nothing is sent, and no policies are fetched"
            yield Check(AREA, "connection", "warn", why, f"set {name}, or unset the other")
            return
    yield _key(config.api_key or "")
    try:
        connection = Connection(config)
    except ConfigError as error:
        yield Check(AREA, "connection", "fail", str(error), "a Shield refuses to start with this")
        return
    try:
        yield _instance(connection)
        yield from _tls(connection)
        yield from _policies(connection, config)
    finally:
        connection.close()


def _key(key: str) -> Check:
    if _KEY.fullmatch(key):
        return Check(AREA, "key", "ok", "looks like one")
    return Check(
        AREA,
        "key",
        "warn",
        f"{len(key)} characters, which is no key of a Rune server (rune_live_ and 43 more)",
        "copy it again from where it was made; it is shown there once",
    )


def _instance(connection: Connection) -> Check:
    from rune_core.config import state_folder
    from rune_core.instance import FILE_NAME

    path = state_folder() / FILE_NAME
    found = connection.instance
    if path.exists():
        return Check(AREA, "instance", "ok", f"{found}, kept in {path}")
    todo = f"make {path.parent} writable: roll-outs tell installations apart by it"
    return Check(AREA, "instance", "warn", "cannot be kept: each process has another", todo)


# -- TLS


def _tls(connection: Connection) -> Iterator[Check]:
    name = "tls"
    if not connection.is_encrypted:
        yield Check(AREA, name, "warn", "none: http:// to this machine itself", "for tests only")
        return
    if not connection.tls_verify:
        todo = "unset RUNE_TLS_VERIFY, and name the server's certificates in RUNE_CA_FILE"
        yield Check(AREA, name, "warn", "certificates are not checked", todo)
    parts = urlsplit(connection.url)
    host, port = parts.hostname or "", parts.port or 443
    if "https" in getproxies():
        yield Check(AREA, name, "ok", "through the proxy of HTTPS_PROXY; not looked at closer")
        return
    try:
        with (
            socket.create_connection((host, port), timeout=connection.timeout) as plain,
            connection.ssl_context().wrap_socket(plain, server_hostname=host) as tls,
        ):
            version, certificate = tls.version() or "", tls.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        yield Check(AREA, name, "fail", f"{error.verify_message}", _certificate_way_out(error))
        return
    except ssl.SSLError as error:
        why = f"no TLS with {host}:{port}: {error.reason or type(error).__name__}"
        yield Check(AREA, name, "fail", why, "check that the port speaks HTTPS")
        return
    except OSError:
        return  # the request below says what is wrong
    if version == "TLSv1.3":
        yield Check(AREA, name, "ok", version)
    else:
        todo = "let the server, or the proxy before it, offer TLS 1.3"
        yield Check(AREA, name, "warn", f"{version} is all that is offered", todo)
    yield from _expiry(certificate)


def _certificate_way_out(error: ssl.SSLCertVerificationError) -> str:
    # OpenSSL's own numbers: X509_V_ERR_HOSTNAME_MISMATCH, _CERT_HAS_EXPIRED, _CERT_NOT_YET_VALID.
    if error.verify_code in (62, 64):
        return "use the name in RUNE_URL that the certificate was made for"
    if error.verify_code == 10:
        return "renew the server's certificate, or set this machine's clock"
    if error.verify_code == 9:
        return "set this machine's clock: the certificate begins later"
    return "name the certificate authority's file in RUNE_CA_FILE"


def _expiry(certificate: object) -> Iterator[Check]:
    ends = certificate.get("notAfter") if isinstance(certificate, dict) else None
    if not isinstance(ends, str):
        return
    days = (ssl.cert_time_to_seconds(ends) - time.time()) / 86_400
    if days < FEW_DAYS:
        yield Check(AREA, "certificate", "warn", f"ends in {days:.0f} days", "renew it in time")
    else:
        yield Check(AREA, "certificate", "ok", f"good for {days:.0f} more days")


# -- what the server says


def _policies(connection: Connection, config: ShieldConfig) -> Iterator[Check]:
    from rune_core.bundle.fetch import PATH
    from rune_core.bundle.model import decode

    before = time.time()
    try:
        answer = connection.request("GET", PATH)
    except ServerError as error:
        yield Check(AREA, "answer", *_refused(error))
        yield from _kept(connection, "")
        return
    yield Check(AREA, "answer", "ok", f"{connection.url} takes the key")
    yield from _clock(answer, before)
    if answer.status != 200:
        todo = "check that RUNE_URL leads to a Rune server"
        yield Check(AREA, "policies", "fail", f"{PATH} answers {answer.status}, not 200", todo)
        return
    try:
        bundle = decode(answer.body)
    except ServerError as error:
        todo = "check that RUNE_URL leads to a Rune server; upgrade rune-core if it does"
        yield Check(AREA, "policies", "fail", str(error), todo)
        return
    yield from _bundle(bundle)
    yield from _kept(connection, bundle.revision)
    yield _push(connection, config)


def _refused(error: ServerError) -> tuple[str, str, str]:
    if isinstance(error, KeyRefusedError):
        if error.status == 403:
            return "fail", str(error), "give the key the permission policies:read on the server"
        return "fail", str(error), "make a new key on the server, and set RUNE_API_KEY"
    if isinstance(error, ServerUnreachableError):
        if error.reason == "tls":
            return "fail", str(error), "see tls above"
        return "fail", str(error), _WAYS_OUT.get(error.reason, _WAYS_OUT["network"])
    if isinstance(error, ServerBusyError):
        return "warn", str(error), "the server is up and overloaded or broken: look at its log"
    if isinstance(error, ServerStatusError) and error.status == 404:
        return "fail", str(error), "check the path in RUNE_URL: it ends before /v1"
    return "fail", str(error), "check that RUNE_URL leads to a Rune server"


def _clock(answer: Answer, before: float) -> Iterator[Check]:
    date = answer.headers.get("date")
    if date is None:
        return
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    # The header counts whole seconds, and was written between question and answer.
    skew = (before + time.time()) / 2 - theirs - 0.5
    if abs(skew) <= MAX_SKEW_SECONDS:
        yield Check(AREA, "clock", "ok", "agrees with the server's to the minute")
    else:
        side = "ahead of" if skew > 0 else "behind"
        todo = "let NTP set it: events would stand at wrong times, and certificates may not hold"
        yield Check(AREA, "clock", "warn", f"{abs(skew):,.0f} s {side} the server's", todo)


def _bundle(bundle: Bundle) -> Iterator[Check]:
    from rune_core.bundle.activate import activate
    from rune_core.bundle.verify import verify
    from rune_core.policy.store import PolicyStore

    refused: tuple[Refusal, ...] = verify(bundle) or activate(bundle, PolicyStore())
    for refusal in refused:
        todo = "mend and publish it on the server; the last good ones stay in force"
        if refusal.code in ("sha256", "revision", "duplicate"):
            todo = "something between here and the server changes what it sends"
        yield Check(AREA, refusal.name or "policies", "fail", str(refusal), todo)
    if not refused:
        count = len(bundle.policies)
        noun = "policy" if count == 1 else "policies"
        yield Check(AREA, "policies", "ok", f"{count} {noun}, revision {bundle.revision[:16]}")


def _kept(connection: Connection, revision: str) -> Iterator[Check]:
    from rune_core.bundle.persist import BundleFileError, bundle_file
    from rune_core.config import state_folder

    file = bundle_file(state_folder(), connection)
    name = "kept policies"
    try:
        bundle = file.load()
    except BundleFileError as error:
        yield Check(AREA, name, "warn", str(error), f"remove {file.path}: it is written anew")
        return
    if bundle is None:
        detail = "none on disk yet (made when a Shield has fetched some)"
        yield Check(AREA, name, "ok", detail)
    elif not revision or bundle.revision == revision:
        yield Check(AREA, name, "ok", f"revision {bundle.revision[:16]} on disk")
    else:
        detail = f"revision {bundle.revision[:16]} on disk, not the server's"
        yield Check(AREA, name, "ok", f"{detail}; the next Shield brings it up to date")


def _push(connection: Connection, config: ShieldConfig) -> Check:
    from rune_core.bundle.push import PATH

    seconds = config.policy_sync_interval_seconds
    polling = f"changes arrive within {seconds:g} s" if seconds else "policy sync is switched off"
    try:
        with connection.open("GET", PATH, headers={"Accept": "text/event-stream"}) as response:
            kind = response.headers.get("content-type", "")
    except ServerError as error:
        why = f"not available ({error}): {polling}"
        return Check(AREA, "push", "warn", why, "let proxies pass /v1/stream unbuffered")
    if not kind.startswith("text/event-stream"):
        todo = "let proxies pass /v1/stream to the server"
        return Check(AREA, "push", "warn", f"{PATH} is no stream: {polling}", todo)
    return Check(AREA, "push", "ok", "changes arrive at once")
