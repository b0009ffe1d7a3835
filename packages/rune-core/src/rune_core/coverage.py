"""What is guarded, what is not, and what went wrong: ``shield.coverage()``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rune_core.adapters.covers import AdapterCoverage, adapters_of
from rune_core.failure import describe
from rune_core.ids import MASKED_NAME, safe_name
from rune_core.layers.base import LayerStatus
from rune_core.layers.l1_rules import NAME as L1
from rune_core.layers.l3_judge import RULES as JUDGE_RULES
from rune_core.tool_pins import RULE as CHANGED_DEFINITION
from rune_core.tool_risk import declared, infer
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rune_core.bundle.sync import SyncState
    from rune_core.engine import Engine
    from rune_core.errors import PolicyError
    from rune_core.plugins import PluginFault
    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.policy.model import Exemption
    from rune_core.stats import Stats


@dataclass(frozen=True, slots=True)
class LayerCoverage:
    """One layer on one surface.

    Attributes:
        layer: The layer.
        guards: Whether it looks at this surface.
        reason: Why it does not, when it does not.
        runs: How often it ran so far.
        failures: How often it failed or timed out.
    """

    layer: str
    guards: bool
    reason: str = ""
    runs: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class SurfaceCoverage:
    """One surface.

    Attributes:
        surface: The surface.
        scans: Texts looked at so far.
        policy_rules: Policy rules that apply to it.
        layers: Every layer.
    """

    surface: Surface
    scans: int
    policy_rules: int
    layers: tuple[LayerCoverage, ...]

    @property
    def seen(self) -> bool:
        """True when at least one text was looked at: the surface is really wired up."""
        return self.scans > 0


@dataclass(frozen=True, slots=True)
class ToolCoverage:
    """One tool that was called.

    Attributes:
        tool: Its name.
        risk: ``low``, ``medium`` or ``high``.
        capabilities: What it can do: ``read``, ``send``, …; empty when that is not known.
        evidence: What says so: ``declared``, ``name: send``, ``description: deletes``, ``unknown``.
    """

    tool: str
    risk: str
    capabilities: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """The whole picture. ``str()`` gives a table.

    Attributes:
        surfaces: One entry per surface.
        policy_revision: The policies in force.
        policies: Their names, ``default`` first.
        defaults_off: True when the built-in policy is switched off.
        replaced: Built-in rules that a user's rule replaced.
        monitored: Rules in ``mode: monitor``.
        overridden: Your rules that a rule of a server's replaced.
        sync: Where the policies of the server stand; None without a server.
        exceptions: The exceptions in force.
        policy_errors: Why the last reload was refused.
        plugins: Names of the plug-ins.
        plugin_faults: What plug-ins did wrong.
        warnings: What a person should know, as sentences.
        stats: The counters.
        adapters: The adapters in use: what each guards and what it cannot.
        tools: The tools called last, at most 256, and what they can do.
    """

    surfaces: tuple[SurfaceCoverage, ...]
    policy_revision: str
    policies: tuple[str, ...]
    defaults_off: bool
    replaced: tuple[str, ...]
    monitored: tuple[str, ...]
    exceptions: tuple[Exemption, ...]
    policy_errors: tuple[PolicyError, ...]
    plugins: tuple[str, ...]
    plugin_faults: tuple[PluginFault, ...]
    warnings: tuple[str, ...]
    stats: Stats
    unavailable: Mapping[str, str] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()
    sync: SyncState | None = None
    adapters: tuple[AdapterCoverage, ...] = ()
    tools: tuple[ToolCoverage, ...] = ()

    def __str__(self) -> str:
        layers = [entry.layer for entry in self.surfaces[0].layers]
        width = max(len(surface) for surface in Surface)
        columns = [max(len(name), 8) for name in layers]
        head = "  ".join(name.ljust(size) for name, size in zip(layers, columns, strict=True))
        lines = [f"{'surface'.ljust(width)}  {'scans':>7}  {'rules':>5}  {head}"]
        for surface in self.surfaces:
            cells = "  ".join(
                _cell(entry).ljust(size)
                for entry, size in zip(surface.layers, columns, strict=True)
            )
            lines.append(
                f"{surface.surface.value.ljust(width)}  {surface.scans:>7}  "
                f"{surface.policy_rules:>5}  {cells}"
            )
        for adapter in self.adapters:
            lines += ["", *adapter.lines()]
        lines.append("")
        for risk in ("high", "medium", "low"):
            names = [_told(tool) for tool in self.tools if tool.risk == risk]
            if names:
                lines.append(f"tools of {risk} risk: {', '.join(names)}")
        lines.append(f"policy {self.policy_revision}: {', '.join(self.policies) or 'none'}")
        lines.extend(f"! {warning}" for warning in self.warnings)
        return "\n".join(line.rstrip() for line in lines)


def _told(tool: ToolCoverage) -> str:
    return f"{tool.tool} ({', '.join(tool.capabilities) or '?'})"


def tools_of(engine: Engine) -> tuple[ToolCoverage, ...]:
    """The tools called last and what they can do, by name."""
    policy = engine.policies.current()
    seen = sorted({tool.name for tool in engine.tools.listed()})
    return tuple(_tool(name, policy, engine) for name in seen)


def _tool(name: str, policy: CompiledPolicy, engine: Engine) -> ToolCoverage:
    rules = policy.for_tool(name)
    if rules.declared_capabilities is not None:
        profile = declared(name, rules.declared_capabilities)
    else:
        profile = engine.profiles.of(name) or infer(name)
    return ToolCoverage(
        safe_name(name) or MASKED_NAME,
        rules.declared_risk or profile.risk.value,
        tuple(sorted(capability.value for capability in profile.capabilities)),
        "declared" if rules.declared_risk else profile.evidence,
    )


def _cell(entry: LayerCoverage) -> str:
    if not entry.guards:
        return "-"
    return f"yes ({entry.failures} failed)" if entry.failures else "yes"


def coverage_of(engine: Engine) -> Coverage:
    """Take the picture."""
    from rune_core.context import ScanContext
    from rune_core.session.session import Session

    policy = engine.policies.current()
    stats = engine.tally.snapshot()
    runs = engine.tally.layer_runs()
    session = Session()
    unavailable: dict[str, str] = dict(engine.tally.skip_reasons())
    surfaces: list[SurfaceCoverage] = []
    for surface in Surface:
        entries: list[LayerCoverage] = []
        context = ScanContext(surface, session)
        for layer in engine.layers_for(policy):
            try:
                reason = layer.skip_reason(context, ())
            except Exception as error:  # noqa: BLE001 - shown, not spread
                reason = describe(error)
            if reason is not None:
                unavailable[layer.name] = reason
            failures = sum(
                runs.get((surface.value, layer.name, status.value), 0)
                for status in (LayerStatus.ERROR, LayerStatus.TIMEOUT)
            )
            entries.append(
                LayerCoverage(
                    layer=layer.name,
                    guards=reason is None,
                    reason=reason or "",
                    runs=runs.get((surface.value, layer.name, LayerStatus.RAN.value), 0),
                    failures=failures,
                )
            )
        surfaces.append(
            SurfaceCoverage(
                surface=surface,
                scans=stats.scans_by_surface.get(surface.value, 0),
                policy_rules=sum(1 for rule in policy.rules if surface in rule.surfaces),
                layers=tuple(entries),
            )
        )
    monitored = tuple(rule.name for rule in policy.rules if rule.mode == "monitor")
    return Coverage(
        surfaces=tuple(surfaces),
        policy_revision=policy.revision,
        policies=tuple(file.name for file in policy.files),
        defaults_off=policy.defaults_off,
        replaced=policy.replaced,
        monitored=monitored,
        exceptions=policy.exemptions,
        policy_errors=engine.policies.errors,
        plugins=engine.plugins.names,
        plugin_faults=tuple(engine.plugins.faults),
        warnings=_warnings(engine, stats, unavailable, monitored),
        stats=stats,
        unavailable=unavailable,
        overridden=policy.overridden,
        tools=tools_of(engine),
        sync=None if engine.sync is None else engine.sync.state,
        adapters=adapters_of(engine),
    )


def _warnings(
    engine: Engine, stats: Stats, unavailable: Mapping[str, str], monitored: tuple[str, ...]
) -> tuple[str, ...]:
    policy = engine.policies.current()
    lines: list[str] = []
    lines += [
        f"layer {layer} does not run: {reason}"
        for layer, reason in unavailable.items()
        if reason != "not for this surface"
    ]
    unseen = [surface.value for surface in Surface if not stats.scans_by_surface.get(surface)]
    if stats.scans_total and unseen:
        lines.append(f"nothing was scanned yet on: {', '.join(unseen)}")
    lines += [f"layer {layer} failed {n} times" for layer, n in stats.layer_failures.items()]
    if engine.journal is not None:
        lines.append(
            f"the journal keeps what is scanned, encrypted, in {engine.config.journal_folder}"
        )
    if stats.journal_failed_total:
        lines.append(f"{stats.journal_failed_total} texts and calls are missing in the journal")
    if policy.defaults_off:
        lines.append("the built-in policy is off (defaults: off)")
    lines += [f"built-in rule {name} is replaced by yours" for name in policy.replaced]
    lines += [f"your rule {name} is replaced by the server's" for name in policy.overridden]
    lines += _sync_warnings(engine)
    lines += [f"rule {name} only monitors" for name in monitored]
    lines += [
        f"exception for rule {item.rule} ({item.policy}): {item.reason}"
        for item in policy.exemptions
    ]
    lines += [f"the last policy reload was refused: {error}" for error in engine.policies.errors]
    lines += [f"plug-in {f.plugin}, {f.hook}: {f.reason}" for f in engine.plugins.faults]
    lines += unmatched_names(engine)
    lines += _delivery_warnings(engine)
    if stats.events_dropped_total:
        losses = ", ".join(f"{reason} {n}" for reason, n in stats.losses.items())
        lines.append(f"events lost: {losses}")
    return tuple(lines)


def _sync_warnings(engine: Engine) -> list[str]:
    if engine.sync is None:
        return []
    state = engine.sync.state
    lines = [f"a policy of the server is refused: {refusal}" for refusal in state.refused]
    if state.error:
        lines.append(f"the server's policies cannot be fetched: {state.error}")
    if state.source == "disk" and not state.asked:
        lines.append("the server's policies are those kept on disk: it has not answered yet")
    return lines


def _delivery_warnings(engine: Engine) -> list[str]:
    given = {"url": engine.config.url, "api_key": engine.config.api_key}
    lacking = [name for name, value in given.items() if value is None]
    if len(lacking) == 1:
        return [f"a server is configured without {lacking[0]}: nothing is sent or fetched"]
    sink = engine.server_sink
    if sink is None:
        return []
    lines: list[str] = []
    if sink.delivery.error:
        lines.append(f"events cannot be delivered and wait: {sink.delivery.error}")
    if sink.store.trouble:
        lines.append(f"the event spool cannot be used, events wait in memory: {sink.store.trouble}")
    if sink.delivery.refused:
        lines.append(f"the server refused {sink.delivery.refused} events: see rune events dead")
    return lines


def unmatched_names(engine: Engine) -> list[str]:
    """Names of detectors in policies that no detector has: most likely typing errors."""
    from rune_core.layers.l2_vector import RULES as LAYER_2_RULES
    from rune_core.policy.compiled import names_without_detector

    if not engine.config.l1_enabled or any(
        not layer.builtin for layer in engine.layers if layer.name != L1
    ):
        # A plug-in's detectors are not known before they find something.
        return []
    try:
        rules = engine.rules_layer.scanner.rules
    except Exception as error:  # noqa: BLE001 - a broken rule folder is reported, not spread
        return [f"the rules cannot be loaded: {describe(error)}"]
    known = [(rule.id, rule.label) for rule in rules]
    known += [(name, "") for name in (CHANGED_DEFINITION, *JUDGE_RULES, *LAYER_2_RULES)]
    return [
        f"rule {rule} ({policy}) names {name!r}, which no detector has{_meant(name, known)}"
        for rule, policy, name in names_without_detector(engine.policies.current(), known)
    ]


def _meant(name: str, known: Iterable[tuple[str, str]]) -> str:
    from difflib import get_close_matches

    names = {part.casefold() for pair in known for part in pair if part}
    near = get_close_matches(name.casefold(), sorted(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""
