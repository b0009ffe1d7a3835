"""``rune policy except``: the narrowest exception for one decision, with a case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rune_core.cli.exits import CliError
from rune_core.cli.journal import decided_in_journal
from rune_core.cli.text import joined, printable
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from rune_core.config import ShieldConfig
    from rune_core.event.schema import Event
    from rune_core.policy.exempting import LiftedRule, Proposal
    from rune_core.policy.model import PolicyFile


def except_decision(
    decision: Annotated[
        str,
        typer.Argument(
            help="The id of a decision, as messages, results and events show it.",
            metavar="DECISION",
        ),
    ],
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            "-p",
            metavar="PATH",
            help="Policy file or folder, added to the built-in policy. Default: $RUNE_POLICIES.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why it is excepted.")] = "a false positive",
    any_agent: Annotated[
        bool, typer.Option("--any-agent", help="Not only for the agent it happened to.")
    ] = False,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Add both to the policy file of the rule and to its cases, not print."
        ),
    ] = False,
) -> None:
    """Make the narrowest exception that lifts one decision, and a case that shows it.

    The decision is looked up in the local journal, which knows the content; else in the events
    file, which knows the rule, tool and agent, and then there is no case and the exception is as
    wide as these.

    \b
    Examples:
      rune policy except 0199a3f2-… --policies ./policies
      rune policy except 0199a3f2-… --reason "our own newsletter" --write
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.config import ShieldConfig
    from rune_core.policy.exempting import CannotExceptError, propose

    config = ShieldConfig()
    location = policies or config.local_policies_path
    if location is not None and not location.exists():
        raise CliError(f"no such file or folder: {location}")
    found = decided_in_journal(decision)
    try:
        if found is not None:
            run, step = found
            agent = None if any_agent else run.agent
            proposal = propose(run, step, location, reason=reason, agent=agent)
        else:
            proposal = _from_events(decision, config, location, reason, any_agent=any_agent)
    except CannotExceptError as error:
        raise CliError(f"decision {decision}: {error}") from None
    if write:
        _write(proposal, location)
    else:
        _print(proposal)


def _from_events(
    decision: str, config: ShieldConfig, location: Path | None, reason: str, *, any_agent: bool
) -> Proposal:
    from rune_core.ids import MASKED_NAME
    from rune_core.policy.exempting import propose_blind

    event = _event(decision, config)
    if event is None:
        raise CliError(
            f"decision {decision} stands neither in the journal ({config.journal_folder}) nor in "
            f"the events file ({config.events_file}); was it made on this machine?"
        )
    if MASKED_NAME in (event.tool, event.rule):
        raise CliError(
            f"decision {decision}: the event names the tool or rule only as {MASKED_NAME!r}; with "
            "RUNE_JOURNAL_ENABLED=1 the next one can be excepted"
        )
    agent = None if any_agent or event.agent_id == MASKED_NAME else event.agent_id
    return propose_blind(
        _rules(event, location),
        Surface(event.surface),
        event.tool,
        agent,
        reason=reason,
        decision=decision,
    )


def _event(decision: str, config: ShieldConfig) -> Event | None:
    import msgspec

    from rune_core.event.schema import Event

    decoder = msgspec.json.Decoder(Event)
    path = config.events_file
    older = (path.with_name(f"{path.name}.{number}") for number in range(1, config.events_keep + 1))
    wanted = decision.encode("ascii", "replace")
    for file in (path, *older):
        if not file.exists():
            continue
        with file.open("rb") as lines:
            for line in lines:
                if wanted in line:
                    try:
                        event = decoder.decode(line)
                    except msgspec.MsgspecError:
                        continue
                    if event.decision_id == decision and event.event_type != "alert":
                        return event
    return None


