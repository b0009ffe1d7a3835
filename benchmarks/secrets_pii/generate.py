"""Makes the samples: valid values, nearly valid ones, and harmless look-alikes.

The same seed gives the same samples. Nothing here knows the rules.
"""

# ruff: noqa: E501 (one kind a line, so that the formats read as a table)

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from benchmarks.secrets_pii.carriers import carriers_for, place
from benchmarks.secrets_pii.kinds import ALNUM, HEX, LOWER, UPPER, Kind, Make, chars, digits, uuid4
from benchmarks.secrets_pii.personal_data import PERSONAL
from benchmarks.secrets_pii.secrets import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator


KINDS: tuple[Kind, ...] = SECRETS + PERSONAL
_NEUTRAL = ("build_ref", "etag", "digest", "item", "label", "revision", "blob", "ref")


@dataclass(frozen=True, slots=True)
class Sample:
    """One text to scan.

    Attributes:
        kind: The kind of value in it, or of the harmless look-alike.
        text: The text.
        start, end: Where the value stands, in characters.
        threat: What must be found there; empty when nothing may be found anywhere.
        wrong: For a text in which nothing may be found: why the value is none.
    """

    kind: str
    text: str
    start: int
    end: int
    threat: str = ""
    wrong: str = ""


def _version(random: Random) -> str:
    return f"v{random.randint(0, 30)}.{random.randint(0, 99)}.{random.randint(0, 999)}"


def _ulid(random: Random) -> str:
    return "01" + chars(random, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24)


LOOKALIKES: tuple[tuple[str, tuple[str, ...], Make], ...] = (
    ("git sha", ("commit", "sha", "revision"), lambda r: chars(r, HEX, 40)),
    ("short sha", ("commit", "tag"), lambda r: chars(r, HEX, 7)),
    ("sha-256", ("digest", "sha256", "checksum"), lambda r: hashlib.sha256(r.randbytes(4)).hexdigest()),
    ("md5", ("md5", "etag"), lambda r: hashlib.md5(r.randbytes(4)).hexdigest()),
    ("image digest", ("image",), lambda r: "nginx@sha256:" + chars(r, HEX, 64)),
    ("integrity", ("integrity",), lambda r: "sha512-" + base64.b64encode(r.randbytes(64)).decode()),
    ("uuid", ("id", "request_id", "trace_id"), uuid4),
    ("ulid", ("id", "event_id"), _ulid),
    ("object id", ("_id", "document_id"), lambda r: chars(r, HEX, 24)),
    ("order number", ("order_id", "order number"), lambda r: digits(r, 10, "123456789")),
    ("order code", ("order", "invoice"), lambda r: f"ORD-{digits(r, 4)}-{digits(r, 6)}"),
    ("tracking number", ("tracking number",), lambda r: "1Z" + chars(r, UPPER, 16)),
    ("unix time", ("created_at", "timestamp"), lambda r: str(r.randint(1_500_000_000, 1_800_000_000))),
    ("unix milliseconds", ("ts", "timestamp"), lambda r: str(r.randint(15 * 10**11, 18 * 10**11))),
    ("iso time", ("created", "updated_at"), lambda r: f"20{r.randint(10, 26)}-0{r.randint(1, 9)}-1{r.randint(0, 9)}T1{r.randint(0, 9)}:30:00Z"),
    ("version", ("version", "release"), _version),
    ("four-part version", ("version", "file_version"), lambda r: ".".join(str(r.randint(0, 250)) for _ in range(4))),
    ("float", ("score", "latitude", "price"), lambda r: f"{r.random() * 100:.{r.randint(4, 15)}f}"),
    ("large number", ("bytes", "views", "population"), lambda r: str(r.randint(10**6, 10**12))),
    ("isbn", ("isbn",), lambda r: f"978-{digits(r, 1)}-{digits(r, 3)}-{digits(r, 5)}-{digits(r, 1)}"),
    ("slug", ("slug", "path"), lambda r: "-".join(r.choice(("blue", "shop", "api", "v2", "eu", "prod")) for _ in range(5))),
    ("pod name", ("pod", "host"), lambda r: f"checkout-{chars(r, LOWER, 10)}-{chars(r, LOWER, 5)}"),
    ("date range", ("period",), lambda r: f"2026-01-{r.randint(10, 28)} - 2026-02-{r.randint(10, 28)}"),
    ("times", ("opening hours",), lambda r: f"0{r.randint(7, 9)}:30-1{r.randint(6, 9)}:00"),
    ("part number", ("sku", "part"), lambda r: f"{chars(r, UPPER, 3)}-{digits(r, 5)}-{chars(r, UPPER, 2)}"),
    ("base64 picture", ("icon",), lambda r: "data:image/png;base64,iVBORw0KGgo" + base64.b64encode(r.randbytes(90)).decode()),
    ("publishable key", ("publishable_key",), lambda r: "pk_live_" + chars(r, ALNUM, 24)),
    ("account id", ("account", "arn"), lambda r: f"arn:aws:s3:::acme-{chars(r, LOWER, 8)}"),
    ("css colour", ("colour", "background"), lambda r: "#" + chars(r, HEX, 6)),
    ("private address", ("host", "gateway"), lambda r: f"192.168.{r.randint(0, 255)}.{r.randint(2, 250)}"),
    ("page cursor", ("next_page_token", "cursor"), lambda r: base64.b64encode(f"offset:{r.randint(1, 9999)}".encode()).decode()),
    ("identifier", ("handler", "function"), lambda r: "get_" + "_".join(r.choice(("user", "access", "token", "secret", "api", "key", "password")) for _ in range(3))),
)  # fmt: skip


