"""Brings a state database to the tables of this version, with Alembic, whatever database it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from rune_server.errors import ConfigurationError
from rune_server.state.base import Base
from rune_server.state.tables import import_all

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from rune_server.state.engine import State

FOLDER = Path(__file__).parent
# Any number will do, as long as every process of ours takes the same.
_POSTGRES_LOCK = 0x52554E45


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    found = Config()
    found.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found


async def upgrade(state: State, revision: str = "head") -> None:
    """Bring the database to ``revision``. Several processes may try at once."""
    await state.run_sync(lambda connection: _upgrade(connection, revision))


async def current(state: State) -> str | None:
    """The revision that the database is at; None when it is empty."""

    def look(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    found: str | None = await state.run_sync(look)
    return found


def newest() -> str:
    """The revision that this version needs."""
    found = ScriptDirectory.from_config(config()).get_current_head()
    assert found is not None
    return found


async def require_current(state: State) -> None:
    """Go on only with a database that fits this version.

    Raises:
        ConfigurationError: It is older or newer. Says what to do.
    """
    at, needed = await current(state), newest()
    if at == needed:
        return
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if at is None or at in known:
        raise ConfigurationError(
            f"the state database is at revision {at or 'none'}, this version needs {needed}: "
            "run `rune migrate`"
        )
    raise ConfigurationError(
        f"the state database is at revision {at}, which this version does not know: it was "
        "migrated by a newer one; upgrade this process"
    )


def differences(connection: Connection) -> list[Any]:
    """What sets the database apart from the tables in code. Empty when nothing does."""
    import_all()
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, Base.metadata))


def _upgrade(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")
    command.upgrade(config(connection), revision)
