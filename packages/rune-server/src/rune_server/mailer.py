"""Sends mail over SMTP."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from rune_server.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from rune_server.settings import Settings

_log = structlog.get_logger("rune_server.mailer")
_SECONDS = 15
_RETRY_AFTER = 60


@dataclass(frozen=True, slots=True)
class Mail:
    """One message, plain text. Line breaks in ``to`` or ``subject`` are refused by ``send``."""

    to: str
    subject: str
    text: str


class Mailer:
    """Sends mail through the SMTP server of the settings.

    Attributes:
        configured: Whether there is one. Without, ``send`` raises.
    """

    def __init__(self, settings: Settings) -> None:
        self.configured = bool(settings.smtp_dsn)
        self._sender = settings.mail_from or f"rune@{settings.hostname}"
        self._domain = self._sender.rpartition("@")[2].rstrip(">") or "localhost"
        parts = urlsplit(settings.smtp_dsn)
        try:
            port = parts.port
        except ValueError:
            raise ConfigurationError("smtp_dsn: its port must be a number") from None
        self._host = parts.hostname or "localhost"
        self._tls = parts.scheme == "smtps"
        self._port = port or (465 if self._tls else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def send(self, mail: Mail) -> None:
        """Send it, or say that it cannot be sent now.

        ``smtp://`` uses STARTTLS where the server offers it, and never sends a password without
        TLS.

        Raises:
            UnavailableError: There is no mail server, or it does not take it.
        """
        if not self.configured:
            raise UnavailableError(
                "this server sends no mail: its operator can set smtp_dsn",
                code="no_mail",
                retry_after=3600,
            )
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._domain)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        try:
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port,
                use_tls=self._tls,
                # With a password TLS is a must; without one, whatever the server offers.
                start_tls=None if not self._tls and self._password is None else not self._tls,
                username=self._user,
                password=self._password,
                timeout=_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            _log.warning("mail not sent", kind=type(error).__name__, host=self._host)
            raise UnavailableError(
                "the mail server did not take the message", code="mail", retry_after=_RETRY_AFTER
            ) from None
