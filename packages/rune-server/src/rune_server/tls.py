"""The certificate: one's own, or one that is made on first start.

The key of a certificate of ours is kept encrypted under a password from the vault. Browsers ask
once about such a certificate; agents are given ``certificate.pem`` as ``RUNE_CA_FILE``.
"""

from __future__ import annotations

import ipaddress
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rune_server.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rune_server.settings import Settings
    from rune_server.storage import Vault

CERTIFICATE_FILE, KEY_FILE = "certificate.pem", "certificate.key"
_PURPOSE = "tls key"
_DAYS = 365
_RENEW_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the port is opened with.

    Attributes:
        path: PEM file of the certificate and its chain.
        key_path: PEM file of its private key.
        password: Of the key's file; None when that is not encrypted.
        ours: Whether we made it.
        fingerprint: SHA-256, as browsers show it.
        expires_at: When it stops working.
    """

    path: Path
    key_path: Path
    password: str | None
    ours: bool
    fingerprint: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Certificate(path={str(self.path)!r}, ours={self.ours})"


def certificate(settings: Settings, vault: Vault, now: datetime) -> Certificate:
    """The certificate of the settings, or ours, which is made when it is missing or old.

    Raises:
        ConfigurationError: Certificate or key cannot be read, do not fit, or it has expired.
    """
    if settings.tls_certificate is not None and settings.tls_key is not None:
        return _given(settings.tls_certificate, settings.tls_key, now)
    folder = settings.data_dir / "tls"
    path, key_path = folder / CERTIFICATE_FILE, folder / KEY_FILE
    # After a new master key the certificate stays: agents trust this very one.
    reseal(settings, vault)
    password = vault.key(_PURPOSE).hex()
    if not _is_good(settings, path, key_path, password, now):
        _make(settings, path, key_path, password, now)
    found = x509.load_pem_x509_certificate(path.read_bytes())
    return _described(found, path, key_path, password, ours=True)


def reseal(settings: Settings, vault: Vault) -> None:
    """Encrypt the key of our certificate under the current master key, if it is under another.

    Raises:
        OSError: The disk refuses.
    """
    path = settings.data_dir / "tls" / KEY_FILE
    (_, current), *earlier = vault.keys(_PURPOSE)
    for _, password in earlier:
        try:
            key = load_pem_private_key(path.read_bytes(), password.hex().encode())
        except (FileNotFoundError, ValueError, TypeError):
            continue
        encryption = BestAvailableEncryption(current.hex().encode())
        _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), 0o600)


@contextmanager
def readable_key(found: Certificate) -> Iterator[Path]:
    """The key's file as granian reads it: it can read no encrypted keys of elliptic curves.

    An encrypted key lies open for the length of the block, in memory where the system has a place
    for that, and readable by its owner alone.
    """
    if found.password is None:
        yield found.key_path
        return
    key = load_pem_private_key(found.key_path.read_bytes(), found.password.encode())
    opened = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    memory = Path("/dev/shm")  # noqa: S108 - mkstemp makes the name, and its mode
    number, name = tempfile.mkstemp(
        prefix="rune-", dir=memory if os.access(memory, os.W_OK) else found.key_path.parent
    )
    try:
        with os.fdopen(number, "wb") as file:
            file.write(opened)
        yield Path(name)
    finally:
        Path(name).unlink()


def _given(path: Path, key_path: Path, now: datetime) -> Certificate:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        raise ConfigurationError(f"tls_certificate: {path}: {error.strerror}") from None
    except (ValueError, IndexError):
        raise ConfigurationError(f"tls_certificate: {path}: is no certificate in PEM") from None
    try:
        key = load_pem_private_key(key_path.read_bytes(), None)
    except OSError as error:
        raise ConfigurationError(f"tls_key: {key_path}: {error.strerror}") from None
    except TypeError:
        raise ConfigurationError(f"tls_key: {key_path}: must not have a password") from None
    except ValueError:
        raise ConfigurationError(f"tls_key: {key_path}: is no private key in PEM") from None
    if key.public_key() != found.public_key():
        raise ConfigurationError(f"tls_key: {key_path}: does not belong to {path}")
    if found.not_valid_after_utc <= now:
        raise ConfigurationError(
            f"tls_certificate: {path}: expired on {found.not_valid_after_utc:%Y-%m-%d}"
        )
    return _described(found, path, key_path, None, ours=False)


def _is_good(settings: Settings, path: Path, key_path: Path, password: str, now: datetime) -> bool:
    """Whether our certificate can be used on: ours, not old, for all names, with its key."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        key = load_pem_private_key(key_path.read_bytes(), password.encode())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == found.public_key()
        and found.not_valid_after_utc > now + timedelta(days=_RENEW_DAYS)
        and set(_names(settings)) <= set(names)
    )


def _make(settings: Settings, path: Path, key_path: Path, password: str, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Rune on {settings.hostname}"[:64])])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(list(dict.fromkeys(_names(settings)))), False)
        # It can vouch for itself and for nothing else.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    encryption = BestAvailableEncryption(password.encode())
    _write(key_path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), 0o600)
    _write(path, made.public_bytes(Encoding.PEM), 0o644)


def _names(settings: Settings) -> Iterator[x509.GeneralName]:
    """What the server may be called by."""
    for name in dict.fromkeys(("localhost", "127.0.0.1", "::1", settings.hostname, settings.host)):
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            yield x509.DNSName(name)
        else:
            if not address.is_unspecified:
                yield x509.IPAddress(address)


def _described(
    found: x509.Certificate, path: Path, key_path: Path, password: str | None, *, ours: bool
) -> Certificate:
    fingerprint = found.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(path, key_path, password, ours, fingerprint, found.not_valid_after_utc)


def _write(path: Path, data: bytes, mode: int) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
