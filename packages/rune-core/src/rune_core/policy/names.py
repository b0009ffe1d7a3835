"""Names that policies may use, with the older spellings that load as aliases."""

from __future__ import annotations

import re

from rune_core.action import Action
from rune_scanner.finding import Surface, Threat

THREAT_ALIASES = {
    "pii": Threat.PII_EXPOSURE,
    "pii_detection": Threat.PII_EXPOSURE,
    "secret": Threat.SECRET_EXPOSURE,
    "secrets": Threat.SECRET_EXPOSURE,
    "secret_detection": Threat.SECRET_EXPOSURE,
    "injection": Threat.PROMPT_INJECTION,
    "exfiltration": Threat.DATA_EXFILTRATION,
    "system_prompt": Threat.SYSTEM_PROMPT_LEAK,
    "tool_poisoning": Threat.TOOL_MANIPULATION,
}

DATA_ALIASES = {
    "bank_account_number": "bank_account",
    "birthday": "birth_date",
    "card_number": "card",
    "credit_card": "card",
    "credit_card_number": "card",
    "crypto": "wallet",
    "crypto_wallet": "wallet",
    "cvc": "card_code",
    "cvv": "card_code",
    "date_of_birth": "birth_date",
    "debit_card": "card",
    "driver_license": "driver_licence",
    "drivers_license": "driver_licence",
    "driving_licence": "driver_licence",
    "email_address": "email",
    "iban_code": "iban",
    "ip_address": "ip",
    "mac_address": "mac",
    "passport_number": "passport",
    "payment_card": "card",
    "phone_number": "phone",
    "social_security_number": "ssn",
    "telephone": "phone",
    "us_driver_license": "driver_licence",
    "us_passport": "passport",
    "us_ssn": "ssn",
}
"""What other tools call the data that our detectors report under these labels."""

ACTION_ALIASES = {"alert": Action.FLAG, "log": Action.FLAG}

DIRECTIONS = {
    "input": frozenset((Surface.INPUT,)),
    "output": frozenset((Surface.OUTPUT,)),
    "inbound": frozenset((Surface.INPUT, Surface.TOOL_RESULT, Surface.DOCUMENT)),
    "outbound": frozenset((Surface.OUTPUT, Surface.TOOL_CALL)),
    "both": frozenset(Surface),
    "all": frozenset(Surface),
}

_LATER = "not supported by this version"
LATER_KINDS = {
    "when": "conditions belong to rules of type tool_call, and to the steps of a sequence",
    "mcp": f"{_LATER}; write a tool_allowlist or tool_denylist rule",
}

_REGEX_SIGNS = re.compile(r"[\\()\[\]{}^$+|]")


def threats_named(name: str) -> frozenset[Threat]:
    """The threats that a scanner name stands for; empty when it is unknown."""
    if name in ("all", "*"):
        return frozenset(Threat)
    if name in THREAT_ALIASES:
        return frozenset((THREAT_ALIASES[name],))
    try:
        return frozenset((Threat(name),))
    except ValueError:
        return frozenset()


def label_of(name: str) -> str | None:
    """The label that stands for a kind of data which others call ``name``, if there is one."""
    return DATA_ALIASES.get(name.casefold().replace("-", "_").replace(" ", "_"))


def looks_like_regex(text: str) -> bool:
    """Whether a bare pattern is a regular expression rather than a name or glob."""
    return _REGEX_SIGNS.search(text) is not None


def pattern_problems(pattern: str) -> tuple[str, ...]:
    """Why ``pattern`` is not in the dialect that the scanner matches in linear time."""
    from rune_scanner.rules.patterns import analyse

    try:
        return tuple(analyse(pattern).problems)
    except (re.error, RecursionError, OverflowError):
        return ("is not a valid regular expression",)
