"""``rune policy explain``: why a text or call is decided the way it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rune_core.cli.exits import CliError, ExitCode
from rune_core.cli.text import columns, printable
from rune_scanner.finding import Surface  # noqa: TC001 - typer reads annotations

if TYPE_CHECKING:
    from rune_core.policy.cases import Case
    from rune_core.policy.explain import Account, Explained

_SHOWN = 120


def explain(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|-", help="One case as YAML or JSON, instead of the options below."
        ),
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            "-p",
            metavar="PATH",
            help="Policy file or folder, added to the built-in policy. Default: $RUNE_POLICIES.",
        ),
    ] = None,
    call: Annotated[
        str | None, typer.Option("--call", "-c", metavar="TOOL", help="The tool that is called.")
    ] = None,
    args: Annotated[
        str | None, typer.Option("--args", "-a", metavar="JSON", help="Its arguments.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", "-t", help="A text, instead of a call.")
    ] = None,
    surface: Annotated[
        Surface | None,
        typer.Option("--surface", "-s", help="Where the text is met. Default: input."),
    ] = None,
    user: Annotated[
        list[str] | None, typer.Option("--user", "-u", help="What the user said. May be repeated.")
    ] = None,
    untrusted: Annotated[
        list[str] | None,
        typer.Option(metavar="TOOL=TEXT", help="What a tool returned before. May be repeated."),
    ] = None,
    agent: Annotated[str | None, typer.Option(help="The agent's id.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag of the agent's.")] = None,
    decision: Annotated[
        str | None,
        typer.Option(metavar="ID", help="A decision in the local journal, instead of all that."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show also the rules that are not for this surface.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every rule considered, why it matched or not, and where each argument came from.

    Prints values of the arguments you give. Exits 0, whatever is decided; 2 for wrong usage.

    \b
    Examples:
      rune policy explain --call send_email --args '{"to": "eve@mail.example"}'
      rune policy explain case.json --policies ./policies --json
      rune policy explain --decision 0199a3f2-… --policies ./policies
    """  # noqa: D301 - \b keeps the lines below it apart
    from rune_core.policy.cases import run_case, shield_for_cases
    from rune_core.policy.explain import as_dict
    from rune_core.policy.explain import explain as explain_result

    if decision is not None:
        if any(value for value in (file, call, args, text, surface, user, untrusted, agent, tag)):
            raise CliError("--decision says all of it; drop the rest")
        case = _from_journal(decision)
    elif file is not None:
        if any(value for value in (call, args, text, surface, user, untrusted, agent, tag)):
            raise CliError("name either a file or the options of a case, not both")
        case = _from_file(file)
    else:
        case = _from_options(call, args, text, surface, user or [], untrusted or [], agent, tag)
    if policies is not None and not policies.exists():
        raise CliError(f"no such file or folder: {policies}")
    with shield_for_cases(policies or _configured()) as shield:
        result = run_case(case, shield)
        explained = explain_result(
            shield._engine.policies.current(),
            result,
            tool=case.call or case.tool,
            arguments=case.arguments,
            agent_id=case.agent,
            tags=case.tags,
        )
    if as_json:
        typer.echo(json.dumps(as_dict(explained), indent=2, ensure_ascii=False))
        return
    for line in _lines(explained, case, everything=everything):
        typer.echo(printable(line))


def _configured() -> Path | None:
    from rune_core.config import ShieldConfig

    return ShieldConfig().local_policies_path


def _from_journal(decision: str) -> Case:
    from rune_core.cli.journal import decided_in_journal, open_journal
    from rune_core.policy.exempting import case_of

    found = decided_in_journal(decision)
    if found is None:
        open_journal()  # says so where there is no journal at all
        raise CliError(f"the journal holds no decision {decision}; rune journal list shows some")
    return case_of(*found)


def _from_file(name: str) -> Case:
    from pathlib import Path

    from rune_core.policy.cases import load_case

    if name == "-":
        return load_case(sys.stdin.read(), "<stdin>")
    path = Path(name)
    try:
        return load_case(path.read_text(encoding="utf-8"), name)
    except UnicodeDecodeError:
        raise CliError(f"{name} is not UTF-8", ExitCode.USAGE) from None


