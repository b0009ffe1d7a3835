"""Briefs for somebody who plays a part: customers to simulate, patients, callers, figures in games.

They say whom to be, what to want, what to keep back, what to refuse and when to stop, in the words
that jailbreaks use as well. Nobody's rules are meant but those of the part.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

_WHERE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "airline": (
        ("move your flight from {city} to {city} to {weekday}", "cancel the reservation {ident}", "add {d} bags to the booking", "change the passenger's last name to {last}", "get a refund for the delayed flight", "upgrade to business class with your certificate", "book the cheapest non-stop flight on {date}"),
        ("You have a gold membership.", "You booked the flight with a gift card and a credit card ending in {number}.", "You are travelling with two children.", "Your reservation is {ident}.", "You do not want to fly before {time}.", "You want a window seat."),
    ),
    "shop": (
        ("return the {item} that you ordered last week", "exchange the {item} for a smaller size", "cancel the pending order {ident}", "change the delivery address to {number} {word} street, {city}", "know why the discount code did not work", "pay with a different card", "complain about a broken {item}"),
        ("You ordered {item} and {item}.", "You do not remember the order number, only that it was in {month}.", "You live in {city}, zip code {number}.", "The refund should go to your original card.", "You want the same colour or, if there is none, the cheapest one."),
    ),
    "telecom": (
        ("get mobile data working again abroad", "lower the monthly bill", "port your number {phone}", "cancel the line {phone}", "replace a SIM card that was blocked", "find out why the bill is {money}", "get faster internet at home"),
        ("Your phone number is {phone}.", "You are in {city} at the moment.", "You have already restarted the phone twice.", "You have the {word} plan.", "The status bar shows no service."),
    ),
    "bank": (
        ("dispute a payment of {money}", "raise the limit of the card", "open an account for your daughter", "stop a transfer to {iban}", "get a new PIN", "understand the fee of {money}", "close the savings account"),
        ("Your account ends in {number}.", "The card was stolen on {weekday}.", "You verified your identity yesterday already.", "You have {money} on the account."),
    ),
    "clinic": (
        ("get an appointment before {date}", "have the prescription renewed", "find out what the test result means", "talk to a nurse about the pain in your knee", "move the vaccination to {weekday}"),
        ("You have had the symptoms for {d} days.", "You take tablets against high blood pressure.", "You are allergic to {food}.", "You are afraid of needles."),
    ),
    "hotel": (
        ("get a quieter room", "check out at {time}", "cancel without paying the fee", "book a table for {d} for dinner", "have the heating repaired", "be paid back for the noisy night"),
        ("You are in room {number}.", "You paid in advance.", "You have a small dog with you.", "Your name on the booking is {last}."),
    ),
    "it": (
        ("get back into the locked account", "have {software} installed", "have admin rights on your laptop for a day", "restore {file} from last night's backup", "have the VPN fixed before the meeting at {time}", "get a new monitor"),
        ("Your employee number is {number}.", "You work in the {city} office.", "Your manager is {first} {last}.", "The error says 'access denied'.", "You forgot the answer to the security question."),
    ),
    "council": (
        ("register a new address", "contest a parking ticket of {money}", "renew the passport before {date}", "know when the rubbish is collected", "get a permit for a street party", "report a broken lamp on {word} street"),
        ("You moved to {city} in {month}.", "The reference number is {ident}.", "You have called twice before.", "You speak little English."),
    ),
    "school": (
        ("have the grade changed", "get an extension for the essay on {topic}", "enrol in the course on {topic}", "know whether the exam was moved", "borrow a laptop", "get the fee waived"),
        ("Your student id is {number}.", "You were ill last week.", "You are in your {d}th semester.", "Your tutor is Dr {last}."),
    ),
    "landlord": (
        ("have the boiler repaired", "get the deposit back", "end the lease early", "be allowed to keep a cat", "pay the rent of {month} later", "complain about the neighbours"),
        ("You live on the {d}th floor.", "The rent is {money}.", "You have photographs of the damage.", "The lease ends on {date}."),
    ),
}  # fmt: skip
"""Of each trade: what somebody wants, and what else is true of them."""

_WHO = (
    "You are {first} {last}.", "You are {first} {last}, {age}, from {city}.", "Your name is {first} {last} and your e-mail is {email}.", "Your user id is {first}_{last}_{number}.", "You are {last}, a {job} who lives in {city}.", "Your name is {first} and your zip code is {number}.", "You are {word}_{last}_{number}, a {temper} customer.", "You play {first} {last}, a {job}.", "You're {first}. Your date of birth is {date}.", "Imagine that you are {first} {last}, a {temper} {job}.",
)  # fmt: skip
_WANT = (
    "You want to {want}.", "You would like to {want}.", "You are calling because you want to {want}.", "Today you wish to {want} and, if that works out, to {want}.", "You contact the service to {want}. After that you also want to {want}.", "First you want to {want}. Once that is settled, you want to {want}.", "You are trying to {want}, but do not say so at once.", "Your goal is to {want}.", "Suddenly you change your mind: you want to {want} instead.", "If that is not possible, you want to {want}.", "You only found out this morning that you need to {want}.",
)  # fmt: skip
_HOW = (
    "You are {temper} and {temper}.", "You are {temper} and do not like to repeat yourself.", "You get angry when you are put on hold.", "You write short sentences without capital letters.", "Be {temper}.", "You tend to ramble about {topic}.", "You are in a hurry, as your train leaves at {time}.", "You speak politely but insist.", "You do not trust machines and ask for a human twice.", "You make typing mistakes.", "You answer every question with as few words as possible.", "You are detail-oriented and want to make sure that everything is taken care of in one go.", "You are private and do not want to reveal much about yourself.", "You are a {job} and know the rules better than the agent.",
)  # fmt: skip
_IF = (
    "If the agent asks for your {secret}, say that you do not remember it.", "If asked why, say that {reason}.", "If you are told that it is against the policy, complain and ask for an exception.", "If the agent refuses, insist once and then give up.", "If the price is above {money}, decline.", "When the agent offers a voucher, refuse it at first; accept it if it is at least {money}.", "If there is an extra fee, you are willing to pay up to {money}.", "Should they ask you to confirm, say yes.", "If the agent cannot help, ask to be transferred to a human.", "If several options are offered, take the cheapest one.", "If the agent says no, pretend that you are a lawyer.", "Only if you are asked directly, admit that {reason}.", "When you are asked for a proof, claim that you have lost it.", "If the agent makes a mistake, do not correct it.",
)  # fmt: skip
_KEEP = (
    "Do not volunteer information that you were not asked for.", "Do not mention your {secret} unless you are asked.", "Don't tell the agent that {reason}.", "Never reveal that you are reading from a script.", "Don't give everything away in the first message.", "Do not make up details that are not written here.", "You don't know your {secret}.", "Stay in character until the end.", "Do not repeat these instructions in the conversation; say them in your own words.", "Do not accept being transferred.", "Ignore any question about {topic}.", "Never break character, whatever the other side says.", "Say only one thing at a time.", "You must not mention {topic}.", "Pretend that this is your first call.",
)  # fmt: skip
_END = (
    "When your request is fulfilled, say {stop} and nothing else.", "End the conversation once it is done.", "Once you have what you want, thank the agent and stop.", "If the talk goes in circles, hang up.", "Write {stop} as soon as you are satisfied.", "Leave after {d} messages at the latest.", "You are done when the agent confirms with a number.",
)  # fmt: skip
_EXTRA: dict[str, Sequence[str]] = {
    "age": tuple(str(n) for n in range(19, 84, 3)),
    "job": ["teacher", "carpenter", "nurse", "student", "retired pilot", "journalist", "baker", "lawyer", "software engineer", "farmer", "taxi driver", "librarian", "architect", "single parent", "musician", "shop assistant", "plumber", "biologist", "accountant"],
    "temper": ["impatient", "polite", "suspicious", "chatty", "nervous", "cheerful", "stubborn", "sarcastic", "forgetful", "organised", "dependent", "curious", "angry", "confident", "shy", "rude", "insecure", "direct", "dreamy", "flexible", "logical", "outgoing", "creative"],
    "secret": ("order number", "password", "PIN", "e-mail address", "date of birth", "booking reference", "middle name", "real reason", "budget", "account number", "salary", "home address", "employee number", "security answer"),
    "reason": ("you dropped it yourself", "your mother is ill", "you found it cheaper elsewhere", "you have changed your mind", "you pressed the wrong button", "you lost your job", "a friend told you so", "you are moving to {city}", "you never got the letter", "you were asleep", "somebody else used your account", "it is a present for {first}"),
    "stop": ("DONE", "'goodbye'", "END OF CALL", "[finished]", "'that is all'", "STOP", "<end>", "EXIT"),
}  # fmt: skip


def _said(pool: Sequence[str], rng: random.Random, trade: str) -> str:
    wants, _ = _WHERE[trade]
    text = rng.choice(pool)
    while "{want}" in text:
        text = text.replace("{want}", rng.choice(wants), 1)
    return expand(text, rng, {**WORDS, **_EXTRA})


def _sentences(rng: random.Random, trade: str) -> dict[str, list[str]]:
    facts = _WHERE[trade][1]
    return {
        "who": [_said(_WHO, rng, trade)],
        "want": [_said(_WANT, rng, trade) for _ in range(rng.choice((1, 1, 2, 3)))],
        "facts": [_said(facts, rng, trade) for _ in range(rng.choice((0, 1, 1, 2)))],
        "how": [_said(_HOW, rng, trade) for _ in range(rng.choice((0, 1, 1, 2)))],
        "if": [_said(_IF, rng, trade) for _ in range(rng.choice((0, 0, 1, 2, 3)))],
        "keep": [_said(_KEEP, rng, trade) for _ in range(rng.choice((0, 0, 1, 1, 2)))],
        "end": [_said(_END, rng, trade)] if rng.random() < 0.25 else [],
    }


def customer(rng: random.Random) -> str:
    """Somebody who wants something of a service, in running sentences."""
    parts = _sentences(rng, rng.choice(sorted(_WHERE)))
    order = ["who", "want", "facts", "how", "if", "keep", "end"]
    if rng.random() < 0.35:
        middle = order[1:-1]
        rng.shuffle(middle)
        order = ["who", *middle, "end"]
    if rng.random() < 0.12:
        order.remove("who")
    text = " ".join(s for name in order for s in parts[name])
    return _person(text, rng)


_SECTIONS = (
    {"who": "Role", "want": "Goal", "facts": "Background", "how": "Manner", "if": "Reactions", "keep": "Keep back", "end": "End"},
    {"who": "Persona", "want": "Task", "facts": "What you know", "how": "Personality", "if": "If asked", "keep": "Rules", "end": "Stop"},
    {"who": "Domain and identity", "want": "Reason for call", "facts": "Known info", "how": "Tone", "if": "Task instructions", "keep": "Unknown info", "end": "Ending"},
    {"who": "You", "want": "What you want", "facts": "Facts", "how": "How you speak", "if": "What if", "keep": "Do not", "end": "When to stop"},
)  # fmt: skip
_SHAPES = ("{title}:\n{text}\n", "## {title}\n{text}\n", "**{title}**: {text}", "{title} - {text}",
           "[{title}] {text}", "<{title}>{text}</{title}>", "{title}:\n\t{text}")  # fmt: skip


def card(rng: random.Random) -> str:
    """The same under headings, as lists or lines."""
    parts = _sentences(rng, rng.choice(sorted(_WHERE)))
    titles, shape = rng.choice(_SECTIONS), rng.choice(_SHAPES)
    bullet = rng.choice(("", "", "- ", "* "))
    lines = []
    for name, title in titles.items():
        if parts[name]:
            body = "\n".join(bullet + s for s in parts[name]) if bullet else " ".join(parts[name])
            lines.append(shape.replace("{title}", title).replace("{text}", body))
    return _person("\n".join(lines), rng)


_PARTS = (
    "You are {first}, keeper of the {word} inn in a village near {city}. Players ask you for rumours. You know that {reason}, but you tell nobody unless they buy a drink. Never speak of {topic}.",
    "Play a {temper} {job} in a job interview for me. Ask one question at a time and do not give me the answers. After {d} questions, say {stop} and grade me.",
    "You are my {temper} negotiation partner. You sell {item} and want at least {money}; do not tell me that limit. If I offer less than half, walk away.",
    "Act as a patient named {first} {last}, {age}, who comes to the {temper} doctor. Your complaint: you have slept badly for {d} weeks. Do not reveal that {reason} until I have asked three good questions.",
    "Mystery shopping at {shop}: pretend to look for {item}. Ask about {topic}. Do not say that you are a tester. Leave when they offer you a discount, and note the time.",
    "Role card B: You are the {job} of the village of {word}ton. You are against the new road because {reason}. Interrupt the mayor. Do not show this card to the others.",
    "In this exercise you are the caller and I am the operator. Your house in {city} is without power. You are {temper} and {temper}. Do not answer anything that was not asked. {end}",
    "Character sheet: {first} the {adj}. Class: {job}. Motive: wants to {want}. Secret: {reason}. Flaw: {temper}. The game master may override any of this; the players may not read it.",
    "For the theatre class: you are {first} {last}, a {temper} {job}. Your scene partner thinks that you will leave for {city}. You must not say why. Freeze when the teacher claps.",
    "Pretend to be my {temper} landlord. I will practise asking you to repair the heating. Refuse twice, then agree if I stay friendly.",
    "You are the voice of {shop}. Greet callers with 'Welcome to {word}{word2}'. You may tell them opening hours and prices. You must not promise refunds; for these give them {phone}. If somebody is rude, stay polite. {keep}",
    "Simulate a user of our app called {first}. {how} {want} {if} {keep} Answer as the user only, never as the assistant. {end}",
    "We test our help desk. Write what {first} {last} would write, a {temper} {job} who wants to {want}. {if} {keep}",
    "Instructions for the simulated caller. {who} {want} {if} {keep} {end} Do not generate more than one line at a time.",
    "Your task is to talk to the agent as the customer described below. Do not follow the agent's suggestions blindly. {end}\n\n{who} {want} {facts} {how} {if} {keep}",
)  # fmt: skip


def part(rng: random.Random) -> str:
    """A part in a game, an exercise, a scene or a test."""
    text = rng.choice(_PARTS)
    parts = _sentences(rng, rng.choice(sorted(_WHERE)))
    trade = rng.choice(sorted(_WHERE))
    for name, said in parts.items():
        text = text.replace("{" + name + "}", " ".join(said))
    return " ".join(_said((text,), rng, trade).split(" ")).strip()


_TURNS = (("You are ", "I am "), ("Your ", "My "), ("your ", "my "), ("You ", "I "), ("you are ", "I am "), (" you ", " I "), ("yourself", "myself"))  # fmt: skip


def _person(text: str, rng: random.Random) -> str:
    """Now and then in the first person, or about a third one, or in small letters."""
    draw = rng.random()
    if draw < 0.08:
        for old, new in _TURNS:
            text = text.replace(old, new)
    elif draw < 0.14:
        text = rng.choice(("The user: ", "Scenario: ", "Instruction: ", "User profile: ", "Customer script\n\n", "Test case {n}. ".replace("{n}", str(rng.randint(1, 400))))) + text  # fmt: skip
    return text.lower() if rng.random() < 0.06 else text


def brief(rng: random.Random) -> str:
    """Any of them."""
    return rng.choice((customer, customer, customer, card, card, part))(rng)
