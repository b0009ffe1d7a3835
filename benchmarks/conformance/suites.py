"""The suites: where they come from, what they need, and how they are guarded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """One framework's test-suite, as its source distribution carries it.

    Attributes:
        name: Of the suite, on the command line and in the table.
        requirement: The distribution, without a version: that of the workspace's lock file is used.
        needs: What its tests import besides.
        paths: What is run of it.
        leave_out: Arguments of pytest that leave out what cannot be about a guard.
        guard: The plug-in that guards it.
        serves: Whether it asks a server at ``TEST_API_BASE_URL``.
    """

    name: str
    requirement: str
    needs: tuple[str, ...]
    paths: tuple[str, ...]
    leave_out: tuple[str, ...]
    guard: str
    serves: bool = False


_PYTEST = ("pytest", "pytest-asyncio", "pytest-xdist", "pytest-timeout", "pytest-mock")

SUITES = (
    Suite(
        "openai",
        "openai",
        (*_PYTEST, "inline-snapshot<0.30", "pillow", "azure-identity", "trio", "botocore", "rich",
         "griffe", "aiohttp", "websockets<16", "numpy", "pandas", "anyio"),
        ("tests",),
        ("--ignore=tests/lib/live", "--ignore=tests/lib/realtime"),
        "benchmarks.conformance.guard_openai",
        serves=True,
    ),
    Suite(
        "openai-agents",
        "openai-agents",
        (*_PYTEST, "inline-snapshot", "python-dotenv", "sqlalchemy", "aiosqlite", "cryptography",
         "graphviz", "fastapi", "numpy", "websockets<16", "rich"),
        ("tests",),
        tuple(
            f"--ignore=tests/{name}"
            for name in ("sandbox", "realtime", "voice", "extensions", "docs", "fastapi")
        ),
        "benchmarks.conformance.guard_agents",
    ),
)  # fmt: skip
