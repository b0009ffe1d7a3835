"""What the pipeline works with: layers, policies, counters and where events go. One per Shield."""

from __future__ import annotations

import logging
import time
from functools import partial
from threading import Lock, RLock
from typing import TYPE_CHECKING

from rune_core.agents_seen import AgentsSeen
from rune_core.failure import describe, log_failure
from rune_core.ids import cache_digest
from rune_core.layers.base import RegisteredLayer
from rune_core.layers.l1_rules import PATTERNS_NAME, PatternsLayer, RulesLayer
from rune_core.layers.l2_vector import VectorLayer
from rune_core.layers.l3_judge import JudgeLayer
from rune_core.policy.store import PolicyStore
from rune_core.rates import RateCounter
from rune_core.session.accounts import SharedAccounts
from rune_core.stats import Tally
from rune_core.tool_pins import ToolPins
from rune_core.tool_profiles import ToolProfiles
from rune_core.tools_seen import ToolsSeen
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from rune_core.bundle.sync import PolicySync
    from rune_core.config import ShieldConfig
    from rune_core.connection import Connection
    from rune_core.context import ScanContext
    from rune_core.hookspecs import Redactor
    from rune_core.journal.recorder import Recorder
    from rune_core.layers.calibration import Calibration
    from rune_core.layers.judge.later import Later
    from rune_core.layers.judge.question import Question
    from rune_core.plugins import Plugins
    from rune_core.policy.compiled import CompiledPolicy
    from rune_core.queue.emitter import Emitter
    from rune_core.result import ScanResult
    from rune_core.sinks.server import ServerSink
    from rune_scanner.finding import Finding

_log = logging.getLogger("rune_core")
_UNTRUSTED = frozenset((Surface.TOOL_RESULT, Surface.DOCUMENT, Surface.HANDOFF))


def _calibration(config: ShieldConfig) -> Calibration | None:
    """The user's calibration, read at start-up, where someone sees its faults."""
    path = config.calibration_file
    if path is None:
        return None
    from rune_core.layers.calibration import load

    return load(path)


