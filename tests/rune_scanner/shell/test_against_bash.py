"""What is said to be only shown, Bash does not run; what is said to run as a command, it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rune_scanner.shell import Effect, Reading, ShellSyntaxError, parse

if TYPE_CHECKING:
    from pathlib import Path

BASH = shutil.which("bash")
PAYLOAD = "touch ran"

# `@` is where the payload stands, or a command that holds it.
QUOTED = (
    "'@'",
    '"@"',
    "@",
    '"note: @"',
    "'a' '@' 'b'",
    "'%s\\n' '@'",
    "$'@'",
)
SHOWING = (
    "echo @",
    "printf %s @",
    "printf '%s\\n' @",
    "echo @ > notes.txt",
    "echo @ >> run.sh",
    "grep -c @ /dev/null",
    "git commit --dry-run -m @",
    "test @ = x",
    "x=@",
    "true @",
    "cat <<< @",
    "bash <<< @",
    "eval @",
    "bash -c @",
    "bash -x -c @",
    "sh -s -- @ < /dev/null",
    "command echo @",
    "env A=1 echo @",
    "timeout 5 echo @",
    "timeout 5 bash -c @",
    "jq -n --arg a @ '$a'",
    "[[ 'a[$(touch ran)]' -eq 0 ]]",
    "test -v 'a[$(touch ran)]'",
    "GIT_DIR=. git grep -O@ x",
)
AROUND = (
    "# @",
    "@",
    "@ | cat",
    "@ | bash",
    "@ | bash -s",
    "@ | tr a a | sh",
    "@ | tee notes.txt",
    "@ | tee notes.txt > /dev/null; sh notes.txt",
    "@ | tee run.sh | wc -l; bash run.sh",
    "@ > notes.md; cat notes.md | bash",
    "@ > notes.md && bash < notes.md",
    "@ > notes.md; sh ./*.md",
    '@ > notes.md; eval "$(cat notes.md)"',
    "@ > notes.md; . ./notes.md",
    "@ | grep touch",
    "@ | sort -o run.txt; bash run.txt",
    "@ | uniq - run.txt; sh run.txt",
    "@ > run.txt; for f in *.txt; do sh $f; done",
    "@ > run.txt; chmod +x run.txt; ./*.txt",
    "@ | bash /dev/stdin",
    "@ | xargs -I{} bash -c {}",
    "@ | python3 -c 'import sys; sys.stdin.read()'",
    '@ | while read -r l; do eval "$l"; done',
    'eval "$(@)"',
    "$(@)",
    'echo "$(@)"',
    'echo "$(@)" | sh',
    "x=$(@); $x",
    "bash <(@)",
    "cat <(@)",
    "(@)",
    "(@) | sh",
    "{ @; }",
    "{ @; } | sh",
    "{ @; } > run.sh; sh run.sh",
    "if true; then @; fi",
    "if true; then @; fi | sh",
    "for i in 1; do @; done",
    "for i in 1; do @; done | sh",
    "while true; do @; break; done | bash",
    "f() { @; }; f | sh",
    "f() { @; }; f",
    'echo() { eval "$*"; }; @',
    "exec > >(bash); @",
    "ls && @",
    "false || @ |\n sh",
    "@ 2>&1 | sh",
    "@ >&2",
    "@ > /dev/null",
    "! @",
    "time @",
    "@ &\nwait",
    "@ # end",
    "echo `@`",
    "`@`",
    "cat <<EOF\n@\nEOF",
    "cat <<'EOF'\n@\nEOF",
    "cat <<EOF\n$(@)\nEOF",
    "bash <<'EOF'\n@\nEOF",
    "cat <<'EOF' > notes.md\n@\nEOF",
    "cat <<'EOF' | sh\n@\nEOF",
    "@ > >(sh)",
    "@ | tee >(sh) > /dev/null",
    'trap "@" EXIT',
)


@st.composite
def commands(draw: st.DrawFn) -> str:
    """A command somewhere in which the payload stands."""
    made = draw(st.sampled_from(SHOWING)).replace("@", draw(st.sampled_from(QUOTED)))
    for around in draw(st.lists(st.sampled_from(AROUND), max_size=3)):
        made = around.replace("@", made)
    return made.replace("@", PAYLOAD)


def run(command: str, folder: Path) -> bool:
    """Whether Bash ran the payload."""
    if BASH is None:
        message = "needs bash: apt-get install bash"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    assert BASH
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    subprocess.run(
        [BASH, "--norc", "-c", command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=20,
        check=False,
    )
    return (folder / "ran").exists()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commands())
def test_nothing_that_is_only_shown_is_run(tmp_path: Path, command: str) -> None:
    start = command.index(PAYLOAD)
    try:
        found = Reading(parse(command)).effect(start, start + len(PAYLOAD))
    except ShellSyntaxError:
        return
    if found is Effect.SHOWN:
        assert not run(command, tmp_path / "here"), command
