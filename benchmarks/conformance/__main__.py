"""Run the frameworks' own test-suites with and without a guard, and say what differs.

::

    python -m benchmarks.conformance [openai] [openai-agents] [langchain]
                                     [--work FOLDER] [--markdown FILE]

    # in pieces: what lies in --work already is not run again
    python -m benchmarks.conformance openai --work FOLDER --parts 3 --one 2 guarded
    python -m benchmarks.conformance openai --work FOLDER --parts 3

Each suite is taken from its source distribution into a temporary folder (LangChain's is made of
classes that are used here), with an environment of its own, and run against a server on loopback.
Tests that end differently are run again, alone, so that what is left is no accident. ``known.toml``
says which differences there are and why; the run fails when it meets another, or misses one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from benchmarks.conformance.suites import SUITES, Suite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
KNOWN = Path(__file__).with_name("known.toml")
MOST = 10
_PACKAGES = ("rune-scanner", "rune-core")


class Bench:
    """A suite, unpacked and with an environment of its own.

    Args:
        suite: The suite.
        work: Where to put it.
        workers: How many processes run its tests.
        known: The cases of it that are known to differ. They run alone, for some of them hang.
    """

    def __init__(self, suite: Suite, work: Path, workers: int, known: Iterable[str]) -> None:
        self.suite = suite
        self.known = sorted(known)
        self._workers = workers
        self.version = version(suite.requirement)
        self._work = work / suite.name
        self._python = self._work / "venv" / "bin" / "python"
        self._work.mkdir(parents=True, exist_ok=True)
        self._source = self._unpacked()
        if not self._python.exists():
            self._install()

    def _unpacked(self) -> Path:
        if self.suite.own:
            return Path(__file__).parent
        wanted = f"{self.suite.requirement}=={self.version}"
        if not list(self._work.glob("*.tar.gz")):
            _run(
                ["uv", "run", "--quiet", "--no-project", "--with", "pip", "python", "-m", "pip",
                 "download", "--quiet", "--no-deps",
                 "--no-binary", ":all:", "--dest", str(self._work), wanted]
            )  # fmt: skip
        (archive,) = self._work.glob("*.tar.gz")
        folder = self._work / archive.name.removesuffix(".tar.gz")
        if not folder.exists():
            with tarfile.open(archive) as packed:
                packed.extractall(self._work, filter="data")
        return folder

    def _install(self) -> None:
        _run(["uv", "venv", "--quiet", "--python", sys.executable, str(self._work / "venv")])
        packages = (*_PACKAGES, self.suite.adapter)
        ours = [arg for name in packages for arg in ("-e", str(ROOT / "packages" / name))]
        pinned = [f"{name}=={version(name)}" for name in self.suite.pinned]
        _run(
            ["uv", "pip", "install", "--quiet", "--python", str(self._python),
             *ours, *pinned, *self.suite.needs]
        )  # fmt: skip

    def outcomes(self, *, guarded: bool, part: tuple[int, int]) -> dict[str, str]:
        """How each test ends: ``passed``, ``failed``, ``error`` or ``skipped``, by its id.

        Args:
            guarded: With a guard or without one.
            part: Which part of the files, of how many. One that has run already is read again.
        """
        number, parts = part
        files = self._files()[number - 1 :: parts]
        report = self._work / f"{_way(guarded)}-{number}-of-{parts}.xml"
        if not report.exists():
            left_out = [f"--deselect={case}" for case in self.known]
            self._ran(
                report, guarded, ["-n", str(self._workers), "--timeout=60", *left_out, *files]
            )
        return _read(report)

    def again(self, tests: Sequence[str], *, guarded: bool) -> dict[str, str]:
        """How these tests end when they run alone and in turn."""
        report = self._work / f"{_way(guarded)}-again.xml"
        self._ran(report, guarded, ["--timeout=10", *tests])
        return _read(report)

    def _ran(self, report: Path, guarded: bool, what: Sequence[str]) -> None:
        report.unlink(missing_ok=True)
        command = [str(self._python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-o", "addopts=", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        command += ["--tb=short", *self.suite.options]
        if guarded:
            command += ["-p", self.suite.guard]
        command += what
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(self._work / "state"),
        }
        log = report.with_suffix(".log")
        with log.open("w") as out:
            subprocess.run(
                command, cwd=self._source, env=environment, stdout=out, stderr=out, check=False
            )
        if not report.exists():
            raise SystemExit(f"{self.suite.name}: pytest gave no report; see {log}")

    def _files(self) -> list[str]:
        """What is run, as paths below the source."""
        found: list[str] = []
        for path in self.suite.paths:
            whole = self._source / path
            if whole.is_file():
                found.append(path)
                continue
            for file in sorted(whole.rglob("test_*.py")):
                parts = file.relative_to(self._source).parts
                if not set(parts) & set(self.suite.leave_out) and (
                    self.suite.mentions in file.read_text(encoding="utf-8")
                ):
                    found.append("/".join(parts))
        return found


def _case(name: str) -> str:
    """A test with all its parameters."""
    return name.partition("[")[0]


def _way(guarded: bool) -> str:
    return "guarded" if guarded else "plain"


def _read(report: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        if not case.get("name") or not case.get("classname"):
            continue  # a file that could not be collected
        where = case.get("file") or (case.get("classname") or "").replace(".", "/") + ".py"
        group = (case.get("classname") or "").rpartition(".")[2]
        middle = f"{group}::" if group[:1].isupper() else ""
        kinds = {child.tag for child in case}
        outcome = next((k for k in ("failure", "error", "skipped") if k in kinds), "passed")
        name = f"{where}::{middle}{case.get('name')}"
        found[name] = {"failure": "failed"}.get(outcome, outcome)
    return found


@contextmanager
def serving(bench: Bench) -> Iterator[None]:
    """The server that a suite asks, while the block runs."""
    if not bench.suite.server:
        yield
        return
    server = subprocess.Popen(
        [str(bench._python), "-m", bench.suite.server, str(bench.suite.port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        print(server.stdout.readline().strip(), flush=True)
        yield
    finally:
        server.terminate()
        server.wait()


def compare(
    bench: Bench, parts: int
) -> tuple[Counter[str], Counter[str], dict[str, tuple[str, str]]]:
    """Run a suite both ways: counts without and with a guard, and the tests that differ."""
    plain: dict[str, str] = {}
    guarded: dict[str, str] = {}
    with serving(bench):
        for number in range(1, parts + 1):
            plain |= bench.outcomes(guarded=False, part=(number, parts))
            guarded |= bench.outcomes(guarded=True, part=(number, parts))
        differ = [name for name in plain if plain[name] != guarded.get(name, "missing")]
        differ += [name for name in guarded if name not in plain]
        # Alone and in turn: what only differed because a machine was busy does so no more.
        alone = [*bench.known, *(name for name in differ if _case(name) not in bench.known)]
        if alone:
            plain.update(bench.again(alone, guarded=False))
            guarded.update(bench.again(alone, guarded=True))
    left = {
        name: (plain.get(name, "missing"), guarded.get(name, "missing"))
        for name in sorted(plain.keys() | guarded.keys())
        if plain.get(name) != guarded.get(name)
    }
    return Counter(plain.values()), Counter(guarded.values()), left


def main() -> int:
    """Compare, print a table, and hold it against what is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=[suite.name for suite in SUITES])
    parser.add_argument("--work", type=Path, help="keep environments and sources here")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument(
        "--parts", type=int, default=1, metavar="N", help="go through a suite in N parts"
    )
    parser.add_argument(
        "--one",
        nargs=2,
        metavar=("PART", "WAY"),
        help="run one part, plain or guarded, and leave its report in --work for a later run",
    )
    args = parser.parse_args()
    known = tomllib.loads(KNOWN.read_text(encoding="utf-8"))
    work = args.work or Path(tempfile.mkdtemp(prefix="rune-conformance-"))
    rows, faults, total = [], [], 0
    for suite in (suite for suite in SUITES if suite.name in args.suites):
        bench = Bench(suite, work, args.workers, known.get(suite.name, ()))
        if args.one is not None:
            part, way = args.one
            with serving(bench):
                told = bench.outcomes(guarded=way == "guarded", part=(int(part), args.parts))
            print(f"{suite.name}: part {part}, {way}: {_told(Counter(told.values()))}", flush=True)
            continue
        plain, guarded, differ = compare(bench, args.parts)
        expected = known.get(suite.name, {})
        cases = set(map(_case, differ))
        rows.append(
            f"| {suite.name} {bench.version} | {_told(plain)} | {_told(guarded)} | {len(cases)} |"
        )
        for name, (before, after) in differ.items():
            mark = "known" if _case(name) in expected else "NEW"
            print(f"{suite.name}: {mark}: {name}: {before}, guarded {after}", flush=True)
        faults += [f"{suite.name}: differs: {case}" for case in sorted(cases - expected.keys())]
        faults += [f"{suite.name}: no longer differs: {c}" for c in expected if c not in cases]
        total += len(cases)
    if args.one is not None:
        return 0
    if total > MOST:
        faults.append(f"{total} cases differ, more than {MOST}")
    head = ["| suite | without a guard | guarded | differ |", "|---|---|---|---|"]
    table = "\n".join([*head, *rows])
    print(table)
    if args.markdown is not None:
        args.markdown.write_text(table + "\n", encoding="utf-8")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[k]} {k}" for k in ("passed", "failed", "error", "skipped"))


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
