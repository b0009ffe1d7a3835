"""The words by which a text shows that it talks about attacks, or that it is prose."""

# ruff: noqa: SIM905 - many words read better without marks

from __future__ import annotations

import re
from typing import Final

_BEFORE: Final = 240
_AFTER: Final = 160
# Names in code are several words: `is_injection`.
_WORD: Final = re.compile(r"[a-z]+")
_ABOUT: Final = frozenset(
    """
    attack attacker attackers attacks attacked attacking adversary adversaries adversarial malicious
    payload payloads injection injections injected injects injecting jailbreak jailbreaks jailbroken
    jailbreaking exploit exploits exploited exploiting exploitation vulnerable vulnerability
    vulnerabilities poisoned poisoning hacker hackers victim victims pentest pentester pentesters
    threat threats hijack hijacked hijacking bypass bypasses bypassed bypassing guardrail guardrails
    classifier classifiers detect detects detected detector detectors detection detections detecting
    undetected flagged
    flags refuse refuses refused refusal blocks blocked mitigate mitigated mitigation mitigations
    filter filters filtered scanner scanners researcher researchers sanitize sanitized sanitizer
    assert expect expects expected obeyed  deny denied denylist blocklist
    blacklist ataque ataques atacante atacantes inyecci angriff angriffe angreifer attaque attaques
    attaquant attaquants attacco attacchi aanval forbidden dangerous unsafe disallow disallowed
    reject rejects rejected cve poc exfiltration crafted evasion obfuscation spoofing smuggling
    phishing owasp obeys reproduce tested hardening untrusted
    angreifern angriffen angriffs schwachstelle schwachstellen sartige sartigen sartiger
    inyecciones vulnerabilidad vulnerabilidades malicioso maliciosa maliciosos malveillant
    malveillante malveillants vuln inje iniezione iniezioni injectie
    """.split()
)
# What else a call's arguments say of payloads: file names, tests, tickets and alerts are short.
IN_CALLS: Final = frozenset(
    """
    abuse abused alert alerts bloccato block blockiert blocking bloqu bloqueado compromise
    compromised dangereuse dangereux denies destructive disallows disallowed edr forensic forensics
    gesperrt guard harmful incident incidents interdit intrusion ioc isolate isolated malware mitre
    pericoloso peligroso prevent prevented prevents prohibido prohibited quarantine quarantined
    refusing rejecting risky sandbox severity siem sigma stop stopped stops suspicious verboten
    verdict violation waf yara
    """.split()
)
_ABOUT_PHRASES: Final = (
    "red team",
    "red-team",
    "test case",
    "def test_",
    "it('",
    "action: block",
    "proof of concept",
    "status_code == 403",
    # Languages that put no blanks between words, or write with other letters.
    "\u6ce8\u5165",
    "\u653b\u51fb",
    "\u653b\u6483",
    "\u8d8a\u72f1",
    "\u6076\u610f",
    "\u30a4\u30f3\u30b8\u30a7\u30af\u30b7\u30e7\u30f3",
    "\u0438\u043d\u044a\u0435\u043a\u0446",
    "\u0430\u0442\u0430\u043a",
    "\u0432\u0440\u0435\u0434\u043e\u043d\u043e\u0441",
    "\u0437\u043b\u043e\u0443\u043c\u044b\u0448\u043b\u0435\u043d",
    "\uacf5\uaca9",
    "\uc778\uc81d\uc158",
    "\u062d\u0642\u0646",
    "\u0647\u062c\u0648\u0645",
)
_EXAMPLE: Final = frozenset(
    """
    example examples instance such phrases phrase strings string say says saying said typing sent
    wrote write writes type types line sentence comment words text prompt prompts pattern input
    sample label case listing beispiel beispiele exemple exemples ejemplo ejemplos esempio esempi
    exemplo exemplos voorbeeld technique
    """.split()
)
_FUNCTION_WORDS: Final = frozenset(
    """
    a about an and are as because before does for from how if in into is it never not of on or our
    please should that the them these they this to was we were what when where which who why with
    you your
    das der die ein eine ist nicht nie und von warum wie wir zu
    ce ces comment dans des est et il jamais la le les ne pas pour pourquoi que sur un une
    como con cuando del el en es esta los nunca para por se sin una
    che gli il lo nel nella non per het een niet voor uma
    """.split()
)


def speaks_of_attacks(folded: str, more: frozenset[str] = frozenset()) -> bool:
    """Whether lower-case text holds a word about attacks or finding them, or one of ``more``."""
    words = _WORD.findall(folded)
    return (
        not _ABOUT.isdisjoint(words)
        or not more.isdisjoint(words)
        or any(phrase in folded for phrase in _ABOUT_PHRASES)
    )


def speaks_of_attacks_around(
    text: str, opening: int, closing: int, more: frozenset[str] = frozenset()
) -> bool:
    """Whether the words on both sides of ``opening`` to ``closing`` are about attacks."""
    around = f"{text[max(0, opening - _BEFORE) : opening]}\n{text[closing : closing + _AFTER]}"
    return speaks_of_attacks(around.lower(), more)


def gives_example(folded: str) -> bool:
    """Whether lower-case text holds a word that announces an example or a quotation."""
    return not _EXAMPLE.isdisjoint(_WORD.findall(folded))


def is_about_attacks(folded: str) -> bool:
    """Whether lower-case text holds several words about attacks, not forms of one."""
    return len({word[:6] for word in _ABOUT.intersection(_WORD.findall(folded))}) > 1


def function_words(text: str) -> int:
    """How many articles, pronouns, prepositions and the like the text holds."""
    return sum(word in _FUNCTION_WORDS for word in _WORD.findall(text.lower()))
