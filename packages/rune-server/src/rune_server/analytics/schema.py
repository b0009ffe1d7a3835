"""The tables. One set of statements for an embedded ClickHouse and for a server.

``events`` holds every event. Materialised views fill the others from the same insert:
``events_by_minute`` and from that ``events_by_hour``, ``latency_by_hour`` and ``missed_by_hour``
for figures, ``seen`` for what is new, ``usage_by_day`` for what is billed. Setting
``deduplicate_blocks_in_dependent_materialized_views`` with an ``insert_deduplication_token`` keeps
all of them right when a batch is written twice.

Every sorting key begins with the organisation. Partitions are months: fewer made inserts slower,
days made the purge of an organisation fifty times slower.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1

LAYERS = (
    "Array(Tuple(layer LowCardinality(String), status LowCardinality(String), "
    "latency_ms Float32, score Nullable(Float32), complete Nullable(Bool), "
    "outcome LowCardinality(String)))"
)
RULES = (
    "Array(Tuple(rule LowCardinality(String), policy LowCardinality(String), "
    "kind LowCardinality(String), action LowCardinality(String), severity LowCardinality(String), "
    "monitored Bool, excepted Bool))"
)
ARGUMENTS = (
    "Array(Tuple(name LowCardinality(String), hash String, size UInt64, "
    "origins Array(LowCardinality(String))))"
)

EVENT_COLUMNS = (
    ("organisation_id", "UUID"),
    ("timestamp", "DateTime64(3, 'UTC')"),
    ("event_id", "UUID"),
    ("batch", "UUID"),
    ("received_at", "DateTime64(3, 'UTC')"),
    ("retention_days", "UInt16"),
    ("skewed", "Bool"),
    ("event_type", "LowCardinality(String)"),
    ("surface", "LowCardinality(String)"),
    ("action", "LowCardinality(String)"),
    ("monitored_action", "LowCardinality(String)"),
    ("agent_id", "LowCardinality(String)"),
    ("agent_tags", "Array(LowCardinality(String))"),
    ("session_id", "String"),
    ("sequence", "UInt64"),
    ("parent_id", "String"),
    ("risk_score", "Float32"),
    ("threat_type", "LowCardinality(String)"),
    ("threats", "Array(LowCardinality(String))"),
    ("severity", "LowCardinality(String)"),
    ("detectors", "Array(LowCardinality(String))"),
    ("decision_id", "String"),
    ("policy", "LowCardinality(String)"),
    ("policy_revision", "LowCardinality(String)"),
    ("rule", "LowCardinality(String)"),
    ("rules", RULES),
    ("layers", LAYERS),
    ("latency_ms", "Float32"),
    ("degraded", "Bool"),
    ("cached", "Bool"),
    ("redacted", "Bool"),
    ("approval", "LowCardinality(String)"),
    ("tool", "LowCardinality(String)"),
    ("tool_risk", "LowCardinality(String)"),
    ("tool_definition_hash", "LowCardinality(String)"),
    ("arguments", ARGUMENTS),
    ("hash_key_id", "LowCardinality(String)"),
    ("size", "UInt64"),
    ("framework", "LowCardinality(String)"),
    ("adapter", "LowCardinality(String)"),
    ("sdk_version", "LowCardinality(String)"),
)

MINUTE_KEY = (
    "event_type",
    "agent_id",
    "surface",
    "action",
    "monitored_action",
    "threat_type",
    "severity",
    "tool",
    "policy",
    "rule",
    "framework",
    "degraded",
    "detectors",
)
"""What the rollups keep apart. A filter on anything else reads ``events``."""

_TEXT = "LowCardinality(String)"
_KINDS = {"degraded": "Bool", "detectors": f"Array({_TEXT})"}

ROLLED_UP = ("began", *MINUTE_KEY, "events", "untrusted", "risk_sum", "risk_max", "last_seen")
"""What a rollup can be asked for, besides the organisation."""

UNTRUSTED = "arrayExists(each -> has(each, 'untrusted'), arguments.origins)"
"""Whether an argument of a tool call came out of an untrusted text."""

TABLES = (
    "events",
    "events_by_minute",
    "events_by_hour",
    "latency_by_hour",
    "missed_by_hour",
    "seen",
    "usage_by_day",
)
"""Every table with an organisation's data."""

BY_AGENT = ("events", "events_by_minute", "events_by_hour", "missed_by_hour", "seen")
"""Those that tell agents apart."""

MINUTES = (
    "SELECT organisation_id, toStartOfMinute(timestamp) AS began, "
    f"{', '.join(MINUTE_KEY)}, max(retention_days) AS retention_days, count() AS events, "
    f"countIf({UNTRUSTED}) AS untrusted, "
    "sum(risk_score) AS risk_sum, max(risk_score) AS risk_max, max(timestamp) AS last_seen "
    f"FROM {{events}} GROUP BY organisation_id, began, {', '.join(MINUTE_KEY)}"
)
"""``events_by_minute`` out of ``{events}``."""

