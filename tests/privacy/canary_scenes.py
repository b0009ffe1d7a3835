"""Every way in which a Shield can fail, as settings for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rune_core import hookimpl
from rune_core.testing import FakeApproval, RecordingSink
from rune_scanner.finding import Threat

if TYPE_CHECKING:
    from collections.abc import Callable

UNPROCESSABLE = (
    422,
    {"Content-Type": "application/problem+json"},
    b'{"title": "no", "status": 422, "code": "invalid"}',
)
PHRASES = {"evil": Threat.PROMPT_INJECTION}
POLICY = """
version: "1.0"
rules:
  - {name: ask-pay, type: tool_denylist, tools: [pay], action: ask}
  - {name: stop-nuke, type: tool_denylist, tools: [nuke], action: block}
  - {name: odd, type: tool_call, tools: [send, lookup], when: 'args.q.value == "x"', action: flag}
  - {name: spend, type: budget, max_spend: 5, spend: amount, tools: [pay]}
  - {name: twice, type: budget, max_repeats: 2}
  - {name: hidden, type: data_protection, patterns: ['zq[0-9]{1,3}[0-9a-f]{12}xk'], action: redact,
     surface: [output, document]}
"""
BROKEN_CONDITION = """
version: "1.0"
rules:
  - {name: number, type: tool_call, when: 'int(args.q.value) > 1', action: block}
"""
STOP_ALL = """
version: "1.0"
rules:
  - {name: stop-all, scanner: prompt_injection, threshold: 0.1, action: block}
"""


class Raising:
    """Raises with the text in the message, as careless code does."""

    name = "raising"

    def scan(self, text: str, _context: object) -> Any:
        raise ValueError(f"cannot handle {text}")


class AsyncRaising:
    """The same, later."""

    name = "async-raising"

    async def scan(self, text: str, _context: object) -> Any:
        try:
            int(text)
        except ValueError as error:
            raise RuntimeError(text) from error


class Plugin:
    """Registers scanners and a redactor that breaks."""

    name = "broken"

    def __init__(self, *scanners: object) -> None:
        self.scanners = scanners

    @hookimpl
    def rune_scanners(self) -> Any:
        return self.scanners

    @hookimpl
    def rune_redactors(self) -> Any:
        return [self]

    def redact(self, text: str, _findings: object) -> str:
        raise ValueError(f"cannot cut {text}")


class BrokenSink(RecordingSink):
    """Keeps what it gets, and fails with it."""

    def write(self, events: Any) -> None:
        super().write(events)
        raise OSError(f"could not write {events}")


def unreachable(request: Any) -> bool:
    raise RuntimeError(f"nobody home for {request.content}")


SCENES: dict[str, Callable[[], dict[str, Any]]] = {
    "raise": dict,
    "replace": lambda: {"on_block": "replace"},
    "log": lambda: {"on_block": "log"},
    "alert": lambda: {"on_block": "alert"},
    "all stopped": lambda: {"policy": STOP_ALL},
    "all stopped and replaced": lambda: {"policy": STOP_ALL, "on_block": "replace"},
    "real rules": lambda: {"l1": True},
    "scanner raises": lambda: {"plugins": [Plugin(Raising(), AsyncRaising())]},
    "redactor raises": lambda: {"plugins": [Plugin()], "redaction_style": "broken"},
    "condition cannot be told": lambda: {"policy": BROKEN_CONDITION},
    "nobody to ask": lambda: {"approval_handler": unreachable},
    "approved": lambda: {"approval_handler": FakeApproval(approve=True)},
    "no time": lambda: {"scan_timeout_ms": 0.001},
    "fold breaks": lambda: {"crash": "rune_core.pipeline.fold"},
    "evaluate breaks": lambda: {"crash": "rune_core.pipeline.evaluate"},
    "server refuses": lambda: {"fault": (400, {}, b"no")},
    "server breaks": lambda: {"fault": "garbage"},
    "server is busy, events wait": lambda: {"fault": (503, {"Retry-After": "600"}, b"")},
    "server rejects every event": lambda: {"verdict": lambda event: ("schema", "is odd")},
    "server takes no request": lambda: {"events_fault": UNPROCESSABLE},
    "spool cannot be written": lambda: {"spool": "in the way"},
    "spool is damaged": lambda: {"spool": "damaged"},
    "spool is full": lambda: {"fault": (503, {}, b""), "spool_max_events": 20},
}
