"""The page on policies says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from rune_core.policy import conditions
from rune_core.policy.conditions import CONDITION_TYPES, Activation
from rune_core.policy.model import KIND_OF
from rune_core.session.call import call_facts
from rune_core.session.distinctive import PartKind
from rune_core.session.sources import Sources, Trust
from rune_core.tool_risk import Capability, infer

PAGE = (Path(__file__).parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")


def test_the_table_of_names_is_the_code_s() -> None:
    section = PAGE.partition("## Conditions")[2].partition("`args.x.origins`")[0]
    table = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE))
    assert table == dict(CONDITION_TYPES)
    row = next(line for line in section.splitlines() if line.startswith("| `capabilities`"))
    assert re.findall(r"`(\w+)`", row)[1:] == [capability.value for capability in Capability]


def test_the_docstring_lists_the_same_names() -> None:
    assert conditions.__doc__ is not None
    assert re.findall(r"^``(\w+)``", conditions.__doc__, re.MULTILINE) == list(CONDITION_TYPES)


def test_the_table_of_origins_is_the_code_s() -> None:
    section = PAGE.partition("`args.x.origins` has")[2].partition("A value that the user")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    sources = Sources()
    sources.add("Mail ann@corp.example", Trust.UNTRUSTED, tool="read_mail")
    arguments = {"to": "ann@corp.example"}
    call = Activation(call_facts(infer("send_email"), arguments, sources), arguments)
    origins = call.value("origins")
    assert isinstance(origins, list)
    assert documented == list(origins[0])


def test_every_kind_of_part_is_named() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `part`"))
    assert re.findall(r"`(\w+)`", row)[1:] == [kind.value for kind in PartKind]


def test_every_kind_of_rule_is_described() -> None:
    section = PAGE.partition("## Kinds of rules")[2].partition("## Conditions")[0]
    for kind in KIND_OF.values():
        assert re.search(rf"^- \*\*.*\b{kind}\b", section, re.MULTILINE | re.IGNORECASE), kind
    assert "not supported" not in PAGE