LATENCY_STEP = 1.02
"""Latencies are counted in classes whose bounds are this far apart: quantiles are within 1%."""

LATENCY_CLASS = f"toInt16(floor(log(greatest({{0}}, 0.001)) / log({LATENCY_STEP})))"
"""The class of a latency in milliseconds, in SQL."""

LAYERS_OF_EVENT = (
    "arrayConcat([(toLowCardinality('total'), toLowCardinality('ran'), latency_ms)], "
    "arrayMap(each -> (each.layer, each.status, each.latency_ms), layers))"
)
"""What ran for an event: ``total`` and every layer, each with its status and milliseconds."""

AS_ROLLED_UP = (
    "toStartOfMinute(timestamp) AS began",
    *MINUTE_KEY,
    "toUInt64(1) AS events",
    f"toUInt64({UNTRUSTED}) AS untrusted",
    "toFloat64(risk_score) AS risk_sum",
    "risk_score AS risk_max",
    "timestamp AS last_seen",
)
"""``ROLLED_UP`` of one event."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how tables are kept.

    Attributes:
        cluster: Name of the cluster; None for a single server and for the embedded one.
        policy: Storage policy; None for the server's default.
    """

    cluster: str | None = None
    policy: str | None = None

    @property
    def on_cluster(self) -> str:
        """The clause that runs a statement on every node."""
        return "" if self.cluster is None else f" ON CLUSTER '{self.cluster}'"

    def engine(self, base: str, arguments: str = "") -> str:
        """A table engine, replicated on a cluster."""
        if self.cluster is None:
            return f"{base}({arguments})"
        path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
        return f"Replicated{base}({', '.join(filter(None, (path, arguments)))})"

    def settings(self, **more: object) -> str:
        """The settings of a table."""
        found: dict[str, object] = {"non_replicated_deduplication_window": 10_000, **more}
        if self.cluster is not None:
            found["replicated_deduplication_window"] = found.pop(
                "non_replicated_deduplication_window"
            )
        if self.policy is not None:
            found["storage_policy"] = f"'{self.policy}'"
        return ", ".join(f"{name} = {value}" for name, value in found.items())


