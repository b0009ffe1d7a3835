"""What a stopped call raises: at once what Rune and what the framework around it raise."""

from __future__ import annotations

from openai import OpenAIError

from rune_core.errors import ShieldBlockedError


class OpenAIBlockedError(ShieldBlockedError, OpenAIError):
    """A guarded client stopped a request or an answer.

    Also an ``openai.OpenAIError``, so that it passes the client's retries and what catches errors
    of the client catches it. The message names rule and reason, never content.
    """
