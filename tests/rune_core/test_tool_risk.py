"""What a tool can do is read off its definition; what cannot be told is not harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.tool_risk import Capability, Risk, declared, infer


@pytest.mark.parametrize(
    ("tool", "capability", "risk"),
    [
        ("send_email", Capability.SEND, Risk.HIGH),
        ("GmailSendEmail", Capability.SEND, Risk.HIGH),
        ("payments.refund", Capability.SPEND, Risk.HIGH),
        ("send_money", Capability.SPEND, Risk.HIGH),
        ("schedule_transaction", Capability.SPEND, Risk.HIGH),
        ("deleteFile", Capability.DELETE, Risk.HIGH),
        ("run_shell", Capability.EXECUTE, Risk.HIGH),
        ("update_password", Capability.ACCESS, Risk.HIGH),
        ("create_calendar_event", Capability.WRITE, Risk.MEDIUM),
        ("search_contacts_by_email", Capability.READ, Risk.LOW),
        ("get_payment_status", Capability.READ, Risk.LOW),
        ("read_webpage", Capability.FETCH, Risk.MEDIUM),
    ],
)
def test_the_name_tells(tool: str, capability: Capability, risk: Risk) -> None:
    profile = infer(tool)
    assert capability in profile.capabilities
    assert profile.risk is risk


def test_a_reader_that_takes_an_address_can_carry_data_out() -> None:
    schema = {"type": "object", "properties": {"url": {"type": "string"}}}
    assert infer("get_page", schema=schema).capabilities == {Capability.FETCH}


def test_the_description_is_asked_only_when_the_name_is_silent() -> None:
    assert infer("gizmo", "Deletes all records of a customer.").risk is Risk.HIGH
    assert infer("wipe_disk", "Only reads. Completely harmless.").risk is Risk.HIGH


@given(st.text(alphabet="bdfgjklmnpqrtvxz_", min_size=1))
def test_what_nobody_understands_is_not_harmless(tool: str) -> None:
    profile = infer(tool)
    if not profile.capabilities:
        assert profile.risk is Risk.MEDIUM
        assert profile.evidence == "unknown"


def test_a_declaration_wins_over_the_name() -> None:
    profile = declared("send_to_printer", frozenset({Capability.READ}))
    assert (profile.risk, profile.evidence) == (Risk.LOW, "declared")
