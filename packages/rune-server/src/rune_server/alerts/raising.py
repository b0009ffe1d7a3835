"""Turn what a rule found into alerts: begun, seen again, told, ended. One transaction a rule."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from rune_server.alerts.alerts import alert_of, topic
from rune_server.alerts.deliveries import put_down
from rune_server.state.tables.alerts import AlertRow, AlertRuleRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from rune_server.alerts.model import DeliveryKind, Finding
    from rune_server.platform import Platform

_MAX_GROUP: Final = 400
_MAX_TITLE: Final = 300


async def settle(
    platform: Platform, rule_id: UUID, found: Sequence[Finding], total: int
) -> tuple[int, int]:
    """Bring a rule's alerts in line with what it found.

    Args:
        platform: The platform.
        rule_id: The rule.
        found: What it found, the worst first.
        total: How much it found in all.

    Returns:
        How many alerts began, and how many ended.
    """
    now = platform.clock.now()
    async with platform.state.begin() as session:
        rule = await session.get(AlertRuleRow, rule_id, with_for_update=True)
        if rule is None or not rule.enabled:
            return 0, 0
        rule.fault = (
            ""
            if total <= len(found)
            else f"finds {total:,} groups; the worst {len(found)} are kept"
        )
        teller = _Teller(platform, session, rule, now)
        rows = await session.scalars(
            select(AlertRow).where(AlertRow.rule_id == rule_id, AlertRow.resolved_at.is_(None))
        )
        open_rows = {row.group_key: row for row in rows}
        began = 0
        groups = set()
        for finding in found:
            group = finding.group[:_MAX_GROUP]
            groups.add(group)
            row = open_rows.get(group)
            if row is not None:
                await teller.again(row, finding)
            elif await teller.begin(group, finding):
                began += 1
        ended = 0
        if rule.kind != "first_seen":  # what was new once has no end of its own
            for group, row in open_rows.items():
                if group not in groups:
                    await teller.end(row)
                    ended += 1
        organisation_id, changed = rule.organisation_id, bool(found) or ended
    if changed:
        await platform.bus.publish(topic(organisation_id), str(rule_id).encode())
    return began, ended


class _Teller:
    """Writes down alerts and the notices about them."""

    def __init__(
        self, platform: Platform, session: AsyncSession, rule: AlertRuleRow, now: datetime
    ) -> None:
        self._platform = platform
        self._session = session
        self._rule = rule
        self._now = now
        self._cooldown = timedelta(seconds=int(rule.spec.get("cooldown_seconds", 3600)))
        self._muted = rule.muted_until is not None and rule.muted_until > now

    async def begin(self, group: str, finding: Finding) -> bool:
        """A group that has no open alert. Whether one began."""
        last = await self._session.scalar(
            select(AlertRow)
            .where(AlertRow.rule_id == self._rule.id, AlertRow.group_key == group)
            .order_by(AlertRow.began_at.desc())
            .limit(1)
        )
        if last is not None and self._rule.kind == "first_seen":
            return False  # it was told already, and somebody said it is fine
        row = AlertRow(
            organisation_id=self._rule.organisation_id,
            rule_id=self._rule.id,
            group_key=group,
            severity=self._rule.spec.get("severity", "medium"),
            threshold=finding.threshold,
            times=0,
            version=0,
            began_at=self._now,
            # One that flaps is told of once in a while, not each time.
            notified_at=last.notified_at if last is not None else None,
            acknowledged_by="",
            resolved_by="",
        )
        self._measure(row, finding)
        self._session.add(row)
        await self._session.flush()
        if self._is_due(row):
            self._tell(row, "raised")
        return True

    async def again(self, row: AlertRow, finding: Finding) -> None:
        """An open alert whose condition still holds."""
        self._measure(row, finding)
        if row.acknowledged_at is None and self._is_due(row) and self._rule.kind != "first_seen":
            self._tell(row, "again" if row.notified_at is not None else "raised")

    async def end(self, row: AlertRow) -> None:
        """An open alert whose condition no longer holds."""
        row.resolved_at, row.resolved_by = self._now, "system"
        row.version += 1
        told = row.notified_at is not None and row.notified_at >= row.began_at
        if told and not self._muted:
            put_down(
                self._session,
                alert_of(row, self._rule.name),
                row.organisation_id,
                self._channels(),
                "resolved",
                now=self._now,
                url=self._platform.settings.url,
            )

    def _measure(self, row: AlertRow, finding: Finding) -> None:
        row.value, row.threshold = finding.value, finding.threshold
        row.title, row.details = finding.title[:_MAX_TITLE], dict(finding.details)
        row.last_at = self._now
        row.times += 1
        row.version += 1

    def _is_due(self, row: AlertRow) -> bool:
        if self._muted or not self._rule.channels:
            return False
        return row.notified_at is None or row.notified_at + self._cooldown <= self._now

    def _tell(self, row: AlertRow, what: DeliveryKind) -> None:
        row.notified_at = self._now
        put_down(
            self._session,
            alert_of(row, self._rule.name),
            row.organisation_id,
            self._channels(),
            what,
            now=self._now,
            url=self._platform.settings.url,
        )

    def _channels(self) -> list[UUID]:
        return [UUID(channel) for channel in self._rule.channels]
