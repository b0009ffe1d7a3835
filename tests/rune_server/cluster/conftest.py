"""A cluster on PostgreSQL, Redis and ClickHouse, with every role as a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rune_server.cluster.processes import Cluster
from tests.rune_server.services import clickhouse_server, postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rune_server.services import ClickHouse


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """The cluster's ClickHouse."""
    with clickhouse_server(tmp_path_factory.mktemp("clickhouse") / "store") as server:
        yield server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, clickhouse: ClickHouse) -> Iterator[Cluster]:
    """The running cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    with postgres_server() as dsn, redis_server(tmp_path_factory.mktemp("redis")) as redis:
        found = Cluster(
            folder,
            {
                "RUNE_STATE_DSN": dsn,
                "RUNE_REDIS_DSN": redis.url,
                "RUNE_ANALYTICS_DSN": clickhouse.url,
                "RUNE_BACKUP_HOURS": "0",
            },
        )
        try:
            found.start()
            yield found
        finally:
            found.stop()
