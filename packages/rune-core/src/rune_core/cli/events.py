"""``rune events``: what was recorded here, what waits for a server, what the server refused."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter, deque
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import IO, TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from rune_core.action import Action
from rune_core.cli import event_log, spools
from rune_core.cli.exits import CliError, ExitCode
from rune_core.cli.text import columns, plural, printable
from rune_core.config import ShieldConfig
from rune_core.event.schema import Event
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.queue.rows import Figures
    from rune_core.queue.spool import Spool

app = typer.Typer(
    help="What was recorded, what waits for a server, what the server refused.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ActionOption = Annotated[Action | None, typer.Option(help="Only events with this action.")]
SurfaceOption = Annotated[Surface | None, typer.Option(help="Only events of this surface.")]
ToolOption = Annotated[str | None, typer.Option(help="Only events about this tool.")]
AgentOption = Annotated[str | None, typer.Option(help="Only events of this agent.")]
SinceOption = Annotated[
    str | None, typer.Option(help="Only events since then: 2h or 7d ago, or a date and time.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Format(StrEnum):
    """How events are exported."""

    JSONL = "jsonl"
    CSV = "csv"


@app.command()
def tail(
    number: Annotated[int, typer.Option("-n", "--number", min=0, help="How many.")] = 20,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with new ones until interrupted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each as JSON.")] = False,
    action: ActionOption = None,
    surface: SurfaceOption = None,
    tool: ToolOption = None,
    agent: AgentOption = None,
) -> None:
    """Show the last events of the local events file.

    \b
    Examples:
      rune events tail
      rune events tail -f --action block
    """  # noqa: D301 - \b keeps the lines below it apart
    path = ShieldConfig().events_file
    wanted = event_log.Filter(action, surface, tool, agent)
    last = deque((e for e in event_log.logged(path) if wanted.takes(e)), maxlen=number)
    for event in last:
        typer.echo(_line(event, as_json=as_json))
    if not follow:
        if not last and not as_json:
            typer.echo(f"no such events in {path}", err=True)
        return
    for event in event_log.follow(path):
        if wanted.takes(event):
            typer.echo(_line(event, as_json=as_json))


@app.command()
def stats(as_json: JsonOption = False, since: SinceOption = None) -> None:
    """Count the events of the local file, and say what waits for a server and what was lost."""
    config = ShieldConfig()
    wanted = event_log.Filter(since=event_log.moment(since))
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("action", "surface", "threat_type", "rule", "tool", "agent_id")
    }
    total = 0
    for event in event_log.logged(config.events_file):
        if not wanted.takes(event):
            continue
        total += 1
        for name, counter in counts.items():
            value = getattr(event, name)
            if value is not None:
                counter[value] += 1
    waiting = _spools(config)
    if as_json:
        report = {
            "events": total,
            **{f"by_{name}": dict(counter.most_common()) for name, counter in counts.items()},
            "spools": [
                {"name": name, "own": own, **msgspec.to_builtins(figures)}
                for name, own, figures in waiting
            ],
        }
        typer.echo(json.dumps(report, indent=2))
        return
    typer.echo(f"{plural(total, 'event')} in {config.events_file}")
    for name, counter in counts.items():
        most = counter.most_common(8)
        shown = ", ".join(f"{printable(value)} {count:,}" for value, count in most)
        if shown:
            typer.echo(f"  {name.ljust(12)} {shown}")
    if not waiting:
        typer.echo("nothing waits for a server")
    for name, own, figures in waiting:
        whose = "the configured server" if own else "another server or key"
        typer.echo(f"spool {name[:12]}, for {whose}")
        typer.echo(f"  waiting      {_depth(figures)}")
        typer.echo(f"  dead letters {figures.dead_letters:,}")
        losses = ", ".join(f"{reason} {count:,}" for reason, count in figures.losses.items())
        typer.echo(f"  lost so far  {losses or 'none'}")


@app.command()
def flush(
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to try.")] = 30.0,
    adopt: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SPOOL",
            help="First take over what waits in this spool, of a key that was replaced. "
            "See rune events stats for its name.",
        ),
    ] = None,
) -> None:
    """Send what waits to the server now. Exits 1 when something still waits afterwards."""
    from rune_core.queue.sender import Sender
    from rune_core.queue.store import Store

    config = ShieldConfig()
    connection = spools.connection_of(config)
    store = Store(
        spools.folder(),
        connection.identity,
        max_rows=config.spool_max_events,
        max_bytes=config.spool_max_bytes,
    )
    sender = Sender(
        connection,
        store,
        batch=config.event_batch_size,
        interval=config.event_flush_interval_seconds,
    )
    try:
        store.begin()
        if adopt is not None:
            moved = _adopt(adopt, store.spool, config)
            typer.echo(f"took over {plural(moved, 'event')}")
        deadline = time.monotonic() + seconds
        while not sender.flush(max(0.1, deadline - time.monotonic())):
            if sender.state.error or time.monotonic() > deadline:
                break
        left = store.figures()
        state = sender.state
    finally:
        sender.stop()
        connection.close()
        sender.join(1.0)
        store.close()
    if left is None:
        raise CliError(f"{store.spool.path} cannot be used: {store.trouble}")
    refused = f", {state.refused:,} refused (see rune events dead)" if state.refused else ""
    typer.echo(f"{plural(state.delivered, 'event')} delivered{refused}, {left.depth:,} left")
    if left.depth:
        if state.error:
            typer.echo(f"rune: {printable(state.error)}", err=True)
        raise typer.Exit(ExitCode.FINDINGS)


@app.command()
def export(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file; stdout by default.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="JSON lines, or CSV.")] = Format.JSONL,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="What waits for the server, not the events file.")
    ] = False,
    since: SinceOption = None,
    action: ActionOption = None,
    surface: SurfaceOption = None,
    tool: ToolOption = None,
    agent: AgentOption = None,
) -> None:
    """Write events as JSON lines or CSV. They hold metadata only, here as everywhere.

    \b
    Examples:
      rune events export --since 7d -o events.jsonl
      rune events export --format csv --action block
    """  # noqa: D301 - as above
    config = ShieldConfig()
    wanted = event_log.Filter(action, surface, tool, agent, event_log.moment(since))
    events = _waiting(config) if waiting else event_log.logged(config.events_file)
    with _to(output) as file:
        if form is Format.JSONL:
            for event in filter(wanted.takes, events):
                file.write(msgspec.json.encode(event).decode() + "\n")
            return
        fields = [field.name for field in msgspec.structs.fields(Event)]
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        for event in filter(wanted.takes, events):
            row = msgspec.to_builtins(event)
            writer.writerow({name: _cell(row.get(name)) for name in fields})


@app.command()
def dead(
    as_json: JsonOption = False,
    retry: Annotated[bool, typer.Option("--retry", help="Send them again.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Remove them.")] = False,
) -> None:
    """List the events that the server refused for good: when, why, and which.

    --retry puts them back into the queue, for when the server was mended; any process that sends
    events, or `rune events flush`, delivers them.
    """
    config = ShieldConfig()
    if retry and drop:
        raise CliError("--retry and --drop exclude each other")
    found = _own_or_all(config)
    letters = []
    changed = 0
    for each in found:
        with spools.opened(each, config) as spool:
            if retry:
                changed += spool.revive()
            elif drop:
                changed += spool.drop_dead_letters()
            else:
                letters += spool.dead_letters()
    if retry or drop:
        done = "put back into the queue" if retry else "removed"
        typer.echo(f"{plural(changed, 'dead letter')} {done}")
        return
    if as_json:
        rows = [
            {
                "at": _moment(letter.at),
                "code": letter.code,
                "reason": letter.reason,
                "event": json.loads(letter.body),
            }
            for letter in letters
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = []
    for letter in letters:
        event = msgspec.json.decode(letter.body)
        what = f"{event.get('event_type')} {event.get('surface')} {event.get('action')}"
        why = f"{letter.code}: {letter.reason}" if letter.reason else letter.code
        table.append((_moment(letter.at), letter.event_id, what, printable(why)))
    for line in columns(table):
        typer.echo(line)
    if not letters:
        typer.echo("no dead letters")


def _spools(config: ShieldConfig) -> list[tuple[str, bool, Figures]]:
    own = spools.own_name(config)
    found = []
    for name in spools.names():
        with spools.opened(name, config) as spool:
            found.append((name, name == own, spool.figures()))
    return sorted(found, key=lambda each: not each[1])


def _own_or_all(config: ShieldConfig) -> list[str]:
    """The spool of the configured server, if it is there; all of them where none is configured."""
    own = spools.own_name(config)
    return [name for name in spools.names() if own in (None, name)]


def _waiting(config: ShieldConfig) -> Iterator[Event]:
    for each in _own_or_all(config):
        with spools.opened(each, config) as spool:
            bodies = spool.waiting()
        yield from event_log.decoded(bodies)


def _adopt(name: str, target: Spool, config: ShieldConfig) -> int:
    """Move what waits in another spool; how many events there were."""
    from rune_core.queue.rows import Row

    found = [each for each in spools.names() if each.startswith(name)]
    if len(found) != 1:
        known = ", ".join(each[:12] for each in spools.names()) or "none"
        raise CliError(f"--from {name}: names {len(found)} spools; there are: {known}")
    if found[0] == target.name:
        return 0
    moved = 0
    with spools.opened(found[0], config) as source:
        source.sweep()
        while batch := source.claim("adopt", 500, 10_000_000):
            target.put("", [Row(*held[1:]) for held in batch])
            source.done(batch)
            moved += len(batch)
    return moved


def _line(event: Event, *, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(event).decode()
    parts = [
        event.timestamp,
        event.action.ljust(6),
        event.surface.ljust(15),
        f"{event.risk_score:.2f}",
        event.tool or "-",
    ]
    for name in ("rule", "threat_type", "agent_id", "approval"):
        value = getattr(event, name)
        if value is not None:
            parts.append(f"{name.removesuffix('_type').removesuffix('_id')}={value}")
    if event.event_type == "alert":
        parts.append("ALERT")
    if event.degraded:
        parts.append("degraded")
    return printable("  ".join(parts))


def _depth(figures: Figures) -> str:
    if not figures.depth:
        return "0"
    return (
        f"{figures.depth:,} ({figures.bytes:,} bytes), the oldest for "
        f"{figures.oldest_seconds:,.0f} s"
    )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _cell(value: Any) -> Any:
    """A CSV cell. One that a spreadsheet would take for a formula is made a text."""
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return value


@contextmanager
def _to(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        yield file
