"""Channels: what is sent, signed, tried again and logged, and what is kept secret."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiosmtpd.controller import Controller
from benchmarks.ports import free_port
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from rune_server import alerts
from rune_server import settings as server_settings
from rune_server.actor import Role, member
from rune_server.alerts import ChannelSpec, EventMatch, RuleSpec, jobs
from rune_server.alerts.deliveries import PAUSES, forget_old, send_due
from rune_server.errors import UnprocessableError
from rune_server.platform import open_platform

from ..conftest import make_organisation, migrate
from .test_alerts import happen


async def raised(platform, owner, organisation, channel, clock, name: str = "blocks") -> None:
    spec = RuleSpec(
        name=name,
        kind="count",
        match=EventMatch(actions=("block",)),
        window_seconds=86_400,
        channels=(channel.id,),
    )
    await alerts.create_rule(platform, owner, spec)
    await happen(platform, organisation)
    clock.forward(seconds=20)
    await jobs.evaluate_due(platform)


async def test_a_webhook_is_signed(platform, owner, organisation, clock, inbox) -> None:
    channel = await alerts.create_channel(
        platform, owner, ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    assert channel.signing_secret.startswith("whsec_")
    assert channel.target == "127.0.0.1"
    assert (await alerts.channel(platform, owner, channel.id)).signing_secret == ""
    await raised(platform, owner, organisation, channel, clock)
    await send_due(platform)
    ((path, headers, body),) = inbox.got
    assert path == "/hook"
    checked = Webhook(channel.signing_secret).verify(body, headers)
    assert checked["type"] == "alert.raised"
    assert checked["data"]["rule"] == "blocks"
    assert checked["data"]["link"].startswith("https://rune.test/alerts/")
    (delivery,) = (await alerts.deliveries(platform, owner)).items
    assert (delivery.state, delivery.attempts, delivery.answer) == ("sent", 1, "HTTP 200")
    assert headers["webhook-id"] == f"msg_{delivery.id.hex}"
    renewed = await alerts.edit_channel(
        platform,
        owner,
        channel.id,
        ChannelSpec(name="ops", kind="webhook"),
        new_secret=True,
    )
    assert renewed.signing_secret != channel.signing_secret
    tested = await alerts.test_channel(platform, owner, channel.id)
    assert tested.state == "sent"
    _, headers, body = inbox.got[-1]
    assert Webhook(renewed.signing_secret).verify(body, headers)["type"] == "alert.test"


async def test_slack_markup_is_escaped(platform, owner, organisation, clock, inbox) -> None:
    channel = await alerts.create_channel(
        platform, owner, ChannelSpec(name="slack", kind="slack", url=inbox.url)
    )
    await raised(platform, owner, organisation, channel, clock, "<!channel> & <https://x|y>")
    await send_due(platform)
    (message,) = inbox.messages
    assert "<!channel>" not in str(message)
    assert "&lt;!channel&gt; &amp;" in message["text"]


async def test_a_delivery_is_tried_again_and_given_up(
    platform, owner, organisation, clock, inbox
) -> None:
    channel = await alerts.create_channel(
        platform, owner, ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    await raised(platform, owner, organisation, channel, clock)
    inbox.statuses = [500] * (len(PAUSES) + 1)
    assert await send_due(platform) == 1
    assert await send_due(platform) == 0
    for number, pause in enumerate(PAUSES, 2):
        clock.forward(seconds=pause)
        assert await send_due(platform) == 1, number
    (delivery,) = (await alerts.deliveries(platform, owner)).items
    assert (delivery.state, delivery.attempts, delivery.answer) == (
        "failed",
        len(PAUSES) + 1,
        "HTTP 500",
    )
    assert len({headers["webhook-id"] for _, headers, _ in inbox.got}) == 1
    clock.forward(days=40)
    await forget_old(platform)
    assert (await alerts.deliveries(platform, owner)).items == ()


async def test_what_cannot_be_opened_is_given_up_in_the_end(
    platform, owner, organisation, clock, inbox
) -> None:
    channel = await alerts.create_channel(
        platform, owner, ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    await raised(platform, owner, organisation, channel, clock)
    async with platform.state.begin() as session:
        await session.execute(text("UPDATE alert_channels SET sealed = x'00'"))
    for pause in (0, *PAUSES):
        clock.forward(seconds=pause)
        assert await send_due(platform) == 1
    clock.forward(days=1)
    assert await send_due(platform) == 0
    (delivery,) = (await alerts.deliveries(platform, owner)).items
    assert (delivery.state, delivery.answer) == ("failed", "could not be sent: SealError")


async def test_two_senders_send_once(platform, owner, organisation, clock, inbox) -> None:
    channel = await alerts.create_channel(
        platform, owner, ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    await raised(platform, owner, organisation, channel, clock)
    await asyncio.gather(*(send_due(platform) for _ in range(4)))
    assert len(inbox.got) == 1


async def test_a_refused_delivery_is_not_tried_again(
    platform, owner, organisation, clock, inbox
) -> None:
    channel = await alerts.create_channel(
        platform, owner, ChannelSpec(name="ops", kind="webhook", url=inbox.url)
    )
    await raised(platform, owner, organisation, channel, clock)
    inbox.statuses = [410]
    await send_due(platform)
    clock.forward(days=1)
    assert await send_due(platform) == 0


async def test_mail(settings, clock, analytics, inbox) -> None:
    got: list[str] = []

    class Handler:
        async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802
            got.append(f"{envelope.rcpt_tos} {envelope.content.decode()}")
            return "250 OK"

    port = free_port()
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with_mail = replace(settings, smtp_dsn=f"smtp://127.0.0.1:{port}", mail_from="r@rune.test")
        await migrate(with_mail, clock)
        async with open_platform(with_mail, clock=clock, analytics=analytics) as platform:
            organisation = await make_organisation(platform, "Acme")
            owner = member(organisation.id, "owner", Role.OWNER)
            channel = await alerts.create_channel(
                platform,
                owner,
                ChannelSpec(name="mail", kind="email", addresses=("ops@example.com",)),
            )
            assert channel.target == "ops@example.com"
            await raised(platform, owner, organisation, channel, clock)
            await send_due(platform)
    finally:
        controller.stop()
    (mail,) = got
    assert "ops@example.com" in mail
    assert "Subject: [Rune] Alert: blocks: 1 events in 1 day" in mail


async def test_without_a_mail_server_the_log_says_so(platform, owner) -> None:
    channel = await alerts.create_channel(
        platform, owner, ChannelSpec(name="mail", kind="email", addresses=("ops@example.com",))
    )
    tested = await alerts.test_channel(platform, owner, channel.id)
    assert tested.state == "failed"
    assert "smtp_dsn" in tested.answer


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (ChannelSpec(name="a", kind="webhook"), "url"),
        (ChannelSpec(name="a", kind="webhook", url="https://10.0.0.1/"), "url"),
        (ChannelSpec(name="a", kind="slack", url="https://x/", addresses=("a@b",)), "addresses"),
        (ChannelSpec(name="a", kind="email"), "addresses"),
        (ChannelSpec(name="a", kind="email", addresses=("a@b\r\nBcc: c@d",)), "addresses"),
        (ChannelSpec(name="a", kind="email", addresses=("not an address",)), "addresses"),
        (ChannelSpec(name="a\nb", kind="email", addresses=("a@b.c",)), "name"),
        (ChannelSpec(name="a", kind="fax"), "kind"),  # type: ignore[arg-type]
    ],
)
async def test_a_channel_that_cannot_be_used(platform, owner, spec, where) -> None:
    with pytest.raises(UnprocessableError) as caught:
        await alerts.create_channel(platform, owner, spec)
    assert where in {each["where"] for each in caught.value.errors}


async def test_secrets_are_sealed(platform, owner) -> None:
    await alerts.create_channel(
        platform,
        owner,
        ChannelSpec(name="slack", kind="slack", url="https://hooks.example.com/SECRETPATH"),
    )
    async with platform.state.read() as session:
        for table in ("alert_channels", "audit_entries"):
            rows = (await session.execute(text(f"SELECT * FROM {table}"))).all()
            assert rows
            assert "SECRETPATH" not in str(rows)
    entries = await alerts.channels(platform, owner)
    assert "SECRETPATH" not in repr(entries)


async def test_deleting_a_channel_takes_it_out_of_rules(platform, owner) -> None:
    channel = await alerts.create_channel(
        platform, owner, ChannelSpec(name="mail", kind="email", addresses=("ops@example.com",))
    )
    spec = RuleSpec(name="blocks", kind="count", channels=(channel.id,))
    rule = await alerts.create_rule(platform, owner, spec)
    await alerts.delete_channel(platform, owner, channel.id)
    found = await alerts.rule(platform, owner, rule.id)
    assert (found.spec.channels, found.version) == ((), 2)


def test_private_networks_are_the_operators_choice() -> None:
    assert server_settings.load({}, environ={}).webhook_allow_networks == ()
