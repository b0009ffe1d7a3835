"""Replay AgentDojo through the guard: `python -m benchmarks.agentdojo_replay --help`."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import logging
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import rune_core
from benchmarks.agentdojo_replay import suites
from benchmarks.agentdojo_replay.journal import Journal
from benchmarks.agentdojo_replay.replay import (
    TEMPLATES,
    Scripts,
    replay_attacked,
    replay_honest,
)
from benchmarks.agentdojo_replay.report import Done, figures, markdown
from benchmarks.agentdojo_replay.rows import DEFAULT_ROWS, ROWS, why_not
from rune_scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.agentdojo_replay.suites import Suite
    from rune_core import Shield

ROOT = Path(__file__).resolve().parents[2]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.agentdojo_replay",
        description="Replay AgentDojo's tasks and attacks through the guard, without an LLM.",
    )

    def names(option: str, known: Sequence[str], chosen: Sequence[str], doc: str) -> None:
        def read(text: str) -> list[str]:
            given = [name.strip() for name in text.split(",") if name.strip()]
            wrong = [name for name in given if name not in known]
            if wrong or not given:
                raise argparse.ArgumentTypeError(
                    f"{', '.join(wrong) or 'nothing'}: choose from {', '.join(known)}"
                )
            return [name for name in known if name in given]

        parser.add_argument(
            option, type=read, default=list(chosen), metavar="A,B",
            help=f"{doc}: {', '.join(known)}; by default {', '.join(chosen)}",
        )  # fmt: skip

    names("--templates", tuple(TEMPLATES), tuple(TEMPLATES), "attacks")
    names("--suites", suites.SUITES, suites.SUITES, "suites")
    names("--layers", tuple(ROWS), DEFAULT_ROWS, "which parts of the guard are on, one row each")
    parser.add_argument("--resume", action="store_true", help="go on where a run was interrupted")
    parser.add_argument(
        "--journal", type=Path, default=ROOT / "out" / "agentdojo_replay.jsonl",
        help="finished runs; by default out/agentdojo_replay.jsonl",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="results file (JSON); by default none is written")
    parser.add_argument("--markdown", type=Path, help="report; by default it goes to stdout")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Make every run that is not in the journal yet, then write results and report."""
    args = _arguments(argv)
    if not suites.available():
        sys.stderr.write(f"agentdojo is not installed; run: {suites.GET_IT}\n")
        return 2
    logging.getLogger("rune_core").setLevel(logging.ERROR)
    shields = {name: ROWS[name].shield() for name in args.layers}
    skipped = {name: why for name in args.layers if (why := why_not(ROWS[name], shields[name]))}
    for name, why in skipped.items():
        sys.stderr.write(f"row {name} is skipped: {why}\n")
        shields.pop(name).close()
    if not shields:
        sys.stderr.write("no row is left to measure\n")
        return 2
    rules = Scanner().rules.revision
    versions = _versions(rules)
    policies = {name: shield.policy_revision for name, shield in shields.items()}
    revisions = {name: _revision(versions, policy) for name, policy in policies.items()}
    journal = Journal(args.journal, revisions, resume=args.resume)
    console = Console(stderr=True)
    try:
        with console.status("Loading AgentDojo"):
            scripts = [Scripts(suite) for suite in suites.load(args.suites)]
        runs = _measure(scripts, args.templates, shields, journal, console)
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted; go on with --resume (journal: {args.journal})\n")
        return 130
    finally:
        journal.close()
        for shield in shields.values():
            shield.close()
    results = {
        "benchmark": "agentdojo_replay",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": versions,
        "policies": policies,
        "skipped": skipped,
        "templates": args.templates,
        **figures(runs),
    }
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
        args.out.write_text(text, encoding="utf-8")
    report = markdown(results)
    if args.markdown:
        args.markdown.parent.mkdir(parents=True, exist_ok=True)
        args.markdown.write_text(report, encoding="utf-8")
    else:
        print(report)
    return 0


def _measure(
    scripts: Sequence[Scripts],
    templates: Sequence[str],
    shields: Mapping[str, Shield],
    journal: Journal,
    console: Console,
) -> list[Done]:
    pairs = [list(script.pairs()) for script in scripts]
    each = sum(len(script.suite.user_tasks) for script in scripts)
    each += sum(len(found) for found in pairs) * len(templates)
    runs: list[Done] = []
    with Progress(
        TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), console=console,
    ) as progress:  # fmt: skip
        task = progress.add_task("", total=each * len(shields))
        for script, found in zip(scripts, pairs, strict=True):
            for run in _suite(script, found, templates, shields, journal):
                runs.append(run)
                progress.update(task, advance=1, description=f"{run.suite} {run.user}")
    return runs


def _suite(
    scripts: Scripts,
    pairs: Sequence[tuple[Any, Any]],
    templates: Sequence[str],
    shields: Mapping[str, Shield],
    journal: Journal,
) -> Iterator[Done]:
    suite: Suite = scripts.suite
    for user in suite.user_tasks.values():
        keys = {row: (row, suite.name, user.id, "", "") for row in shields}
        if any(key not in journal for key in keys.values()):
            steps = scripts.honest(user)
        for row, key in keys.items():
            if key not in journal:
                run = Done(*key, outcome=replay_honest(shields[row], user.text, steps))
                journal.add(run)
                yield run
            else:
                yield journal.get(key)
    for user, injection in pairs:
        for template in templates:
            keys = {row: (row, suite.name, user.id, injection.id, template) for row in shields}
            if any(key not in journal for key in keys.values()):
                script = scripts.attacked(user, injection, template)
            for row, key in keys.items():
                if key not in journal:
                    found = replay_attacked(shields[row], suite, script) if script else None
                    run = Done(*key, outcome=found)
                    journal.add(run)
                    yield run
                else:
                    yield journal.get(key)


def _versions(rules: str) -> dict[str, str]:
    return {
        "agentdojo": suites.version(),
        "rune-core": importlib.metadata.version("rune-core"),
        "commit": _commit(),
        "rules": rules,
        "Python": platform.python_version(),
    }


def _revision(versions: Mapping[str, str], policy: str) -> str:
    text = json.dumps([versions, policy], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _commit() -> str:
    """The commit that is measured, and whether packages differ from it."""
    source = Path(rune_core.__file__).resolve().parents[4]

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=source, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "packages")
        return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