def _rules(event: Event, location: Path | None) -> list[LiftedRule]:
    """The rules that stopped it; their detectors are those of the event that they look at."""
    from rune_core.action import Action
    from rune_core.policy.compiled_rule import CompiledRule
    from rune_core.policy.exempting import LiftedRule
    from rune_core.policy.load import load_default, load_files
    from rune_core.policy.model import DataProtectionMatch, ScannerMatch
    from rune_scanner import builtin_rules

    files = [load_default(), *(() if location is None else load_files(location))]
    known = {(file.name, rule.name): rule for file in files for rule in file.rules}
    threats = {rule.id: rule for rule in builtin_rules()}
    found = []
    for entry in event.rules:
        if entry.monitored or entry.excepted or entry.kind == "failure":
            continue
        if Action(entry.action).rank < Action.REDACT.rank:
            continue
        detectors: tuple[str, ...] = ()
        rule = known.get((entry.policy, entry.rule))
        if rule is not None and isinstance(rule.match, ScannerMatch | DataProtectionMatch):
            compiled, match = CompiledRule(rule, ()), rule.match
            detectors = tuple(
                name
                for name in event.detectors
                if name not in threats
                or (
                    isinstance(match, ScannerMatch)
                    and threats[name].threat in match.threats
                    and _counts(compiled, threats[name])
                )
                or (isinstance(match, DataProtectionMatch) and _counts(compiled, threats[name]))
            )
        found.append(LiftedRule(entry.rule, entry.policy, detectors))
    return found


def _counts(rule: Any, detector: Any) -> bool:
    from rune_scanner.finding import Finding, Span

    finding = Finding(
        detector.id,
        detector.threat,
        detector.severity,
        detector.confidence,
        Span(0, 0),
        Surface.INPUT,
        label=detector.label,
    )
    return bool(rule.counts(finding))


def _print(proposal: Proposal) -> None:
    where = joined(sorted({f"{rule.rule} ({rule.policy})" for rule in proposal.rules}))
    typer.echo(printable(f"# Lifts {where}. Put it into that policy, or into any for default's."))
    for line in proposal.yaml().splitlines():
        typer.echo(printable(line))
    for note in proposal.notes:
        typer.echo(printable(f"# {note}"))
    typer.echo("")
    if proposal.case is None:
        typer.echo(
            "# No case: the events file holds no content. Where RUNE_JOURNAL_ENABLED=1 is set, the "
            "exception is narrower and comes with one."
        )
        return
    typer.echo("# The case, for the file of cases beside it:")
    for line in proposal.case_yaml().splitlines():
        typer.echo(printable(line))


def _write(proposal: Proposal, location: Path | None) -> None:
    from rune_core.policy.appending import appended, replace_file
    from rune_core.policy.cases import cases_path, load_cases
    from rune_core.policy.load import load_files

    target = _target(proposal, location)
    before = target.read_text(encoding="utf-8") if target.exists() else 'version: "1.0"\n'
    text = appended(before, "exceptions", proposal.exceptions, str(target))
    replace_file(target, text, load_files)
    typer.echo(printable(f"exception added to {target}"))
    if proposal.case is not None:
        beside = cases_path(target)
        if beside.exists():
            old = beside.read_text(encoding="utf-8")
            cases = appended(old, "cases", [proposal.case], str(beside))
        else:
            cases = proposal.case_yaml()
        replace_file(beside, cases, load_cases)
        typer.echo(printable(f"case added to {beside}"))
    for note in proposal.notes:
        typer.echo(printable(f"note: {note}"))


def _target(proposal: Proposal, location: Path | None) -> Path:
    """The policy file that holds the rules; for built-in ones a file of exceptions."""
    from rune_core.policy.exempting import is_builtin
    from rune_core.policy.load import load_files

    if location is None:
        raise CliError("--write needs a place: name your policies with --policies")
    own = [rule for rule in proposal.rules if not is_builtin(rule)]
    if not own:
        return location if location.is_file() else location / "exceptions.yaml"
    files: dict[str, PolicyFile] = {file.name: file for file in load_files(location)}
    missing = sorted({rule.policy for rule in own if rule.policy not in files})
    if missing:
        raise CliError(
            f"the rule is in policy {joined(missing)}, which is not in {location}: it comes from a "
            "server, and only an exception there lifts it"
        )
    return Path(files[own[0].policy].path)
