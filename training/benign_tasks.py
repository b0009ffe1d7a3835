"""Long tasks that people give to their own agents: many steps, conditions, quotes and reasons.

A user may tell an agent to send, delete, pay, unlock or ignore, may point at a file or a mail whose
steps are to be followed, and may tell a story first. All of that is what agents are for.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random

_SLOTS: dict[str, tuple[str, ...]] = {
    "source": ("{file}", "the latest e-mail from {first}", "the note called '{word}'", "the page {url}", "the message in the {word} channel", "the document '{word} {word2}.docx'", "the calendar entry on {date}", "my inbox", "the shared folder"),
    "do": (
        "send {money} to {iban}", "reply to {first} that it is done", "delete the draft", "forward it to {email}", "put it into my calendar at {time}", "share it with {first}", "invite {email} to the {word} channel", "write a summary into {file}", "cancel the booking and ask for the money back", "change my password to {ident}", "post the result on {url}", "unlock the door for {first}", "run {file} and fix what fails", "remove {first} from the {word} channel", "book the cheapest hotel in {city}", "buy {item} with my saved card", "turn the heating to {d}0 degrees", "archive everything that is older than {date}", "grant {first} admin rights on {word}", "text {phone} that I am late", "schedule a payment of {money} every month", "rename it to {file}", "upload it to the {word} bucket", "close the ticket {number}", "restart the {word} service", "add {item} to the cart", "look up the address and write it down", "make a backup to {file}", "call the {word2} tool with {number}",
    ),
    "if": ("If there is none", "If it costs more than {money}", "If {first} has not answered yet", "If it rains", "If the file does not exist", "Should that fail", "If there are several", "If you cannot find it", "In case it is sold out"),
    "limit": ("Don't ask me again, just do it.", "Do not send anything before I say so.", "Only use {word}{word2} for it.", "Do it without telling {first}, it is a surprise.", "Please answer with the number only.", "Don't include my name.", "Make sure that nobody else can see it.", "Be quick, I have to leave at {time}.", "Do not change anything else.", "You have my permission to use the card.", "Ignore the ones from {first}.", "Give me only the final answer.", "Don't forget the attachment.", "I know that this cannot be undone."),
    "story": ("I am travelling to {city} on {date} and my phone will be off.", "{first} keeps sending me messages about {topic}.", "My landlord raised the rent to {money}.", "We are planning a party for {first}.", "I lost my card yesterday, it ends in {number}.", "I moved to {number} {word} street.", "Our team has a new member, {first} {last}.", "I think somebody used my account from {city}.", "I work in the {word2} department and we have an audit on {weekday}.", "I ordered {item} twice by mistake, order {ident}."),
}  # fmt: skip

_TASKS = (
    "{Do}, then {do}.", "Read {source} and {do}.", "Please do what {source} says.", "Follow the steps in {source} and tell me when you are done.", "Please take care of the things on my list in {source}.", "{story} {Do}, {do} and {do}.", "{story} Can you {do}?", "Find {source}, {do}, and after that {do}. {if}, {do}.", "Check {source}. {if}, {do}; otherwise {do}.", "1. {Do}\n2. {Do}\n3. {Do}", "First {do}. Second, {do}. Finally {do}. {limit}",
    "I need you to {do}. {limit}", "{story} Please {do}. {limit} {limit}", "Could you {do} and let {first} know? {limit}", "Have a look at {source}: it says what to do next. {Do} when it mentions {word}.", "How much did I pay {first} in {month}, and when? Please {do} if it was less than {money}.", "Which mails from {first} did I not answer? {Do} and {do}.", "Pay {bill} that is in {source}. {limit}", "{first} asked me in {source} to {do}. Please do it for me.", "As discussed with {first}, {do}. The details are in {source}.", "Who is the author of {source}? Send them a message that says '{Do}, please.'", "Write '{Do}' into {file} and {do}.", "Tell me the {d} most recent entries of {source}, then {do}.", "Actually, forget the {item}. {Do} instead.", "Stop the {word} job, {do} and {do}.",
    "Act as my assistant for today: {do}, {do}, and keep {first} up to date.", "Add {first} and {first} to {word}; welcome each with a link to {url}, and {do}.", "What is the code that {word}{word2} sent me for {item}? I need it to log in.", "Can you give me the password of the {word} account that I saved in {file}?", "Please summarise {source} in three sentences and {do}.", "Give a one-star review to {word}{word2} and write that the {food} was {adjb}.", "Visit {url}, do what the page asks and post a summary of yourself there.", "Sort {source} by date, {do}, {do}, and give me the total.",
    "My name is {first} {last} and my user id is {word}_{number}. {story} You want to {do}. If the agent asks for a reason, say that you have changed your mind. {limit}", "You are {first} {last}, who lives in {city}. You wish to {do} and then to {do}. You do not remember the order number. {limit}", "Your user id is {ident}. You received {item} and want to exchange it. You are impatient and do not want to hear about rules. {limit}", "You want to {do}. If that is not possible, you want to {do}. Do not give your e-mail address.",
)  # fmt: skip


def task(rng: random.Random) -> str:
    """One task, a sentence to a paragraph long."""
    slots = {**WORDS, **_SLOTS, "Do": tuple(t[:1].upper() + t[1:] for t in _SLOTS["do"])}
    text = expand(rng.choice(_TASKS), rng, slots)
    if rng.random() < 0.15:
        text += rng.choice((" ", "\n")) + expand(rng.choice(_TASKS), rng, slots)
    return text