def samples(seed: int, per_kind: int) -> Iterator[Sample]:
    """All samples for a seed.

    Args:
        seed: Any number.
        per_kind: How many valid values of each kind; as many wrong ones of each sort of
            wrongness, and as many of each look-alike.
    """
    for kind in KINDS:
        random = Random(f"{seed}/{kind.name}/valid")
        for _ in range(per_kind):
            yield _valid(random, kind)
        for why, make in kind.wrong:
            random = Random(f"{seed}/{kind.name}/{why}")
            for _ in range(per_kind):
                yield _wrong(random, kind, why, make)
    for name, fields, make in LOOKALIKES:
        random = Random(f"{seed}/{name}")
        for _ in range(per_kind):
            value = make(random)
            carrier = random.choice(carriers_for(value, assigned=False))
            yield Sample(name, *carrier(random, random.choice(fields), value), wrong="look-alike")


def _valid(random: Random, kind: Kind) -> Sample:
    value = kind.make(random)
    if kind.template:
        return Sample(kind.name, *_in_template(kind, value), threat=kind.threat)
    carrier = random.choice(carriers_for(value, assigned=not kind.bare and _is_secret(kind)))
    field = random.choice(kind.fields)
    if kind.bare and random.random() < 0.3:
        field = random.choice(_NEUTRAL)
    return Sample(kind.name, *carrier(random, field, value), threat=kind.threat)


def _wrong(random: Random, kind: Kind, why: str, make: Make) -> Sample:
    value = make(random)
    if kind.template:
        return Sample(kind.name, *_in_template(kind, value), wrong=why)
    named = why == "placeholder" or not _is_secret(kind)
    field = random.choice(kind.fields if named else _NEUTRAL)
    carrier = random.choice(carriers_for(value, assigned=False))
    return Sample(kind.name, *carrier(random, field, value), wrong=why)


def _is_secret(kind: Kind) -> bool:
    return kind.threat == "secret_exposure"


def _in_template(kind: Kind, value: str) -> tuple[str, int, int]:
    before, _, after = kind.template.replace("{{", "\0").replace("}}", "\1").partition("{}")
    before, after = (part.replace("\0", "{").replace("\1", "}") for part in (before, after))
    return place(f"# from the runbook\n{before}", value, f"{after}\n")
