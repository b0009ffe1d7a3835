"""What rune-server adds to the ``rune`` command."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from rune_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import typer


@hookimpl
def rune_cli_commands(app: typer.Typer) -> Iterable[object]:
    """Add the server's commands."""
    from rune_server.commands import audit, keys, migrate, run
    from rune_server.commands.backup import backup, restore

    for command in (
        run.up,
        run.edge,
        run.web,
        run.worker,
        migrate.migrate,
        migrate.owner,
        migrate.password,
        migrate.plan,
    ):
        app.command(command.__name__)(_said_plainly(command))
    for name, group in (("keys", keys.app), ("audit", audit.app)):
        for one in group.registered_commands:
            if one.callback is not None:
                one.callback = _said_plainly(one.callback)
        app.add_typer(group, name=name)
    app.command("backup")(_said_plainly(backup))
    app.command("restore")(_said_plainly(restore))
    return ()


def _said_plainly(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(*words: Any, **options: Any) -> None:
        from rune_core.cli.exits import CliError
        from rune_server.errors import ServerError

        try:
            command(*words, **options)
        except ServerError as error:
            raise CliError(str(error)) from None

    return run
