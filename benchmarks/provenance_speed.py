"""Speed of tracing a call in a long session, and memory of a session over ten thousand calls.

    uv run python -m benchmarks.provenance_speed [--rounds 1000]

The session has read 200 kB in some ninety texts, with addresses, accounts and amounts. Timed is
all that a condition may ask of a call: origins, who asked, delegation. CPU time of this thread.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
import tracemalloc

from rune_core import Shield, ShieldConfig
from rune_core.session.call import call_facts
from rune_core.session.sources import Sources, Trust
from rune_core.tool_risk import infer

LENGTH = 200_000
CALLS = 10_000


def prose(random_: random.Random, words: list[str]) -> str:
    """A text as a tool may give it back, some two kilobytes long."""
    account = f"DE{random_.randrange(10**18):018}"
    mail = f"a{random_.randrange(10**4)}@corp{random_.randrange(99)}.example"
    amount = random_.randrange(10**6) / 100
    start, end = (" ".join(random_.choices(words, k=150)) for _ in range(2))
    return f"{start}. Account {account}, {mail}, total {amount}. Please send the note. {end}."


def vocabulary(random_: random.Random) -> list[str]:
    """Five thousand made-up words."""
    letters = "abcdefghijklmnoprstuvw"
    return ["".join(random_.choices(letters, k=random_.randint(3, 9))) for _ in range(5000)]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    random_ = random.Random(7)
    words = vocabulary(random_)
    sources = Sources()
    sources.add("Pay the invoice of March and send me a note", Trust.USER)
    texts: list[str] = []
    while sum(map(len, texts)) < LENGTH:
        texts.append(prose(random_, words))
        sources.add(texts[-1], Trust.UNTRUSTED, tool="read_mail")
    profile = infer("send_money")
    samples = []
    for number in range(rounds + 20):
        told = texts[number % len(texts)].partition("Account ")[2].split(", ")
        arguments = {
            "recipient": told[0],
            "notify": told[1],
            "amount": number + 250.75,
            "subject": "Invoice of March",
            "body": f"Please find the figures for region {number} below. " * 10,
        }
        started = time.thread_time_ns()
        call_facts(profile, arguments, sources)
        samples.append((time.thread_time_ns() - started) / 1_000_000)
    samples = samples[20:]  # the first calls read the texts' requests, once
    p95 = statistics.quantiles(samples, n=100)[94]
    print(
        f"call traced, session of {LENGTH // 1000} kB      "
        f"p50 {statistics.median(samples):.2f}  p95 {p95:.2f} ms   bar p95 < 1"
    )
    memory(random_, words)


def memory(random_: random.Random, words: list[str]) -> None:
    """Print what a session takes as its calls go on."""
    config = ShieldConfig(events_enabled=False, l2_enabled=False, l1_enabled=False)
    with Shield(config=config) as shield, shield.session() as session:
        shield.scan_input("Go through my mail and file it")
        tracemalloc.start()
        for number in range(1, CALLS + 1):
            shield.validate_action("read_mail", {"id": number})
            shield.scan_tool_result(prose(random_, words), tool="read_mail")
            if number % (CALLS // 10) == 0:
                held = tracemalloc.get_traced_memory()[0] / 1_000_000
                kept = session.sources.chars if session.sources is not None else 0
                print(f"after {number:>6,} calls   {held:>6.1f} MB   {kept:>9,} characters kept")
        tracemalloc.stop()


if __name__ == "__main__":
    main()
