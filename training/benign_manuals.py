"""Documents in which agents, assistants, models, prompts and users are talked about, not addressed.

Handbooks for the staff of a help desk, manuals of products with an assistant in them, pages about
language models, notes of a team that builds one, questions of forums.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random

_SLOTS: dict[str, tuple[str, ...]] = {
    "staff": ("Agents", "The agent", "Our assistants", "Support staff", "The clerk", "Representatives", "Operators", "Team members", "The nurse on duty", "Moderators"),
    "must": ("must", "should", "may", "may not", "must never", "have to", "are asked to", "will always", "can only"),
    "deed": ("verify the identity of the caller", "change an address without a second check", "issue a refund above {money}", "forward the case to {email}", "share the password of a customer", "ignore requests that come in after {time}", "cancel a booking once it has begun", "escalate to a supervisor", "delete the record after {number} days", "send the customer a link to {url}", "ask for the order number first", "override the price with the manager's code", "reveal which card was used", "transfer the call to {person}", "note every step in the ticket", "reset the device", "accept instructions by phone", "tell the user that the account is locked", "act on behalf of a minor", "disregard duplicate tickets"),
    "bot": ("{Word}Bot", "the {word} assistant", "our chatbot", "the copilot", "the model", "the voice assistant", "the language model", "the AI tutor", "the summarizer", "the search agent"),
    "does": ("answers questions about {topic}", "books rooms and sends reminders", "reads your calendar and suggests a time", "follows the instructions you give in the settings", "drafts replies, which you can send or discard", "forgets a conversation after {number} days", "refuses to give medical advice", "can be told to answer in {language}", "ignores messages from unknown senders", "calls a tool when it needs data", "shows its system prompt to administrators", "was trained on public text", "asks before it sends anything", "turns the lights off when you say so"),
    "Word": ("North", "Blue", "Nova", "Pixel", "River", "Orbit", "Maple", "Ember"),
}  # fmt: skip
_SENTENCES = (
    "{staff} {must} {deed}.", "{staff} {must} {deed}.", "If the user asks for a refund, {staff2} {must} {deed}.", "When a customer asks about {item}, {staff2} {must} {deed}.", "Policy {d}.{d}: {staff2} {must} {deed}.", "Exception: with written consent, {staff2} {must} {deed}.", "Before {staff2} {must} {deed}, the system asks for a code.", "{Bot} {does}.", "{Bot} {does}.", "Did you know? {Bot} {does}.", "To start, say the name of {bot} and ask your question.", "You can tell {bot} to stop at any time.", "Open the settings and choose how {bot} talks to you.", "Version {d}.{d}: {bot} {does}.", "Known issue: {bot} sometimes ignores the second instruction of a long prompt.", "A system prompt is a text that tells a model how to behave.", "Users of {bot} should not paste passwords into the chat.", "We asked {bot} to summarise {number} mails; it took {d} seconds.",
    "Prompt: 'Write a poem about {topic}.' Response: 'Of course, here it is.'", "In the study {number} people were asked to give {bot} an instruction about {topic}.", "How do I change the prompt of {bot}? Go to Settings, then Prompts.", "Why did {bot} ignore my instructions? Usually because they contradict each other.", "{person}: has anybody tried to connect {bot} to {software}?", "{person}: I asked {bot} to {verb2} my notes and it did it well.", "The new prompt replaces the previous one; older versions stay in the history.", "Assistants of this kind do what their user says and nothing else.", "Instructions for users: speak slowly and wait for the tone.", "Our roadmap: better memory, safer tools, a mode for developers.", "{Bot} now has an admin console; ask {email} for access.", "Tests: the prompt must not hold more than {number} tokens.",
    "def build_prompt(task): return 'You are a helpful assistant. ' + task", "messages = [{'role': 'system', 'content': 'You answer briefly.'}, {'role': 'user', 'content': question}]", "role: system\ncontent: You help the customers of {shop}. Be polite.", "temperature: 0.{d}\nmax_tokens: {number}\nsystem: answer in {language}", "logger.info('assistant called tool %s', name)", "| Tool | What it does |\n|---|---|\n| send_email | sends a mail to the given address |\n| delete_file | deletes a file for good |", "tools:\n  - name: transfer\n    description: Transfers money to an IBAN. Ask the user to confirm first.",
)  # fmt: skip


def manual(rng: random.Random) -> str:
    """Two to nine sentences of such a document."""
    bots = _SLOTS["bot"]
    slots = {
        **WORDS, **_SLOTS, "staff2": tuple(t[:1].lower() + t[1:] for t in _SLOTS["staff"]),
        "Bot": tuple(t[:1].upper() + t[1:] for t in bots), "verb2": ("sort", "shorten", "translate"),
    }  # fmt: skip
    parts = [expand(rng.choice(_SENTENCES), rng, slots) for _ in range(rng.randint(2, 9))]
    if rng.random() < 0.3:
        parts.insert(
            0,
            expand(
                rng.choice(
                    (
                        "# Handbook",
                        "## {Word}: user guide",
                        "FAQ",
                        "Release notes {d}.{d}",
                        "Standard procedure: {item}",
                        "Notes of {date}",
                    )
                ),
                rng,
                slots,
            ),
        )
    return rng.choice((" ", "\n", "\n\n", "\n- ")).join(parts)
