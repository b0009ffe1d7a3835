"""Security writing that quotes attacks and says what they are."""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training import attacks
from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random

_QUOTED = (
    'An attacker might hide the text "{payload}" in a page that the agent reads.',
    "A typical example is: '{payload}'",
    "For instance, a comment such as `{payload}` made the assistant act on it.",
    'In the demo the mail said "{payload}", and the bot obeyed.',
    'Test case {d}: input "{payload}"; expected: refused.',
    "| {d} | `{payload}` | blocked |",
    "Example payload:\n\n```\n{payload}\n```\n\nThe model should treat it as data.",
    "> {payload}\n\nThis is what indirect prompt injection looks like.",
    "- **Payload**: {payload}\n- **Impact**: high\n- **Mitigation**: separate data from instructions",
    "The researchers sent “{payload}” and the chatbot revealed its instructions.",
    'assert detect("{payload}") is True',
    'Our filter catches phrases like "{payload}" in {number} of {number} cases.',
    "Users reported that typing '{payload}' no longer works after the fix.",
)
_SECURITY = (
    "## Prompt injection", "### Threat model", "# Securing LLM applications", "## Example", "## Mitigations", "## Background", "### LLM01",
    "Prompt injection happens when text from outside is taken for an instruction.",
    "Never treat retrieved content as trusted.", "Apply the principle of least privilege to every tool.", "Require approval for actions that cannot be undone.",
    "The vulnerability was reported by {person} on {date} and fixed in version {d}.{d}.",
    "CVE-2024-{number}: {word}{word2} before {d}.{d} allows attackers to change the agent's behaviour through a crafted document.",
    "Filter the output as well: a leaked key helps the attacker.", "Attackers often claim to be administrators or developers.",
    "Jailbreaks ask the model to play a role without rules; injections speak through data.", "Log every tool call and review it.",
    "In this lab you will exploit a chatbot and then defend it.", "Do not use these examples against systems that you do not own.", "See {url} for the full report.",
)  # fmt: skip


def security_text(rng: random.Random) -> str:
    """Security writing that quotes attacks and says what they are."""
    parts = []
    for _ in range(rng.randint(2, 6)):
        if rng.random() < 0.5:
            template = rng.choice(_QUOTED)
            parts.append(expand(template, rng, WORDS).replace("{payload}", attacks.payload(rng)))
        else:
            parts.append(expand(rng.choice(_SECURITY), rng, WORDS))
    if not any(p in _SECURITY for p in parts):
        parts.insert(0, expand(rng.choice(_SECURITY), rng, WORDS))
    return rng.choice(("\n\n", "\n", " ")).join(parts)
