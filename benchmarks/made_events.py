"""Events as agents send them, made up: for load, for full tables and for tests.

Shares and sizes are those of an agent in use: nine of ten decisions allow, most are of tool results
and calls, two layers report. Nothing is random without a seed.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from rune_core.event.schema import ArgumentEntry, Event, LayerEntry, RuleEntry
from rune_core.ids import uuid7

SURFACES = ("input", "output", "tool_call", "tool_result", "document")
TOOLS = ("search", "fs.read_file", "send_email", "payments.transfer", "browser.open", "sql.query")
THREATS = ("prompt_injection", "data_exfiltration", "secret_exposure", "pii_exposure", "jailbreak")
_ACTIONS = ("allow",) * 90 + ("flag",) * 4 + ("redact",) * 3 + ("ask",) + ("block",) * 2
_SEVERITY = {"flag": "medium", "redact": "medium", "ask": "high", "block": "critical"}


def made_event(at: datetime | None = None, *, seed: int | str = 0, **fields: Any) -> Event:
    """One event.

    Args:
        at: When it happened; now by default.
        seed: The same seed and time give the same event, but for its ids.
        fields: What is different about it.
    """
    at = datetime.now(UTC) if at is None else at
    chance = random.Random(f"{seed}")
    event_id = str(uuid7(int(at.timestamp() * 1_000) * 1_000_000))
    surface = chance.choice(SURFACES)
    action = chance.choice(_ACTIONS)
    threat = chance.choice(THREATS) if action != "allow" else None
    agent = chance.randrange(40)
    tool = chance.choice(TOOLS) if surface in ("tool_call", "tool_result") else None
    found: dict[str, Any] = {
        "event_id": event_id,
        "timestamp": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "event_type": "tool_call" if surface == "tool_call" else "scan",
        "surface": surface,
        "action": action,
        "agent_id": f"agent-{agent:02d}",
        "agent_tags": ("production",) if agent % 2 else ("staging",),
        "session_id": f"session-{chance.randrange(100_000):05d}",
        "sequence": chance.randrange(1, 40),
        "risk_score": 0.0 if threat is None else round(chance.uniform(0.3, 1.0), 4),
        "threat_type": threat,
        "threats": () if threat is None else (threat,),
        "severity": _SEVERITY.get(action),
        "detectors": () if threat is None else (f"{threat}-{chance.randrange(30):03d}",),
        "decision_id": event_id,
        "policy": None if threat is None else "default",
        "policy_revision": "a" * 64,
        "rule": None if threat is None else f"{action}-{threat}",
        "layers": (
            LayerEntry("l1", "ran", round(chance.expovariate(3), 3)),
            LayerEntry("l2", "ran", round(5 + chance.expovariate(0.2), 3), 0.01),
        ),
        "latency_ms": round(5 + chance.expovariate(0.2), 3),
        "tool": tool,
        "tool_risk": None if tool is None else "high" if "pay" in tool else "low",
        "tool_definition_hash": None if tool is None else "0123456789abcdef",
        "size": chance.randrange(20, 4000),
        "framework": "langchain",
        "adapter": "rune-langchain/0.1.0",
        "sdk_version": "0.1.0",
    }
    if threat is not None:
        found["rules"] = (
            RuleEntry(
                rule=found["rule"],
                policy="default",
                kind="scanner",
                action=action,
                severity=found["severity"],
            ),
        )
    if surface == "tool_call":
        found["arguments"] = (
            ArgumentEntry("to", f"{chance.getrandbits(128):032x}", 20, ("user",)),
            ArgumentEntry("body", f"{chance.getrandbits(128):032x}", 400, ("model", "untrusted")),
        )
        found["hash_key_id"] = "0123456789abcdef"
    return Event(**{**found, **fields})


def made_events(
    number: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    seed: int = 0,
    **fields: Any,
) -> list[Event]:
    """Events spread evenly from ``since`` (an hour ago) to ``until`` (now), the oldest first."""
    end = datetime.now(UTC) if until is None else until
    begin = end - timedelta(hours=1) if since is None else since
    step = (end - begin) / max(1, number)
    return [
        made_event(begin + step * each, seed=f"{seed}/{each}", **fields) for each in range(number)
    ]
