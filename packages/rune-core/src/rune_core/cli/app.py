"""Puts the ``rune`` command together: Rune's own commands, then those of plug-ins."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from rune_core.cli.exits import CliError, ExitCode, debugging, report
from rune_core.errors import ConfigError

if TYPE_CHECKING:
    from rune_core.plugins import Plugins

DISTRIBUTIONS = (
    "rune-core",
    "rune-scanner",
    "rune-model",
    "rune-langchain",
    "rune-llamaindex",
    "rune-openai",
)
HELP_NAMES = {"help_option_names": ["-h", "--help"]}

_VALIDATOR = "Value error, "
"""What the validator behind typer puts before the messages of its own choices."""

EPILOG = """
Exit codes: 0 fine, 1 findings or a failed check, 2 wrong usage or rules and policies that do not
load, 3 something could not be scanned. RUNE_DEBUG=1 shows where an error came from.
"""


class RuneGroup(TyperGroup):
    """The top of the command tree: whatever a command raises becomes one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is still buffered has nowhere to go; Python would complain about it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.PIPE_CLOSED) from None
        except (KeyboardInterrupt, Exception) as error:  # the rim: nothing above shows errors
            if isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "exit_code"):
                # Typer's own: it prints wrong usage with the usage line.
                if isinstance(message := getattr(error, "message", None), str):
                    setattr(error, "message", message.removeprefix(_VALIDATOR))  # noqa: B010 - typer's own
                raise
            raise typer.Exit(report(error)) from None


def build() -> typer.Typer:
    """The command line with everything that is installed."""
    from rune_core.cli import events, journal, memory, model, policy, rules
    from rune_core.cli.calibrate import calibrate
    from rune_core.cli.doctor import doctor
    from rune_core.cli.eval import evaluate
    from rune_core.cli.scan import scan

    app = typer.Typer(
        name="rune",
        cls=RuneGroup,
        help="Rune guards LLM agents from inside their own process.",
        epilog=EPILOG,
        no_args_is_help=True,
        # Tracebacks with local variables would print what was scanned.
        pretty_exceptions_enable=False,
        # Plain help starts three times as fast as boxes do.
        rich_markup_mode=None,
        context_settings=HELP_NAMES,
    )
    app.callback()(_top)
    app.command("scan")(scan)
    app.add_typer(rules.app, name="rules")
    app.add_typer(policy.app, name="policy")
    app.add_typer(journal.app, name="journal")
    app.command("remember")(memory.remember)
    app.command("forget")(memory.forget)
    app.add_typer(memory.app, name="memory")
    app.add_typer(model.app, name="model")
    app.add_typer(events.app, name="events")
    app.command("calibrate")(calibrate)
    app.command("eval")(evaluate)
    app.command("doctor")(doctor)
    app.command("version")(show_version)
    # Commands that need the settings say what is wrong with them; doctor must still run.
    with suppress(ConfigError):
        plugins().add_cli_commands(app)
    if "demo" not in {command.name for command in app.registered_commands}:
        app.command("demo", context_settings={"ignore_unknown_options": True})(_demo_missing)
    return app


def plugins() -> Plugins:
    """Everything that is registered, the installed plug-ins included."""
    from rune_core.builtin import BuiltinPlugin
    from rune_core.config import ShieldConfig
    from rune_core.plugins import Plugins

    return Plugins(ShieldConfig(), BuiltinPlugin(()), ())


def run() -> None:
    """Build the command line and run it; never shows a traceback of its own accord."""
    for stream in (sys.stdout, sys.stderr):
        # File names may hold what the terminal's encoding cannot say.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if not debugging():
        # The library logs for the applications it lives in; here the commands speak themselves.
        logging.getLogger("rune_core").addHandler(logging.NullHandler())
        logging.getLogger("rune_core").propagate = False
    try:
        app = build()
    except Exception as error:  # noqa: BLE001 - the rim: nothing above shows errors
        raise SystemExit(report(error)) from None
    app(prog_name="rune")


def show_version() -> None:
    """Show the versions of Rune's packages and of Python."""
    for name, installed in versions().items():
        typer.echo(f"{name} {installed or 'not installed'}")
    typer.echo(f"python {sys.version.split()[0]}")


def versions() -> dict[str, str | None]:
    """Rune's distributions and their versions; None for those not installed."""
    found: dict[str, str | None] = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _top(
    ctx: typer.Context,
    show: Annotated[
        bool, typer.Option("--version", help="Show versions and exit.", is_eager=True)
    ] = False,
) -> None:
    del ctx
    if show:
        show_version()
        raise typer.Exit


def _demo_missing() -> None:
    """Show an agent robbed without Rune and safe with it (needs rune-langchain)."""
    plugins()
    installed = versions()["rune-langchain"]
    if installed is None:
        raise CliError("the demo comes with rune-langchain; install it: pip install rune-langchain")
    raise CliError(
        f"rune-langchain {installed} is installed, but its commands are not loaded: see "
        "the plug-ins in `rune doctor`, and RUNE_PLUGINS_ENABLED"
    )
