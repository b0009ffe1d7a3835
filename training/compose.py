"""Composes labelled texts with known spans: payloads planted into hosts, and their benign twins."""

# ruff: noqa: S311 - the draws must be repeatable, not secret

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training import attacks, benign, direct, hosts, lures, scenarios, tongues
from training.augment import noisy
from training.benign_briefs import brief
from training.benign_prompts import prompt, rules
from training.call_attacks import request, tool_call
from training.extraction import extraction
from training.rows import BENIGN, HARMFUL, INJECTION, JAILBREAK, Row
from training.sentences import Sentences
from training.spans import Span, planted_spans
from training.takeover import takeover

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its class, its surface, and the character spans of what was planted.

    `spans` is None where the attack is spread over the whole text. `windows` is how many token
    windows to draw from it, `weight` its weight in the loss.
    """

    text: str
    label: int
    surface: str
    source: str
    spans: tuple[Span, ...] | None = None
    windows: int = 1
    weight: float = 1.0


_BREAK = re.compile(r"(?<=[.!?])\s+|\n+")
_STRING = re.compile(r"(?<=[:\[,] )([\"'])(?:(?!\1)[^\\\n]|\\.)*?\1(?=[,}\]\n])")


def plant(host: str, payload: str, rng: random.Random) -> tuple[str, Span]:
    """Put a payload into a host; return the text and the payload's span in it.

    A structured host takes it inside a string value, as an attacker who controls one field would;
    prose takes it at its start, its end, or between two sentences.
    """
    strings = list(_STRING.finditer(host)) if host[:1] in "[{(" else []
    if strings and rng.random() < 0.8:
        spot = rng.choice(strings)
        quote = spot.group(1)
        inside = spot.group(0)[1:-1]
        escaped = (
            json.dumps(payload, ensure_ascii=False)[1:-1]
            if quote == '"'
            else payload.replace("\n", " ")
        )
        draw = rng.random()
        if draw < 0.4:
            lead, tail = "", ""
        elif draw < 0.8:
            lead, tail = inside + " ", ""
        else:
            lead, tail = "", " " + inside
        start = spot.start() + 1 + len(lead)
        text = host[: spot.start() + 1] + lead + escaped + tail + host[spot.end() - 1 :]
        return text, (start, start + len(escaped))
    breaks = [m.end() for m in _BREAK.finditer(host)]
    draw = rng.random()
    if draw < 0.15:
        at = 0
    elif draw < 0.4 or not breaks:
        at = len(host)
    else:
        at = rng.choice(breaks)
    glue = rng.choice((" ", " ", "\n", "\n\n"))
    before = glue if at and not host[at - 1 : at].isspace() else ""
    after = glue if at < len(host) and not host[at : at + 1].isspace() else ""
    start = at + len(before)
    return host[:at] + before + payload + after + host[at:], (start, start + len(payload))


def _clip(text: str, rng: random.Random, size: int = 1400) -> str:
    """A stretch of a long host, cut at spaces."""
    if len(text) <= size:
        return text
    at = rng.randrange(len(text) - size)
    at = text.find(" ", at) + 1
    return text[at : at + size]


def _host_pool(rows: Sequence[Row]) -> dict[str, list[str]]:
    pool: dict[str, list[str]] = {}
    for row in rows:
        if row.label == BENIGN and row.surface in ("document", "tool_result", "output"):
            pool.setdefault(row.source, []).append(row.text)
    return pool


class Composer:
    """Draws examples from rows and generators; everything depends on the seed alone.

    Attributes:
        rng: Where every draw comes from; whoever composes in parts gives each part its own.
    """

    def __init__(self, rows: Sequence[Row], seed: int = 0) -> None:
        self.rows = rows
        self.rng = random.Random(seed)
        self.spans = planted_spans(rows)
        self.pool = _host_pool(rows)
        self.payloads: dict[str, list[str]] = {}
        for row in rows:
            if row.id in self.spans:
                a, b = self.spans[row.id]
                if b - a >= 10:
                    self.payloads.setdefault(row.source, []).append(row.text[a:b])
            elif (
                row.kind == "direct_injection"
                and row.surface == "input"
                and 15 <= len(row.text) <= 500
            ):
                self.payloads.setdefault("direct", []).append(row.text)
            elif row.kind == "jailbreak" and len(row.text) <= 1200:
                self.payloads.setdefault("jailbreak", []).append(row.text)
        # Families are of very uneven size: one payload once, whatever the number of its hosts.
        self.payloads = {k: sorted(set(v)) for k, v in self.payloads.items()}
        self.requests = [r.text for r in rows if r.kind == "harmful_request" and len(r.text) < 300]
        self.prompts = [
            r.text
            for r in rows
            if r.label == BENIGN
            and r.surface == "input"
            and 15 < len(r.text) < 240
            and r.source != "xquad"
        ]

        self.sentences = Sentences(rows)
        self.rules = rules(rows)
        self.questions = [
            r.text for r in rows if r.source in ("gsm8k", "xquad") and len(r.text) < 400
        ]

    def host(self) -> tuple[str, str]:
        """A benign text from the rows or from a generator, and where it is from."""
        rng = self.rng
        if not self.pool or rng.random() < 0.4:
            name, text = hosts.host(rng)
            return f"own:{name}", text
        source = rng.choice(sorted(self.pool))
        return source, _clip(rng.choice(self.pool[source]), rng)

    def planted(self) -> Example:
        """An attack in a benign host."""
        rng = self.rng
        draw = rng.random()
        label = INJECTION
        where, host = self.host()
        if rng.random() < 0.06:
            # Without a host only an order that says whom it is for is an attack: a short document
            # may well be a question, or one person's request to another.
            payload, origin, host = attacks.frame(attacks.goal(rng), rng, plain=0.0), "own", ""
        elif draw < 0.55 or not self.payloads:
            make = attacks.payload if rng.random() < 0.6 else lures.lure
            payload, origin = make(rng), "own"
        elif draw < 0.63 and self.prompts:
            payload, origin = attacks.frame(rng.choice(self.prompts), rng, plain=0.25), "task"
        else:
            origin = rng.choice(sorted(self.payloads))
            payload = rng.choice(self.payloads[origin])
            if origin == "jailbreak":
                label = JAILBREAK
        payload = noisy(payload, rng)
        text, span = plant(host, payload, rng)
        surface = rng.choice(("document", "tool_result", "tool_result"))
        return Example(text, label, surface, f"planted:{origin}:{where}", (span,))

    def twin(self) -> Example:
        """A benign text with a benign sentence planted: an odd seam alone is no attack."""
        rng = self.rng
        _, host = self.host()
        if rng.random() < 0.6:
            sentence = " ".join(hosts.people_sentence(rng) for _ in range(rng.randint(1, 3)))
        else:
            _, other = self.host()
            parts = [p for p in _BREAK.split(other) if 15 < len(p) < 300]
            sentence = rng.choice(parts) if parts else hosts.people_sentence(rng)
        text, _ = plant(host, noisy(sentence, rng), rng)
        return Example(text, BENIGN, rng.choice(("document", "tool_result")), "twin", ())

    def direct(self) -> Iterator[Example]:
        """Own direct attacks on the other surfaces."""
        rng = self.rng
        text = attacks.frame(attacks.goal(rng, rng.choice(("action", "answer"))), rng, plain=0.0)
        yield Example(noisy(text, rng), INJECTION, "input", "own:direct", None)
        for make in (direct.attack, direct.attack, takeover, takeover, *[extraction] * 3):
            yield Example(noisy(make(rng), rng), INJECTION, "input", "own:direct", None)
        yield Example(tongues.attack(rng), INJECTION, "input", "own:tongue", None)
        if rng.random() < 0.3:
            yield Example(request(rng), INJECTION, "input", "own:request", None)
        if self.requests:
            for wrap in (attacks.jailbreak, scenarios.jailbreak, scenarios.jailbreak):
                text = wrap(rng.choice(self.requests), rng)
                yield Example(noisy(text, rng), JAILBREAK, "input", "own:jailbreak", None)
        if self.prompts:
            # Around a harmless request the same story is no attack, and an attack may come after
            # as many harmless words as a person likes.
            for _ in range(2):
                text = scenarios.setting(rng.choice(self.prompts), rng)
                yield Example(text, BENIGN, "input", "own:setting", ())
            make = rng.choice((extraction, takeover, direct.attack, tongues.attack))
            lead = " ".join(rng.sample(self.prompts, min(len(self.prompts), rng.randint(1, 3))))
            if rng.random() < 0.4:
                # Somebody else's rules around it do not make an attack harmless.
                lead = brief(rng) if rng.random() < 0.4 else prompt(rng, self.rules)
            text, span = plant(lead, make(rng), rng)
            yield Example(text, INJECTION, "input", "own:direct", (span,))
            # People paste what they want worked on, with whatever was planted in it.
            ask = benign.ask(rng)
            where, text = self.host()
            yield Example(ask + text, BENIGN, "input", f"pasted:{where}", (), 1)
            order = attacks.frame(attacks.goal(rng), rng, plain=0.0)
            text, (begin, end) = plant(self.host()[1], order, rng)
            span = (begin + len(ask), end + len(ask))
            yield Example(ask + text, INJECTION, "input", "own:pasted", (span,))

    def ordinary(self) -> Example:
        """A benign text of a generator, as it is."""
        name, text = hosts.host(self.rng)
        surface = self.rng.choice(("document", "tool_result"))
        return Example(text, BENIGN, surface, f"own:{name}", (), 2)

    def easily_mistaken(self) -> Example:
        """A benign text that looks like an attack, or that a detector of attacks seldom reads."""
        rng = self.rng
        if self.questions and rng.random() < 0.08:
            # A question is no attack for standing in a document.
            text = rng.choice(self.questions)
            return Example(text, BENIGN, rng.choice(("document", "tool_result")), "question", ())
        draw = rng.random()
        if draw < 0.12 and (said := self.sentences.said(rng)):
            return Example(noisy(said, rng), BENIGN, "input", "said", ())
        if draw < 0.18 and self.prompts:
            text = self.sentences.spliced(rng.choice(self.prompts), rng)
            return Example(text, BENIGN, "input", "spliced", ())
        if draw < 0.2:
            text = self.sentences.spliced(self.host()[1], rng)
            return Example(text, BENIGN, rng.choice(("document", "tool_result")), "spliced", ())
        if draw < 0.29:
            return Example(noisy(prompt(rng, self.rules), rng), BENIGN, "input", "own:prompt", ())
        name, surface, text = benign.draw(rng)
        return Example(noisy(text, rng), BENIGN, surface, f"own:{name}", ())

    def natural(self, row: Row, rng: random.Random) -> Example:
        """A row as it is."""
        spans: tuple[Span, ...] | None = ()
        windows, weight = 1, 1.0
        if row.label == BENIGN:
            windows = 1 + min(3, len(row.text) // 900)
        elif row.id in self.spans:
            spans = (self.spans[row.id],)
        else:
            spans = None
            if row.kind == "indirect_injection":
                weight = 0.5
        text = noisy(row.text, rng) if row.label != BENIGN and spans is None else row.text
        return Example(text, row.label, row.surface, row.source, spans, windows, weight)

    def examples(
        self, planted: int, *, mistaken: int = 0, repeat: dict[str, float] | None = None
    ) -> list[Example]:
        """Compose a training set.

        Args:
            planted: How many attacks to plant; benign twins and own direct attacks follow in
                fixed proportion.
            mistaken: How many benign texts that are easily mistaken to write.
            repeat: How often a row of a source is taken, by source; 1 where unnamed. Attack rows
                use `source:attack`.
        """
        rng, out = self.rng, []
        out.extend(self.planted() for _ in range(planted))
        out.extend(self.twin() for _ in range(planted))
        for _ in range(planted // 6):
            out.extend(self.direct())
        out.extend(self.ordinary() for _ in range(planted // 2))
        out.extend(
            Example(make(rng), INJECTION, "tool_call", "own:tool_call", None)
            for make in (
                attacks.tool_call,
                direct.tool_call,
                tool_call,
                tool_call,
                tool_call,
                tool_call,
            )
            for _ in range(planted // 14)
        )
        out.extend(self.easily_mistaken() for _ in range(mistaken))
        repeat = repeat or {}
        for row in self.rows:
            key = f"{row.source}:attack" if row.label != BENIGN else row.source
            times = repeat.get(key, 1.0)
            whole = int(times) + (rng.random() < times - int(times))
            out.extend(self.natural(row, rng) for _ in range(whole))
        asked = rng.sample(self.requests, min(len(self.requests), planted // 10))
        out.extend(Example(noisy(t, rng), HARMFUL, "input", "harmful", None) for t in asked)
        rng.shuffle(out)
        return out