def statements(database: str, placement: Placement) -> list[str]:
    """Everything that has to exist, in order. Each can be run again."""
    on = placement.on_cluster
    columns = ",\n  ".join(f"{name} {kind}" for name, kind in EVENT_COLUMNS)
    key = ", ".join(MINUTE_KEY)
    durable = placement.settings(fsync_after_insert=1)

    def table(name: str, body: str, engine: str, clauses: str) -> str:
        return (
            f"CREATE TABLE IF NOT EXISTS {database}.{name}{on} (\n  {body}\n)"
            f" ENGINE = {engine} {clauses} SETTINGS {durable}"
        )

    def view(name: str, query: str) -> str:
        return (
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.{name}_view{on}"
            f" TO {database}.{name} AS {query.format(events=f'{database}.events')}"
        )

    aggregating = placement.engine("AggregatingMergeTree")
    kept_apart = ", ".join(f"{name} {_KINDS.get(name, _TEXT)}" for name in MINUTE_KEY)
    rollup = (
        f"organisation_id UUID, began DateTime('UTC'), {kept_apart}, "
        "retention_days SimpleAggregateFunction(max, UInt16), "
        "events SimpleAggregateFunction(sum, UInt64), "
        "untrusted SimpleAggregateFunction(sum, UInt64), "
        "risk_sum SimpleAggregateFunction(sum, Float64), "
        "risk_max SimpleAggregateFunction(max, Float32), "
        "last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC'))"
    )
    return [
        f"CREATE DATABASE IF NOT EXISTS {database}{on}",
        table(
            "events",
            f"{columns},\n"
            "  INDEX event_id_index event_id TYPE bloom_filter(0.01) GRANULARITY 4,\n"
            "  INDEX session_index session_id TYPE bloom_filter(0.01) GRANULARITY 4,\n"
            "  INDEX decision_index decision_id TYPE bloom_filter(0.01) GRANULARITY 4",
            placement.engine("ReplacingMergeTree"),
            "PARTITION BY toYYYYMM(timestamp) ORDER BY (organisation_id, timestamp, event_id)"
            " TTL toDateTime(timestamp) + toIntervalDay(retention_days)",
        ),
        *(
            table(
                name,
                rollup,
                aggregating,
                f"PARTITION BY toYYYYMM(began) ORDER BY (organisation_id, began, {key})"
                " TTL began + toIntervalDay(retention_days)",
            )
            for name in ("events_by_minute", "events_by_hour")
        ),
        table(
            "latency_by_hour",
            "organisation_id UUID, began DateTime('UTC'), layer LowCardinality(String), "
            "surface LowCardinality(String), class Int16, "
            "retention_days SimpleAggregateFunction(max, UInt16), "
            "events SimpleAggregateFunction(sum, UInt64)",
            aggregating,
            "PARTITION BY toYYYYMM(began)"
            " ORDER BY (organisation_id, began, layer, surface, class)"
            " TTL began + toIntervalDay(retention_days)",
        ),
        table(
            "missed_by_hour",
            "organisation_id UUID, began DateTime('UTC'), layer LowCardinality(String), "
            "agent_id LowCardinality(String), surface LowCardinality(String), "
            "retention_days SimpleAggregateFunction(max, UInt16), "
            "failed SimpleAggregateFunction(sum, UInt64), "
            "skipped SimpleAggregateFunction(sum, UInt64)",
            aggregating,
            "PARTITION BY toYYYYMM(began)"
            " ORDER BY (organisation_id, began, layer, agent_id, surface)"
            " TTL began + toIntervalDay(retention_days)",
        ),
        table(
            "seen",
            "organisation_id UUID, agent_id LowCardinality(String), tool LowCardinality(String), "
            "definition LowCardinality(String), "
            "retention_days SimpleAggregateFunction(max, UInt16), "
            "first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')), "
            "first_received SimpleAggregateFunction(min, DateTime64(3, 'UTC')), "
            "last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')), "
            "latest AggregateFunction(argMax, Tuple(tags Array(LowCardinality(String)), "
            "framework LowCardinality(String), sdk_version LowCardinality(String), "
            "policy_revision LowCardinality(String), tool_risk LowCardinality(String)), "
            "DateTime64(3, 'UTC'))",
            aggregating,
            "ORDER BY (organisation_id, agent_id, tool, definition)"
            " TTL toDateTime(last_seen) + toIntervalDay(retention_days)",
        ),
        table(
            "usage_by_day",
            "organisation_id UUID, day Date, events UInt64, characters UInt64",
            placement.engine("SummingMergeTree"),
            "ORDER BY (organisation_id, day) TTL day + toIntervalDay(800)",
        ),
        view(
            "events_by_minute",
            MINUTES,
        ),
        view(
            "events_by_hour",
            "SELECT organisation_id, toStartOfHour(minutes.began) AS began, "
            + key
            + ", max(retention_days) AS retention_days, sum(events) AS events, "
            "sum(untrusted) AS untrusted, sum(risk_sum) AS risk_sum, max(risk_max) AS risk_max, "
            "max(last_seen) AS last_seen FROM {events}_by_minute AS minutes "
            "GROUP BY organisation_id, began, " + key,
        ),
        view(
            "latency_by_hour",
            "SELECT organisation_id, toStartOfHour(timestamp) AS began, one.1 AS layer, surface, "
            f"{LATENCY_CLASS.format('one.3')} AS class, max(retention_days) AS retention_days, "
            f"count() AS events FROM {{events}} ARRAY JOIN {LAYERS_OF_EVENT} AS one "
            "WHERE event_type != 'alert' AND one.2 = 'ran' "
            "GROUP BY organisation_id, began, layer, surface, class",
        ),
        view(
            "missed_by_hour",
            "SELECT organisation_id, toStartOfHour(timestamp) AS began, one.layer AS layer, "
            "agent_id, surface, max(retention_days) AS retention_days, "
            "countIf(one.status IN ('timeout', 'error')) AS failed, "
            "countIf(one.status = 'skipped') AS skipped "
            "FROM {events} ARRAY JOIN arrayFilter(each -> each.status != 'ran', layers) AS one "
            "WHERE event_type != 'alert' "
            "GROUP BY organisation_id, began, layer, agent_id, surface",
        ),
        view(
            "seen",
            "SELECT organisation_id, agent_id, tool, tool_definition_hash AS definition, "
            "max(retention_days) AS retention_days, min(timestamp) AS first_seen, "
            "min(received_at) AS first_received, max(timestamp) AS last_seen, "
            "argMaxState((agent_tags, framework, sdk_version, policy_revision, tool_risk)"
            "::Tuple(tags Array(LowCardinality(String)), framework LowCardinality(String), "
            "sdk_version LowCardinality(String), policy_revision LowCardinality(String), "
            "tool_risk LowCardinality(String)), timestamp) AS latest "
            "FROM {events} GROUP BY organisation_id, agent_id, tool, definition",
        ),
        view(
            "usage_by_day",
            "SELECT organisation_id, toDate(received_at) AS day, count() AS events, "
            "sum(size) AS characters FROM {events} GROUP BY organisation_id, day",
        ),
    ]
