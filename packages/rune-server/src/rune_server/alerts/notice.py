"""What is said to whom: one notice, as JSON for a webhook, as Slack blocks, as mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from standardwebhooks.webhooks import Webhook

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from rune_server.alerts.model import Alert, DeliveryKind

_WORDS: Final = {"raised": "Alert", "again": "Still", "resolved": "Resolved", "test": "Test"}
_SIGNS: Final = {"low": "🔵", "medium": "🟡", "high": "🟠", "critical": "🔴"}


def of_alert(alert: Alert, what: DeliveryKind, url: str) -> dict[str, Any]:
    """The notice of an alert: metadata only.

    Args:
        alert: The alert.
        what: What is said of it.
        url: The server's address, for a link.
    """
    return {
        "what": what,
        "alert_id": str(alert.id),
        "rule_id": str(alert.rule_id),
        "rule": alert.rule,
        "group": alert.group,
        "severity": alert.severity,
        "state": alert.state,
        "title": alert.title,
        "value": alert.value,
        "threshold": alert.threshold,
        "details": alert.details,
        "began_at": _time(alert.began_at),
        "last_at": _time(alert.last_at),
        "link": f"{url}/alerts/{alert.id}",
    }


def of_test(channel: str, now: datetime, url: str) -> dict[str, Any]:
    """The notice of the test button."""
    return {
        "what": "test",
        "alert_id": None,
        "rule_id": None,
        "rule": "test",
        "group": "",
        "severity": "low",
        "state": "open",
        "title": f"Rune can reach the channel {channel!r}",
        "value": 0.0,
        "threshold": 0.0,
        "details": {},
        "began_at": _time(now),
        "last_at": _time(now),
        "link": f"{url}/alerts",
    }


def webhook(
    notice: dict[str, Any], delivery_id: UUID, now: datetime, signing_secret: str
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a signed webhook (Standard Webhooks)."""
    content = {key: value for key, value in notice.items() if key != "what"}
    message = {"type": f"alert.{notice['what']}", "timestamp": _time(now), "data": content}
    body = msgspec.json.encode(message)
    message_id = f"msg_{delivery_id.hex}"
    signature = Webhook(signing_secret).sign(message_id, now, body.decode())
    return body, {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def slack(notice: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a message to a Slack webhook."""
    title = _escaped(headline(notice))
    sign = "✅" if notice["what"] == "resolved" else _SIGNS.get(notice["severity"], "🔵")
    facts = [f"*Rule* {_escaped(notice['rule'])}", f"*Severity* {_escaped(notice['severity'])}"]
    if notice["group"]:
        facts.append(f"*About* {_escaped(notice['group'])}")
    facts.append(f"*Since* {_escaped(notice['began_at'])}")
    message = {
        "text": f"{sign} {title}",
        "unfurl_links": False,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"{sign} *{title}*"}},
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": "  ·  ".join(facts)}],
            },
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": f"<{_escaped(notice['link'])}|Open in Rune>"},
            },
        ],
    }
    return msgspec.json.encode(message), {"content-type": "application/json"}


def mail(notice: dict[str, Any]) -> tuple[str, str]:
    """Subject and text of a mail."""
    lines = [
        headline(notice),
        "",
        f"Rule:      {notice['rule']}",
        f"Severity:  {notice['severity']}",
        f"Since:     {notice['began_at']}",
        f"Last seen: {notice['last_at']}",
    ]
    if notice["group"]:
        lines.append(f"About:     {notice['group']}")
    if notice["threshold"]:
        lines.append(f"Measured:  {notice['value']:g} (threshold {notice['threshold']:g})")
    lines += ["", notice["link"], ""]
    # A subject is one line, whatever a rule or an agent is called.
    subject = " ".join(f"[Rune] {headline(notice)}".split())
    return subject[:200], "\n".join(lines)


def headline(notice: dict[str, Any]) -> str:
    """One line for a person."""
    return f"{_WORDS.get(notice['what'], 'Alert')}: {notice['title']}"


def _escaped(text: str) -> str:
    """Text as Slack's markup wants it: three characters mean something to it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
