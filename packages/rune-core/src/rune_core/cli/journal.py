"""``rune journal``: look into the encrypted local journal, or erase it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rune_core.cli.exits import CliError
from rune_core.cli.text import columns, plural, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.journal.entry import Entry
    from rune_core.policy.traces import Run, Step

app = typer.Typer(
    help="Look into the encrypted local journal, or erase it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _journal() -> None:
    """Look into the encrypted local journal, or erase it.

    The journal is off unless RUNE_JOURNAL_ENABLED=1 is set where the agent runs. It holds what
    was scanned; the events file never does.
    """


@app.command("list")
def list_entries(
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many to show.")] = 20,
    stopped: Annotated[
        bool, typer.Option("--stopped", help="Only what was cut, asked about or blocked.")
    ] = False,
) -> None:
    """Show the latest decisions: time, id, action, rule and tool. No content."""
    found = [
        entry
        for entry in open_journal()
        if entry.decision and (not stopped or entry.action in ("redact", "ask", "block"))
    ]
    rows = [
        (
            _time(entry.at),
            entry.decision,
            entry.action,
            entry.rule or "-",
            entry.surface if entry.tool is None else f"{entry.surface} {entry.tool}",
        )
        for entry in found[-last:]
    ]
    for line in columns(rows):
        typer.echo(printable(line))
    typer.echo(f"{plural(len(rows), 'decision')} of {len(found):,}.")


@app.command()
def show(
    decision: Annotated[str, typer.Argument(help="The id of a decision.", metavar="DECISION")],
) -> None:
    """Print one decision with its content, as JSON."""
    for entry in open_journal():
        if entry.decision == decision:
            typer.echo(
                json.dumps(
                    {
                        "time": _time(entry.at),
                        "decision": entry.decision,
                        "session": entry.session,
                        "surface": entry.surface,
                        "tool": entry.tool,
                        "agent": entry.agent,
                        "action": entry.action,
                        "rule": entry.rule,
                        "approval": entry.approval,
                        "matches": [
                            {"rule": match.rule, "policy": match.policy, "action": match.action}
                            for match in entry.matches
                        ],
                        "truncated": entry.truncated,
                        "content": entry.value,
                    },
                    indent=2,
                    ensure_ascii=True,
                )
            )
            return
    raise CliError(f"the journal holds no decision {decision}; rune journal list shows the latest")


@app.command()
def erase(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete everything the journal holds. The key stays."""
    from rune_core.config import ShieldConfig

    folder = ShieldConfig().journal_folder
    if not yes:
        typer.confirm(f"Delete the journal in {folder}?", abort=True)
    _needs_cryptography()
    from rune_core.journal.segments import erase as erase_segments

    typer.echo(f"{plural(erase_segments(folder), 'segment')} deleted.")


def open_journal() -> Iterator[Entry]:
    """Every entry of the journal that the settings name, in order of time.

    Raises:
        CliError: There is none.
        JournalError: It cannot be read.
    """
    from rune_core.config import ShieldConfig
    from rune_core.journal.keys import JournalKeys

    _needs_cryptography()
    from rune_core.journal.segments import read, segments

    config = ShieldConfig()
    folder = config.journal_folder
    if not segments(folder):
        raise CliError(
            f"there is no journal in {folder}; set RUNE_JOURNAL_ENABLED=1 where the agent runs"
        )
    return read(folder, JournalKeys(config.journal_key, folder.parent).for_reading())


def decided_in_journal(decision: str) -> tuple[Run, Step] | None:
    """A decision of the journal, and the run it stands in; None where there is none.

    Raises:
        CliError: It is there, and its content is not whole.
        JournalError: The journal cannot be read.
    """
    import importlib.util

    from rune_core.config import ShieldConfig
    from rune_core.policy.traces import runs_of_journal

    if importlib.util.find_spec("cryptography") is None:
        return None
    from rune_core.journal.segments import segments

    if not segments(ShieldConfig().journal_folder):
        return None
    session, kept = None, []
    for entry in open_journal():
        if entry.decision == decision:
            session = entry.session
            if entry.truncated:
                raise CliError(f"decision {decision}: its content was too long to be kept whole")
        kept.append(entry)
    if session is None:
        return None
    (run,) = runs_of_journal(entry for entry in kept if entry.session == session)
    return run, next(step for step in run.steps if step.decision == decision)


def _needs_cryptography() -> None:
    import importlib.util

    from rune_core.journal.keys import INSTALL

    if importlib.util.find_spec("cryptography") is None:
        raise CliError(f"the journal is encrypted by cryptography; {INSTALL}")


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="seconds")
