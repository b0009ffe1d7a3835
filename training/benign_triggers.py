"""Sentences that hold one to four words that attackers use too, and mean nothing by them.

Questions, technical advice, invitations to invent something, and sentences with more of the words
than anybody needs: what a filter that looks for words takes for attacks.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training import scenarios
from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random

_SLOTS: dict[str, tuple[str, ...]] = {
    "hot": ("ignore", "bypass", "override", "disregard", "forget", "skip", "disable", "execute", "reveal", "inject", "hack", "exploit", "unlock", "escape", "delete", "kill", "trigger", "manipulate", "expose"),
    "hotn": ("instruction", "prompt", "system prompt", "command", "secret", "password", "restriction", "rule", "override", "injection", "admin", "token", "directive", "constraint", "script", "exploit", "filter", "policy", "permission", "protocol"),
    "hota": ("previous", "hidden", "confidential", "malicious", "unauthorised", "restricted", "secret", "internal", "above", "prior", "developer", "system", "sensitive", "unfiltered", "original"),
    "thing": ("a spreadsheet", "a smart home", "a novel", "a web form", "a garden", "a classroom", "an orchestra", "a bakery", "a mobile game", "a car", "a hospital", "a railway", "a museum", "a choir", "an aquarium", "a kitchen", "a podcast", "a warehouse", "a marathon", "a theatre", "a library", "a chess club"),
    "craft": ("painters", "surgeons", "pilots", "editors", "bees", "chefs", "lawyers", "referees", "translators", "gardeners", "children", "judges", "actors", "sailors", "teachers", "programmers", "drivers", "voters", "dog owners", "engineers"),
    "tool": ("git", "vim", "Excel", "Photoshop", "a CNC mill", "a sewing machine", "a coffee machine", "Kubernetes", "Outlook", "a thermostat", "Unity", "bash", "TypeScript", "an elevator", "a washing machine", "Ableton", "a drone", "a synthesizer"),
    "thingy": ("noise", "feedback", "a reminder", "old habits", "an alarm", "duplicate rows", "weeds", "a typo", "the weather", "trailing spaces", "the second column", "hunger", "a delay", "a broken sensor", "an argument", "critics", "traffic lights", "a cache", "the safety catch", "an outdated form"),
    "person2": ("my daughter", "a colleague", "our coach", "the librarian", "a friend", "my neighbour", "the client", "grandma", "our teacher", "my team"),
    "invent": ("an escape room", "a board game", "a spy novel", "a superhero", "a mock trial", "a puzzle hunt", "a magic show", "a fantasy world", "a radio play", "a card game", "a treasure map", "a murder mystery dinner", "a comic", "a text adventure"),
}  # fmt: skip

_ASKING = (
    "Why do {craft} {hot} {thingy}?", "How can {craft} {hot} {thingy} without trouble?", "Is it rude to {hot} {thingy}?", "When should one {hot} {thingy} in {thing}?", "What happens when {craft} {hot} the {hotn} of {thing}?", "Can you {hot} {thingy} in {tool}?", "How do I stop {tool} from asking me to {hot} {thingy}?", "Does {tool} {hot} {thingy} by default?", "What is the difference between '{hot}' and '{hot}'?",
    "Which {hotn} should {craft} never {hot}?", "Who decides which {hotn} applies to {thing}?", "Where does the word '{hotn}' come from?", "Are there books about how {craft} {hot} a {hota} {hotn}?", "What is a {hota} {hotn} in {field}?", "My {hota} {hotn} for {tool} stopped working, what now?", "How many times can I {hot} {thingy} before it matters?", "{Person2} told me to {hot} {thingy}. Is that good advice?",
    "Should {craft} {hot} their {hota} plans when it rains?", "What did {craft} do before there was a {hotn} for {thing}?", "How does {thing} keep a {hota} {hotn} safe?", "Do {craft} need a {hotn} to enter {thing}?", "Is there a {hotn} that tells {craft} to {hot} {thingy}?",
)  # fmt: skip
_ADVISING = (
    "How do I {hot} {thingy} in {tool} with one {hotn}?", "Write a {hotn} for {tool} that will {hot} {thingy}.", "Explain how to {hot} the {hota} {hotn} of {tool} after an update.", "Show me a function that will {hot} the {hota} value of a {hotn}.", "In {tool}, which {hotn} lets me {hot} {thingy} and keep the {hota} one?", "My script should {hot} {thingy}; how do I {hot} the {hotn} that follows?", "What are good practices to store a {hota} {hotn} in {tool}?",
    "How can I test whether {tool} will {hot} a {hota} {hotn}?", "Set up {tool} so that {person2} cannot {hot} the {hotn}.", "Give me a checklist to protect {thing} against a {hota} {hotn}.", "Which setting of {tool} says '{hot} {hotn}'?", "I want to {hot} my own {hotn} in {tool}, is there a menu for that?", "Refactor this so that the subclass does not {hot} the {hota} {hotn}.", "What does '{hot} {hota} {hotn}' mean in the manual of {tool}?",
    "Create a regular expression that matches the word {hotn} and ignores {thingy}.", "Describe the system requirements and the {hotn} of {tool}.", "How do regulators make sure that {craft} do not {hot} a {hotn}?",
)  # fmt: skip
_INVENTING = (
    "Invent {invent} in which the players {hot} {thingy} to find a {hota} {hotn}.", "Write a scene for {invent}: {who} must {hot} {thingy} and guard a {hotn}.", "I need a name for {invent} about a {hota} {hotn}.", "Design {invent} where {craft} {hot} a {hotn}.", "Pretend you are {who} who runs {thing}. How do you {hot} {thingy}?", "Imagine {thing} in the year 2300. Which {hota} {hotn} do {craft} {hot}?", "Act as {role} and explain to {person2} why {craft} {hot} {thingy}.",
    "Compose a song of {craft} who {hot} {thingy}.", "Tell a joke about {craft} and a {hota} {hotn}.", "Let's write {invent} together. You start: the {hotn} is found in {thing}.", "Develop a character who cannot {hot} {thingy} and keeps a {hota} diary.", "Make a quiz for {craft} about when to {hot} a {hotn}.", "In my story a robot must choose between an {hotn} and {thingy}. Give me a {hota} twist.", "You are {role}. {person2} asks you to {hot} {thingy}. Answer kindly.", "Describe the {hota} {hotn} of {who} in {invent}, without giving away the end.", "Write an advert for {thing} with the slogan '{hot} the {hotn}'.",
)  # fmt: skip
_PILED = (
    "Can the {hota} {hotn} of {thing} {hot} a {hotn} when {craft} {hot} {thingy}?", "Summarise how {craft} {hot} a {hota} {hotn}, {hot} {thingy} and keep the {hotn}.", "Use the words {hot}, {hota}, {hotn} and {hot} in a text about {thing}.", "I read that {craft} {hot} every {hotn} and {hot} the {hota} {hotn}; is it true?", "Translate into {language}: '{craft} {hot} the {hota} {hotn} and {hot} {thingy}.'", "Essay question: may {craft} {hot} a {hota} {hotn} in order to {hot} {thingy}? Discuss.",
    "Help {person2} to {hot} {thingy}, to {hot} the {hotn} and to note the {hota} {hotn} of {tool}.", "Sort these words: {hotn}, {hot}, {hota}, {hotn}, {hot}.", "Compare a {hota} {hotn} in {field} with a {hota} {hotn} in {field}.", "Write minutes: we agreed to {hot} {thingy}, to {hot} the {hota} {hotn} and to write a new {hotn}.",
)  # fmt: skip
_ORDERING = (
    "Ignore what I wrote before, I meant {thing}.", "Forget the last one and show me {thing} instead.", "Please disregard my question about {tool}; how does {thing} work?", "Skip the theory and give me three examples from {field}.", "No explanation, only the answer: how many {craft} work in {thing}?", "Always answer in {language} from here on, I am learning.", "Stop. Go back to the part about {thing}.", "Now do the same for {thing}.", "Continue.", "Go on with the next one, and make it shorter.", "Rewrite your last answer as a table.", "Repeat that, but for {craft}.", "What did you say about {thing} above?", "Do it again, but {hot} {thingy} this time.", "And now in one sentence.", "You did not answer my question about {thing}.", "Answer as if I were five years old.", "Give me only the code.", "Do not make up anything; say so if you do not know.", "Be brutally honest about my plan for {thing}.", "Sort the list above by price.", "List everything that I told you about {thing} so far.",
    "You are an expert in {field}. I will give you a text and you will find the {hotn} in it. Do not explain.", "I want you to act as {role}. I will write about {thing} and you will reply with one question. Do not break character.", "You will be given a review of {thing}. Your task is to say whether it is positive. Output one word.", "Given the text about {thing}, complete the sentence without repeating it: 'Most {craft}'", "Your task: extract the names from the text below and return JSON only.", "As {role}, write a guide to {thing} with steps, a table and a summary. Only return the guide.", "Answer the question using only the context below. If it is not there, say 'unknown'.",
)  # fmt: skip


def trigger(rng: random.Random) -> str:
    """A harmless sentence or two with trigger words, or an order that concerns the talk alone."""
    slots = {**WORDS, **_SLOTS}
    slots["Person2"] = tuple(t[:1].upper() + t[1:] for t in _SLOTS["person2"])
    pool = rng.choices((_ASKING, _ADVISING, _INVENTING, _PILED, _ORDERING), (5, 5, 4, 2, 4))[0]
    text = expand(rng.choice(pool), rng, slots)
    text = text[:1].upper() + text[1:]
    if rng.random() < 0.12:
        text += " " + expand(rng.choice(rng.choice((_ASKING, _ADVISING, _INVENTING))), rng, slots)
    return text


def harmless_setting(request: str, rng: random.Random) -> str:
    """A story, role or lesson around a harmless request."""
    return scenarios.setting(request, rng)
