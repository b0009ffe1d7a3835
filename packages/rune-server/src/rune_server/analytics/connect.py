"""Connections to ClickHouse: embedded (chdb) or a server, through one client library.

The client is synchronous, since only that speaks to chdb too. A store therefore runs its calls on
threads of its own: some that read, each with a handle that can do nothing else, and one that
writes. One process can hold one embedded data folder, and must not fork once it is open.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from clickhouse_connect import get_client
from clickhouse_connect.driver.exceptions import ClickHouseError

from rune_server.analytics.embedded import POLICY, key_variables, write_configuration
from rune_server.analytics.reach import PATIENCE_SECONDS, answers
from rune_server.analytics.remake import of_another_make, remake
from rune_server.analytics.schema import Placement, statements
from rune_server.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

T = TypeVar("T")
_log = structlog.get_logger("rune_server.analytics")

READER_SETTINGS: Mapping[str, object] = {
    "max_execution_time": 30,
    "max_result_rows": 200_000,
    "max_rows_to_group_by": 5_000_000,
    "max_memory_usage": 2_000_000_000,
    # Nothing of a query is spilled to disk, where it would lie in the clear.
    "max_bytes_ratio_before_external_group_by": 0,
    "max_bytes_ratio_before_external_sort": 0,
    # Last: from here on the handle cannot write, read files, fetch addresses or change settings.
    "readonly": 1,
}
WRITER_SETTINGS: Mapping[str, object] = {
    "async_insert": 0,
    # What views made of a batch is aggregated already, and its events were told apart before: to
    # look for rows to put together would be two fifths of an insert. Merges do it later.
    "optimize_on_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "input_format_skip_unknown_fields": 1,
    "input_format_json_defaults_for_missing_elements_in_named_tuple": 1,
    "input_format_null_as_default": 1,
    "date_time_input_format": "best_effort",
    "max_partitions_per_insert_block": 1000,
    "lightweight_deletes_sync": 2,
    "mutations_sync": 2,
}
_BREAK_SECONDS = 2.0
_WRITER_NICENESS = 15
CLOSE_SECONDS = 0.5
"""How long closing waits for what runs."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a store is.

    Attributes:
        database: Name of the database; one per region.
        path: Data folder of the embedded ClickHouse; None for a server.
        keys: Keys of 32 bytes for the embedded data (AES-256-CTR): the first encrypts, the others
            open what is older. Without any it lies in the clear.
        url: ``https://user:password@host:8443`` of a server; None for the embedded one.
        ca_file: The only authority that ``url`` is trusted by; None for those of the system.
        reader_url: The same for reading; by default ``url``. Give it a user that can only read.
        cluster: Name of the server's cluster.
        policy: The server's storage policy, such as one with an encrypted disk.
        memory_bytes: What the embedded ClickHouse may take in all.
        readers: Threads that read.
        backups: The one folder that the embedded one may write back-ups to and read them from.
    """

    database: str
    path: Path | None = None
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    url: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    reader_url: str | None = field(default=None, repr=False)
    cluster: str | None = None
    policy: str | None = None
    memory_bytes: int = 4_000_000_000
    readers: int = 3
    backups: Path | None = None


def _after_others() -> None:
    """Let the writer's thread, and those that the engine starts from it, stand back for others.

    What is accepted is safe in the spool and can wait a moment for the store; whoever sends it
    waits for an answer.
    """
    if sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _WRITER_NICENESS)


class Store:
    """One database. Open it on the process that uses it; ``close`` ends its threads."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.database = target.database
        self._local = threading.local()
        self._clients: list[Client] = []
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._made = False
        self._broken_until = 0.0
        self._hangs_until = 0.0
        self._readers = ThreadPoolExecutor(target.readers, f"read-{target.database}")
        self._writer = ThreadPoolExecutor(1, f"write-{target.database}", _after_others)

    @property
    def is_embedded(self) -> bool:
        """Whether it lives in this process."""
        return self.target.url is None

    @property
    def is_encrypted(self) -> bool | None:
        """Whether what is stored is encrypted; None when only the server's operator knows."""
        if self.is_embedded:
            return bool(self.target.keys)
        return None

    @property
    def is_reachable(self) -> bool:
        """Whether the last call got an answer; True again shortly after one did not."""
        return time.monotonic() >= self._broken_until

    async def open(self, *, alone: bool = False) -> None:
        """Connect and make what is missing. Until this has worked once, every call tries it first.

        Args:
            alone: No other process writes to the server: rollups of another version may be made
                anew. An embedded one has no other.

        Raises:
            ConfigurationError: The embedded data cannot be opened, a statement is refused, or the
                server's rollups are of another version.
            UnavailableError: The server does not answer.
        """
        policy = self.target.policy
        if self.is_embedded and self.target.keys:
            policy = POLICY
        placement = Placement(self.target.cluster, policy)
        alone = alone or self.is_embedded

        def make(client: Client) -> None:
            if not of_another_make(client, self.database):
                for statement in statements(self.database, placement):
                    client.command(statement)
            elif alone:
                remake(client, self.database, placement)
            else:
                raise ConfigurationError(
                    f"the rollups of the ClickHouse database {self.database} are of another "
                    "version: stop every process of rune-server, then run "
                    "`rune migrate --rollups`"
                )

        await self._submit(self._writer, make, writer=True)
        self._made = True

    async def read(self, ask: Callable[[Client], T]) -> T:
        """Run ``ask`` with a handle that can only read.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        return await self._run(self._readers, ask, writer=False)

    async def write(self, do: Callable[[Client], T]) -> T:
        """Run ``do`` with the writer's handle, after whatever it is doing.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        return await self._run(self._writer, do, writer=True)

    async def query(self, sql: str, parameters: Mapping[str, Any]) -> list[Sequence[Any]]:
        """The rows of a query, read only."""
        return await self.read(
            lambda client: list(client.query(sql, parameters=dict(parameters)).result_rows)
        )

    async def back_up(self, place: str) -> None:
        """Back the database up while it is in use.

        Args:
            place: Where to, as ClickHouse says it: ``File('…')`` (see ``file_place``), ``Disk('…',
                '…')``. The embedded one writes only into ``target.backups``.

        Raises:
            UnavailableError: ClickHouse does not answer.
            ConfigurationError: It refuses the place.
        """
        await self.administer(
            f"BACKUP DATABASE {self.database}{self._on_cluster} TO {place}",
            "a back-up or to restore one",
        )

    async def restore(self, place: str, database: str) -> None:
        """Make the database out of a back-up of ``database``. It must not exist.

        Raises:
            UnavailableError: ClickHouse does not answer.
            ConfigurationError: The back-up is damaged, or the database exists and is not empty.
        """
        await self.administer(
            f"RESTORE DATABASE {database} AS {self.database}{self._on_cluster} FROM {place}",
            "a back-up or to restore one",
        )

    @property
    def _on_cluster(self) -> str:
        return Placement(self.target.cluster).on_cluster

    async def administer(
        self, sql: str, what: str, parameters: Mapping[str, object] | None = None
    ) -> None:
        """Run a long statement on a handle of its own: writing goes on meanwhile.

        Args:
            sql: The statement.
            what: What ClickHouse refuses when it refuses it, for people.
            parameters: Values of the statement's ``{name:Type}``.

        Raises:
            UnavailableError: ClickHouse does not answer.
            ConfigurationError: It refuses.
        """

        def run() -> None:
            with self._faults():
                client = self._connect(writer=True)
                try:
                    client.command(sql, parameters=dict(parameters or {}))
                finally:
                    with suppress(ClickHouseError):
                        client.close()

        try:
            await asyncio.to_thread(run)
        except ClickHouseError as error:
            raise ConfigurationError(f"ClickHouse refuses {what}: {str(error)[:300]}") from None

    async def close(self) -> None:
        """Let go of every handle, and give what runs ``CLOSE_SECONDS`` to end before that.

        A query may take half a minute, and a server that hangs twice as long; a process that stops
        has five seconds. What is left then goes on, on its thread, until the process ends. Nobody
        hears a query's answer any more; a batch that was being written stays in the spool.
        """
        for pool in (self._readers, self._writer):
            pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            running = set(self._running)
            clients, self._clients = self._clients, []
        if (await asyncio.to_thread(wait, running, CLOSE_SECONDS)).not_done:
            _log.warning("queries are cut off", database=self.database)
            return  # their handles are in use
        for client in clients:
            with suppress(ClickHouseError):
                await asyncio.to_thread(client.close)

    async def _run(
        self, pool: ThreadPoolExecutor, call: Callable[[Client], T], *, writer: bool
    ) -> T:
        if time.monotonic() < self._hangs_until:
            # Somebody found that out a moment ago; the threads may all wait for it.
            raise self._down()
        if not self._made:
            await self.open()
        return await self._submit(pool, call, writer=writer)

    async def _submit(
        self, pool: ThreadPoolExecutor, call: Callable[[Client], T], *, writer: bool
    ) -> T:
        try:
            running = pool.submit(self._call, call, writer)
        except RuntimeError:
            raise UnavailableError(
                "the server is stopping", code="stopping", retry_after=5
            ) from None
        with self._lock:
            self._running.add(running)
        running.add_done_callback(self._ended)
        answer = asyncio.wrap_future(running)
        url = self.target.url
        if url is not None:
            await self._while_reachable(answer, url)
        return await answer

    async def _while_reachable(self, answer: asyncio.Future[T], url: str) -> None:
        """Wait for an answer, for as long as the server is there.

        Raises:
            UnavailableError: It is not. A call that runs may still go through.
        """
        try:
            while not (await asyncio.wait((answer,), timeout=PATIENCE_SECONDS))[0]:
                if not await answers(url, self.target.ca_file) and not answer.done():
                    self._hangs_until = time.monotonic() + _BREAK_SECONDS
                    raise self._down()
        finally:
            if not answer.done():
                answer.cancel()

    def _ended(self, call: Future[Any]) -> None:
        with self._lock:
            self._running.discard(call)

    def _call(self, call: Callable[[Client], T], writer: bool) -> T:
        with self._faults():
            found = call(self._client(writer))
            self._broken_until = self._hangs_until = 0.0
            return found

    def _client(self, writer: bool) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect(writer)
            with self._lock:
                self._clients.append(client)
        return client

    def _connect(self, writer: bool) -> Client:
        settings = dict(WRITER_SETTINGS if writer else READER_SETTINGS)
        target = self.target
        # The writer makes the database; naming one that is not there yet would fail.
        if target.url is None:
            return _embedded(target, settings)
        url = target.url if writer else target.reader_url or target.url
        return get_client(
            dsn=url,
            ca_cert=None if self.target.ca_file is None else str(self.target.ca_file),
            settings=settings,
            tz_mode="aware",
            autogenerate_session_id=False,
            form_encode_query_params=True,
            connect_timeout=5,
            # More than a query may take. What a hanging server is asked ends sooner for whoever
            # asks; this frees the thread.
            send_receive_timeout=60 if writer else 35,
            show_clickhouse_errors="scrub",
        )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Tell a server that is away from a statement that is wrong."""
        from clickhouse_connect.driver.exceptions import OperationalError

        try:
            yield
        except (OperationalError, OSError) as error:
            self._local.client = None
            raise self._down() from error

    def _down(self) -> UnavailableError:
        self._broken_until = time.monotonic() + _BREAK_SECONDS
        return UnavailableError("analytics does not answer", code="analytics_down", retry_after=5)


_opening = threading.Lock()
_placed: dict[str, str] = {}
"""The configuration file of the data folder that this process holds. There can be only one."""


def _embedded(target: Target, settings: dict[str, object]) -> Client:
    assert target.path is not None
    with _opening:
        name = str(target.path)
        if name not in _placed:
            target.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            _placed[name] = str(
                write_configuration(
                    target.path, target.keys, target.memory_bytes, backups=target.backups
                )
            )
        variables = key_variables(target.keys)
        os.environ.update(variables)
        try:
            return get_client(
                interface="chdb",
                path=str(target.path / "store"),
                settings=settings,
                tz_mode="aware",
                chdb_options={"config-file": _placed[name]},
            )
        except ClickHouseError as error:
            raise ConfigurationError(
                f"the embedded analytics store {target.path} cannot be opened: "
                f"{str(error)[:300]}. Only one process can hold it, and it opens only with the key "
                f"it was made with."
            ) from None
        finally:
            for variable in variables:
                os.environ.pop(variable, None)


def file_place(path: Path) -> str:
    """A folder as ``BACKUP … TO`` and ``RESTORE … FROM`` take it."""
    quoted = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"File('{quoted}')"