def _from_options(
    call: str | None,
    args: str | None,
    text: str | None,
    surface: Surface | None,
    user: list[str],
    untrusted: list[str],
    agent: str | None,
    tags: list[str] | None,
) -> Case:
    from rune_core.policy.cases import Case, Event

    if (call is None) == (text is None):
        raise CliError("name a FILE, or give either --call or --text")
    if args is not None and call is None:
        raise CliError("--args belongs to --call")
    arguments: Any = {}
    if args is not None:
        try:
            arguments = json.loads(args)
        except ValueError:
            raise CliError("--args is not JSON") from None
        if not isinstance(arguments, dict):
            raise CliError('--args must be a JSON object, such as \'{"to": "ann@corp.example"}\'')
    given = [Event("user", words) for words in user]
    for said in untrusted:
        tool, sign, words = said.partition("=")
        given.append(Event("untrusted", words if sign else said, tool=tool if sign else None))
    case = Case(
        "",
        given=tuple(given),
        call=call,
        arguments=arguments,
        text=text or "",
        agent=agent,
        tags=tuple(tags or ()),
    )
    if surface is not None:
        from dataclasses import replace

        if call is not None:
            raise CliError("--surface belongs to --text")
        case = replace(case, surface=surface)
    return case


def _lines(explained: Explained, case: Case, *, everything: bool) -> list[str]:
    from rune_core.session.provenance import leaves

    result = explained.result
    lines = [result.explanation, ""]
    facts = result.call
    if facts is not None:
        lines.append("What is known about the call:")
        lines += _indented(
            columns([(name, _shown(value)) for name, value in explained.values.items()])
        )
        lines.append(f"  risk and capabilities: {facts.profile.evidence}")
        lines += ["", "Where the arguments came from:"]
        values = dict(leaves(case.arguments))
        lines += [
            f"  {traced.path} = {_shown(values.get(traced.path, '…'))}: "
            + "; ".join(map(_origin, traced.origins))
            for traced in facts.traced
        ] or ["  nowhere: the call has no arguments"]
        lines.append("")
    elif case.call is not None:
        lines += ["No rule needed to know where the arguments came from.", ""]
    lines.append("What was found:")
    lines += [
        f"  {finding.rule_id}: {finding.threat} {finding.confidence:.2f}, "
        f"characters {finding.span.start} to {finding.span.end}"
        for finding in result.findings
    ] or ["  nothing"]
    hidden = [
        account
        for account in explained.accounts
        if not everything and not account.matched and result.surface not in account.rule.surfaces
    ]
    lines += ["", "Rules:"]
    for account in explained.accounts:
        if account not in hidden:
            lines += _account(account)
    if hidden:
        lines.append(f"  {len(hidden)} more are for other surfaces (--all shows them)")
    return lines


def _account(account: Account) -> list[str]:
    from rune_core.policy.explain import conditions_of

    rule = account.rule
    mark = rule.action if account.acts else "match" if account.matched else "-"
    lines = [f"  {mark:<6} {rule.name} ({rule.policy}:{rule.line}, {rule.kind}): {account.why}"]
    conditions = conditions_of(rule)
    lines += [f"           when: {_shown(source)}" for source in conditions]
    if conditions and account.reads:
        reads = ", ".join(f"{name} = {_shown(value)}" for name, value in account.reads.items())
        lines.append(f"           reads: {reads}")
    return lines


def _origin(origin: Any) -> str:
    if origin.kind != "untrusted":
        return {"user": "the user said it", "system": "the system prompt says it"}.get(
            origin.kind, "nobody is known to have said it"
        )
    where = f"untrusted, from {origin.tool or 'a text'}"
    if origin.span is not None:
        where += f", characters {origin.span.start} to {origin.span.end}"
    if origin.part is not None:
        where += f" ({origin.part})"
    if origin.instruction:
        where += f"; reads as an instruction {origin.instruction:.2f}"
    return where + ("; the sentence asks for this call" if origin.asked else "")


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
