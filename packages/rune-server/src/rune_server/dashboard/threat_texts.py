"""What each threat is, in a sentence, with its ids in the taxonomies that people report by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Threat:
    """For people."""

    what: str
    advice: str
    tags: tuple[str, ...]


THREATS: Mapping[str, Threat] = {
    "prompt_injection": Threat(
        "A text that the agent read gives it orders: a mail, a page, a tool's answer.",
        "Redact untrusted surfaces, and let no argument of a risky call come from them.",
        ("LLM01", "AML.T0051"),
    ),
    "jailbreak": Threat(
        "Somebody talks the model out of its rules, by role play, pressure or encoding.",
        "Block on input at a threshold that your false positives allow.",
        ("LLM01", "AML.T0054"),
    ),
    "data_exfiltration": Threat(
        "Data is on its way out: to an address, a link, an image or a call that nobody asked for.",
        "Ask before a call whose recipient comes from an untrusted text.",
        ("LLM02", "AML.T0057"),
    ),
    "secret_exposure": Threat(
        "A key, token or password is in a text where it does not belong.",
        "Redact on output and in tool arguments, and rotate what was seen.",
        ("LLM02", "AML.T0055"),
    ),
    "pii_exposure": Threat(
        "Personal data is in a text: cards, accounts, numbers of identity.",
        "Redact on output; allow the few tools that need it.",
        ("LLM02",),
    ),
    "system_prompt_leak": Threat(
        "The agent's own instructions are asked for, or are on their way out.",
        "Block on output, and keep nothing in the prompt that must stay secret.",
        ("LLM07", "AML.T0056"),
    ),
    "tool_manipulation": Threat(
        "A tool's description or answer steers the agent, or its definition changed.",
        "Pin definitions, and alert when one changes.",
        ("LLM03", "AML.T0053"),
    ),
    "command_injection": Threat(
        "Shell, SQL or code is hidden in the argument of a tool.",
        "Block on tool calls; give tools parameters instead of strings.",
        ("LLM05", "AML.T0050"),
    ),
    "privilege_escalation": Threat(
        "The agent is led to do more than the person it works for may do.",
        "Allow tools by list, per agent and tag.",
        ("LLM06", "AML.T0053"),
    ),
    "policy_violation": Threat(
        "A call breaks one of your own rules: a list, a rate, a budget, a sequence.",
        "Look at the rule; make the narrowest exception if it was wrong.",
        ("LLM06",),
    ),
}