class Engine:
    """The parts of one Shield. Each is made when first needed.

    Args:
        config: The settings.
        plugins: Plug-ins given by the user.
        policy: A policy as YAML text, besides the files.

    Raises:
        PolicyLoadError: The user's policies have faults.
        ConfigError: The calibration file has.
    """

    def __init__(
        self, config: ShieldConfig, plugins: Iterable[object] = (), *, policy: str | None = None
    ) -> None:
        self.config = config
        self.tally = Tally()
        self.use_clock(time.monotonic)
        self.policies = PolicyStore(
            config.local_policies_path, check_seconds=config.policy_reload_seconds, text=policy
        )
        self.agents = AgentsSeen()
        self.tools = ToolsSeen()
        self.pins = ToolPins()
        self.profiles = ToolProfiles()
        self.connection: Connection | None = None
        self.sync: PolicySync | None = None
        if config.url is not None or config.api_key is not None:
            self._connect()
        self.journal: Recorder | None = None
        if config.journal_enabled:
            from rune_core.journal.recorder import Recorder

            self.journal = Recorder(config, self.tally)
        self._extra = tuple(plugins)
        self._lock = RLock()
        self._warned = False
        self._read_revision = ""
        self._warn_lock = Lock()
        self.rules_layer = RulesLayer(
            self._rule_folders, engine=config.engine, enabled=config.l1_enabled
        )
        self.vector_layer = VectorLayer(
            enabled=config.l2_enabled,
            folder=config.l2_model,
            memory=config.attack_memory_location,
            calibration=_calibration(config) if config.l2_enabled else None,
        )
        self.judge_layer = JudgeLayer(config)
        self._later: Later | None = None
        self._patterns: RegisteredLayer | None = None
        self._plugins: Plugins | None = None
        self._layers: tuple[RegisteredLayer, ...] | None = None
        self._redactor: Redactor | None = None
        self._emitter: Emitter | None = None

    def use_clock(self, clock: Callable[[], float]) -> None:
        """Count calls anew, by another clock: replays of old runs bring their own time.

        Args:
            clock: Seconds that only go forward.
        """
        self.clock = clock
        self.rates = RateCounter(clock)
        self.accounts = SharedAccounts(clock)

    def count_tokens(self, agent_id: str | None, tokens: int) -> None:
        """Count the tokens that an agent's model used."""
        self.accounts.add_tokens(agent_id, tokens)

    def _connect(self) -> None:
        """Talk to the server that the settings name."""
        from rune_core.connection import Connection

        self.connection = Connection.of(self.config)
        interval = self.config.policy_sync_interval_seconds
        if self.connection is None or not interval:
            return
        from rune_core.bundle.persist import bundle_file
        from rune_core.bundle.report import status_of
        from rune_core.bundle.sync import PolicySync
        from rune_core.config import state_folder

        self.sync = PolicySync(
            self.connection,
            self.policies,
            bundle_file(state_folder(), self.connection),
            interval=interval,
            build=partial(status_of, self),
        )
        self.sync.restore()

    def _rule_folders(self) -> tuple[Path, ...]:
        return self.plugins.rule_folders()

    @property
    def plugins(self) -> Plugins:
        """The plug-ins, collected when first asked for."""
        if self._plugins is None:
            with self._lock:
                if self._plugins is None:
                    from rune_core.builtin import BuiltinPlugin
                    from rune_core.plugins import Plugins

                    builtin = BuiltinPlugin(
                        (self.rules_layer, self.vector_layer, self.judge_layer), self.connection
                    )
                    self._plugins = Plugins(self.config, builtin, self._extra)
        return self._plugins

    @property
    def layers(self) -> tuple[RegisteredLayer, ...]:
        """Every registered layer, in the order in which they run."""
        if self._layers is None:
            with self._lock:
                if self._layers is None:
                    self._layers = self.plugins.layers()
        return self._layers

    def layers_for(self, policy: CompiledPolicy) -> Sequence[RegisteredLayer]:
        """The layers, with the policy's own patterns after the rules when it has any."""
        if not policy.regexes:
            return self.layers
        patterns = self._patterns_layer(policy)
        first, *rest = self.layers
        return (first, patterns, *rest)

    def detector_revision(self, policy: CompiledPolicy) -> str:
        """Changes whenever the same text could get other findings."""
        revisions = ",".join(f"{layer.name}={layer.revision}" for layer in self.layers)
        return f"{revisions},{policy.revision}" if policy.regexes else revisions

    def cache_scope(self, context: ScanContext) -> str:
        """What besides text and surface an answer may depend on: plug-ins see the context."""
        if all(layer.builtin for layer in self.layers):
            return ""
        seen = (context.tool, context.agent_id, context.agent_tags, context.source)
        return cache_digest(repr(seen)).hex()

    def redactor(self) -> Redactor:
        """The redactor that the configuration names."""
        if self._redactor is None:
            self._redactor = self.plugins.redactor()
        return self._redactor

    def rescan(self, text: str, policy: CompiledPolicy, context: ScanContext) -> list[Finding]:
        """Findings of the built-in rules in a text that was cut. Not recorded."""
        found: list[Finding] = []
        if self.config.l1_enabled:
            found.extend(self.rules_layer.scanner.scan(text, context.surface).findings)
        if policy.regexes:
            layer = self._patterns_layer(policy).layer
            assert isinstance(layer, PatternsLayer)
            if layer.skip_reason(context, ()) is None:
                found.extend(layer.scan(text, context).findings)
        return found

    def record(
        self, result: ScanResult, context: ScanContext, tool_risk: str | None, value: object
    ) -> None:
        """Count a result and emit its event. Never raises."""
        try:
            self.tally.add(result)
            self.agents.note(context.agent_id)
            if context.tool is not None:
                self.tools.note(
                    context.agent_id, context.tool, tool_risk, context.tool_definition_hash
                )
            if context.surface in _UNTRUSTED:
                self._warn_without_vector()
            if result.decision.revision != self._read_revision:
                self._warn_of_names(result.decision.revision)
            emitter = self.emitter
            if emitter is not None:
                emitter.emit(result, context, tool_risk, value)
        except Exception as error:  # noqa: BLE001 - recording must not break what is recorded
            self.tally.count("events_failed_total")
            log_failure(_log, "a result could not be recorded", describe(error))

    def alert(self, rule: str, result: ScanResult, context: ScanContext) -> None:
        """Emit an alert event. Never raises."""
        try:
            emitter = self.emitter
            if emitter is not None:
                emitter.emit_alert(rule, result, context)
        except Exception as error:  # noqa: BLE001 - as above
            self.tally.count("events_failed_total")
            log_failure(_log, "an alert could not be recorded", describe(error))

    def judge_later(self, question: Question, result: ScanResult, context: ScanContext) -> None:
        """Ask the judge off the path of the call. Never raises."""
        judge = self.judge_layer.judge
        if judge is None:
            return
        try:
            if self._later is None:
                with self._lock:
                    if self._later is None:
                        from rune_core.layers.judge.later import Later

                        self._later = Later(judge, self.alert, self.tally.judged)
            self._later.put(question, result, context)
        except Exception as error:  # noqa: BLE001 - what is asked later must not break the call
            self.tally.judged("error")
            log_failure(_log, "the judge could not be asked later", describe(error))

    def flush_judge(self, seconds: float) -> bool:
        """Wait until what is asked later was asked; False when that takes longer."""
        return self._later is None or self._later.flush(seconds)

    @property
    def emitter(self) -> Emitter | None:
        """Where events go; None when they are switched off."""
        if not self.config.events_enabled:
            return None
        if self._emitter is None:
            with self._lock:
                if self._emitter is None:
                    from rune_core.queue.emitter import Emitter

                    self._emitter = Emitter(self.config, self.plugins.event_sinks(), self.tally)
        return self._emitter

    @property
    def server_sink(self) -> ServerSink | None:
        """What sends events to the server; None where nothing does, or no event came yet."""
        from rune_core.sinks.server import ServerSink

        sinks = () if self._emitter is None else self._emitter.sinks
        return next((sink for sink in sinks if isinstance(sink, ServerSink)), None)

    def close(self, seconds: float) -> None:
        """Stop policy sync, flush and close the event sinks and the memory, within ``seconds``."""
        deadline = time.monotonic() + seconds
        self.vector_layer.close()
        if self._later is not None:
            # Before the events: it makes some.
            self._later.close(seconds / 2)
            seconds = max(0.0, deadline - time.monotonic())
        self.judge_layer.close()
        if self.sync is not None:
            self.sync.stop()
        if self._emitter is not None:
            self._emitter.close(seconds)
        if self.journal is not None:
            self.journal.close()
        if self.connection is not None:
            self.connection.close()
        if self.sync is not None:
            self.sync.close(max(0.0, deadline - time.monotonic()))

    def _patterns_layer(self, policy: CompiledPolicy) -> RegisteredLayer:
        current = self._patterns
        if (
            current is None
            or not isinstance(current.layer, PatternsLayer)
            or current.layer.policy is not policy
        ):
            layer = PatternsLayer(policy, engine=self.config.engine)
            current = RegisteredLayer(
                layer, PATTERNS_NAME, surfaces=None, heavy=False, builtin=True
            )
            # Two threads may both make one; either will do.
            self._patterns = current
        return current

    def _warn_without_vector(self) -> None:
        if self._warned or self.vector_layer.skip_reason(None, ()) is None:
            return
        # acquire() succeeds once and is never released: one thread warns, the others pass by.
        if not self._warn_lock.acquire(blocking=False):
            return
        self._warned = True
        _log.warning(
            "untrusted text is scanned by rules only: layer 2 is %s. Injections in unknown words "
            "can pass; shield.coverage() shows what is guarded.",
            self.vector_layer.skip_reason(None, ()),
        )

    def _warn_of_names(self, revision: str) -> None:
        """Say once what policies name and no detector has: such a rule protects nothing."""
        self._read_revision = revision
        from rune_core.coverage import unmatched_names

        for line in unmatched_names(self):
            _log.warning("%s", line)
