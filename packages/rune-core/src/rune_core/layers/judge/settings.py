"""Where the judge is and what it may cost, checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rune_core.endpoint import is_loopback
from rune_core.errors import ConfigError

if TYPE_CHECKING:
    from rune_core.config import ShieldConfig


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """The judge's part of the settings.

    Attributes:
        url: Address below which ``/chat/completions`` is, without a slash at its end.
        model: The model's name at that address.
        key: Sent as a bearer token; None to send none. Not part of ``repr``.
        timeout: Seconds for one question, retries included.
        doubt: Scores from the first up to, not including, the second are in doubt.
        tokens_per_hour: Tokens that this process may spend within an hour; 0 for any number.
        max_chars: Characters of a text that are sent at most.
        later: Whether the judge is asked after the fact, off the path of the call.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout: float = 10.0
    doubt: tuple[float, float] = (0.4, 0.85)
    tokens_per_hour: int = 200_000
    max_chars: int = 6_000
    later: bool = False

    @staticmethod
    def of(config: ShieldConfig) -> JudgeSettings | None:
        """The judge that the settings name; None when they name none.

        Raises:
            ConfigError: A setting cannot be used. Names it, and never holds the key.
        """
        if config.judge_url is None and config.judge_model is None:
            return None
        for name in ("judge_url", "judge_model"):
            if getattr(config, name) is None:
                raise ConfigError(f"{name}: is missing; the judge needs judge_url and judge_model")
        low, high = config.judge_doubt_low, config.judge_doubt_high
        if not 0 <= low <= high <= 1:
            raise ConfigError(
                f"judge_doubt_low, judge_doubt_high: {low:g} and {high:g} must be scores from 0 "
                "to 1, the lower one first"
            )
        key = config.judge_api_key
        if key is not None and (not key.isascii() or not key.isprintable() or " " in key):
            raise ConfigError("judge_api_key: must be printable ASCII without spaces")
        return JudgeSettings(
            url=_address(config.judge_url or ""),
            model=config.judge_model or "",
            key=key,
            timeout=config.judge_timeout_seconds,
            doubt=(low, high),
            tokens_per_hour=config.judge_tokens_per_hour,
            max_chars=config.judge_max_chars,
            later=config.judge_later,
        )

    @property
    def is_encrypted(self) -> bool:
        """Whether the address is ``https``."""
        return self.url.startswith("https:")


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"judge_url: not an address ({error})") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "judge_url: must hold no user or password; the key goes into judge_api_key"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"judge_url: {url!r} must look like https://api.example.com/v1")
    if parts.query or parts.fragment:
        raise ConfigError("judge_url: must end with a path, without ? and #")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"judge_url: {url!r} must begin with https://, since texts are sent to it "
            "(http:// only to this machine itself)"
        )
    trimmed = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
    return trimmed.removesuffix("/chat/completions")
