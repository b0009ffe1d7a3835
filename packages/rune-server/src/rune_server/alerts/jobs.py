"""What a worker does for alerting: evaluate and deliver what is due, forget what is old."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import or_, select, update

from rune_server.actor import Permission
from rune_server.agents.instances import forget_old as forget_old_instances
from rune_server.alerts.deliveries import forget_old, send_due
from rune_server.alerts.evaluate import findings
from rune_server.alerts.raising import settle
from rune_server.alerts.rules import rule_of
from rune_server.errors import UnavailableError
from rune_server.failure import described
from rune_server.state import versioned
from rune_server.state.tables.alerts import AlertRuleRow

if TYPE_CHECKING:
    from uuid import UUID

    from rune_server.actor import Actor
    from rune_server.alerts.model import AlertRule, Finding
    from rune_server.platform import Platform

_log = structlog.get_logger("rune_server.alerts")
SHORTEST_SECONDS: Final = 15
LONGEST_SECONDS: Final = 300
_LOOK_SECONDS: Final = 2.0
_AT_ONCE: Final = 50
_CLEAN_SECONDS: Final = 3600.0


def every(window_seconds: int) -> timedelta:
    """How often a rule of such a window is evaluated: twenty times a window, within bounds."""
    return timedelta(seconds=min(max(window_seconds // 20, SHORTEST_SECONDS), LONGEST_SECONDS))


async def evaluate(platform: Platform) -> None:
    """Evaluate rules as they come due, for ever."""
    while True:
        done = await evaluate_due(platform)
        if not done:
            await asyncio.sleep(_LOOK_SECONDS)


async def deliver(platform: Platform) -> None:
    """Send notices as they come due, for ever."""
    while True:
        done = await send_due(platform)
        if not done:
            await asyncio.sleep(_LOOK_SECONDS)


async def clean(platform: Platform) -> None:
    """Forget old deliveries and processes, every hour, for ever."""
    while True:
        await forget_old(platform)
        await forget_old_instances(platform)
        await asyncio.sleep(_CLEAN_SECONDS)


async def evaluate_due(platform: Platform) -> int:
    """Evaluate the rules that are due. How many there were.

    Several processes may do so at once: each claims a rule before it evaluates it.
    """
    now = platform.clock.now()
    async with platform.state.read() as session:
        rows = (
            await session.scalars(
                select(AlertRuleRow)
                .where(
                    AlertRuleRow.enabled,
                    or_(
                        AlertRuleRow.evaluated_at.is_(None),
                        AlertRuleRow.evaluated_at <= now - timedelta(seconds=SHORTEST_SECONDS),
                    ),
                )
                .order_by(AlertRuleRow.evaluated_at.asc().nulls_first())
            )
        ).all()
        due = [
            (row.organisation_id, rule_of(row))
            for row in rows
            if row.evaluated_at is None
            or row.evaluated_at <= now - every(int(row.spec.get("window_seconds", 300)))
        ][:_AT_ONCE]
    for organisation_id, rule in due:
        await _evaluate_one(platform, organisation_id, rule)
    return len(due)


async def preview(platform: Platform, actor: Actor, rule_id: UUID) -> list[Finding]:
    """What a rule finds now, without raising anything.

    Raises:
        NotFoundError: There is no rule of this id.
    """
    actor.require(Permission.ALERTS_READ)
    async with platform.state.read() as session:
        rule = rule_of(await versioned.found(session, AlertRuleRow, actor.organisation_id, rule_id))
    found, _ = await findings(platform, actor.organisation_id, rule)
    return found


async def _evaluate_one(platform: Platform, organisation_id: UUID, rule: AlertRule) -> None:
    if not await _claim(platform, rule):
        return
    try:
        found, total = await findings(platform, organisation_id, rule)
        began, ended = await settle(platform, rule.id, found, total)
    except UnavailableError:
        await _fault(platform, rule, "a database does not answer; it is evaluated again")
    except Exception as error:  # noqa: BLE001 - one rule takes no other down
        _log.error("alerts.evaluation_failed", rule=str(rule.id), error=described(error))
        await _fault(platform, rule, f"cannot be evaluated: {type(error).__name__}")
    else:
        if began or ended:
            _log.info("alerts.settled", rule=str(rule.id), began=began, ended=ended)


async def _claim(platform: Platform, rule: AlertRule) -> bool:
    """Whether it is ours to evaluate now."""
    unchanged = (
        AlertRuleRow.evaluated_at.is_(None)
        if rule.evaluated_at is None
        else AlertRuleRow.evaluated_at == rule.evaluated_at
    )
    async with platform.state.begin() as session:
        claimed = await session.scalar(
            update(AlertRuleRow)
            .where(AlertRuleRow.id == rule.id, AlertRuleRow.enabled, unchanged)
            .values(evaluated_at=platform.clock.now())
            .returning(AlertRuleRow.id)
        )
    return claimed is not None


async def _fault(platform: Platform, rule: AlertRule, why: str) -> None:
    async with platform.state.begin() as session:
        await session.execute(
            update(AlertRuleRow).where(AlertRuleRow.id == rule.id).values(fault=why)
        )
