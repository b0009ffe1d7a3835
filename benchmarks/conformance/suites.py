"""The suites: where they come from, what they need, and how they are guarded."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """One framework's test-suite: as its source distribution carries it, or made here of its parts.

    Attributes:
        name: Of the suite, on the command line and in the table.
        requirement: The distribution, without a version: that of the workspace's lock file is used.
        adapter: Rune's package for it.
        pinned: Other distributions that are used in the versions of the lock file.
        needs: What its tests import besides.
        paths: What is run of it; what this version does not have is passed over.
        leave_out: Folders in them that a guard has nothing to do with.
        guard: The plug-in that guards it.
        server: The module of the server that it asks; it takes a port.
        port: The one that the suite asks.
        mentions: Only files with these words in them are run.
        own: Whether its tests lie beside this file.
        options: More for pytest's command line.
    """

    name: str
    requirement: str
    adapter: str
    pinned: tuple[str, ...]
    needs: tuple[str, ...]
    paths: tuple[str, ...]
    leave_out: tuple[str, ...]
    guard: str
    server: str = ""
    port: int = 0
    mentions: str = ""
    own: bool = False
    options: tuple[str, ...] = ()


_PYTEST = ("pytest", "pytest-asyncio", "pytest-xdist", "pytest-timeout", "pytest-mock")

_ANSWERS = ("chat", "responses", "conversations", "audio", "images", "realtime", "beta/threads")
"""Endpoints whose requests or answers a guarded client reads."""

SUITES = (
    Suite(
        "openai",
        "openai",
        "rune-openai",
        ("openai",),
        (
            *_PYTEST,
            "inline-snapshot<0.30",
            "pillow",
            "azure-identity",
            "trio",
            "botocore",
            "rich",
            "griffe",
            "aiohttp",
            "websockets<16",
            "numpy",
            "pandas",
            "anyio",
        ),
        (
            *(f"tests/api_resources/{name}" for name in _ANSWERS),
            *(
                f"tests/api_resources/test_{name}.py"
                for name in (
                    "completions",
                    "embeddings",
                    "files",
                    "models",
                    "moderations",
                    "responses",
                    "images",
                    "conversations",
                )
            ),
            "tests/lib/chat",
            "tests/lib/responses",
            "tests/lib/streaming",
            "tests/lib/test_azure.py",
            "tests/lib/test_assistants.py",
            "tests/lib/test_audio.py",
            "tests/test_client.py",
            "tests/test_streaming.py",
            "tests/test_response.py",
            "tests/test_legacy_response.py",
            "tests/test_sse_framing.py",
            "tests/test_stream_mode.py",
            "tests/test_httpx_compat.py",
            "tests/test_httpx2.py",
            "tests/test_httpx2_base.py",
            "tests/test_status_error_messages.py",
            "tests/test_multipart_encoding.py",
            "tests/test_required_args.py",
        ),
        (),
        "benchmarks.conformance.guard_openai",
        server="benchmarks.conformance.api_server",
        port=4010,
    ),
    Suite(
        "openai-agents",
        "openai-agents",
        "rune-openai",
        ("openai", "openai-agents", "mcp"),
        (
            *_PYTEST,
            "inline-snapshot",
            "python-dotenv",
            "sqlalchemy",
            "aiosqlite",
            "cryptography",
            "graphviz",
            "fastapi",
            "numpy",
            "websockets<16",
            "rich",
        ),
        ("tests",),
        ("sandbox", "realtime", "voice", "extensions", "docs", "fastapi", "fixtures"),
        "benchmarks.conformance.guard_agents",
        mentions="Agent(",
    ),
    Suite(
        "langchain",
        "langchain-tests",
        "rune-langchain",
        ("langchain", "langchain-core", "langgraph", "langchain-tests"),
        (*_PYTEST, "langchain-openai"),
        ("langchain_cases.py",),
        (),
        "benchmarks.conformance.guard_langchain",
        server="benchmarks.conformance.chat_server",
        port=4011,
        own=True,
        # Rune's own settings for pytest are not for it. The client's connections belong to a loop.
        options=(
            *("-c", os.devnull, "--rootdir=.", "-o", "asyncio_mode=auto"),
            *("-o", "asyncio_default_test_loop_scope=session"),
            *("-o", "asyncio_default_fixture_loop_scope=session"),
        ),
    ),
)
