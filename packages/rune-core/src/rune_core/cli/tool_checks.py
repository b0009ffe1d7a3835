"""What ``rune doctor`` says about tools: their risk, and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_core.cli.check import Check
from rune_core.tool_risk import infer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rune_core.config import ShieldConfig
    from rune_core.policy.compiled import CompiledPolicy

AREA = "tools"
MAX_READ = 2_000_000
MAX_SHOWN = 20


def tools(config: ShieldConfig) -> Iterator[Check]:
    """The tools that stand in the events file, by risk."""
    from rune_core.errors import PolicyLoadError
    from rune_core.policy.store import PolicyStore

    try:
        policy = PolicyStore(config.local_policies_path).current()
    except PolicyLoadError:
        return  # said under policies
    seen = _seen(config.events_file) if config.events_enabled else {}
    if not seen:
        yield Check(AREA, "seen", "ok", "none in the events file yet")
        return
    unclear = [name for name in seen if not _is_clear(name, policy)]
    for risk in ("high", "medium", "low"):
        names = [name for name, each in seen.items() if each == risk]
        if names:
            shown = [_told(name, policy) for name in names[: MAX_SHOWN + 1]]
            yield Check(AREA, f"{risk} risk", "ok", _listed([*shown, *names[len(shown) :]]))
    if unclear:
        yield Check(
            AREA,
            "not clear",
            "warn",
            f"{_listed(unclear)}: the name does not tell what it can do",
            "say so in a policy, such as "
            f"tool_capabilities: {{send: [{unclear[0]}]}} or tool_risk: {{low: [{unclear[0]}]}}",
        )


def _told(name: str, policy: CompiledPolicy) -> str:
    """The name, and what a call of the tool can do."""
    can = policy.for_tool(name).declared_capabilities or infer(name).capabilities
    return f"{name} ({', '.join(sorted(can))})" if can else name


def _is_clear(name: str, policy: CompiledPolicy) -> bool:
    rules = policy.for_tool(name)
    said = rules.declared_risk is not None or rules.declared_capabilities is not None
    return said or infer(name).evidence != "unknown"


def _seen(path: Path) -> dict[str, str]:
    """Tools of the last events and their risk, by name."""
    import msgspec

    class Line(msgspec.Struct):
        tool: str | None = None
        tool_risk: str | None = None

    decoder = msgspec.json.Decoder(Line)
    seen: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_READ))
            for text in file.read(MAX_READ).splitlines():
                try:
                    line = decoder.decode(text)
                except msgspec.DecodeError:
                    continue  # the first may be cut, the last not written whole
                if line.tool and line.tool_risk:
                    seen[line.tool] = line.tool_risk
    except OSError:
        return {}
    return dict(sorted(seen.items()))


def _listed(names: list[str]) -> str:
    more = len(names) - MAX_SHOWN
    return ", ".join(names[:MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")
