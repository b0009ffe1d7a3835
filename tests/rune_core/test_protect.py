from __future__ import annotations

import asyncio
import functools
import inspect

import pytest

from rune_core import ShieldBlockedError, UnguardableError
from rune_core.testing import FakeScanner, RecordingSink, shield_for_tests
from rune_scanner.finding import Threat

PHRASES = {"evil": Threat.PROMPT_INJECTION, "rm -rf": Threat.COMMAND_INJECTION}
CUT_ARGS = """
version: "1.0"
rules:
  - {name: cut, scanner: prompt_injection, surface: tool_call, action: redact, extent: span}
"""


def make(**settings):
    return shield_for_tests(FakeScanner(PHRASES), **settings)


def test_the_result_is_cut_and_the_function_keeps_its_face():
    @make().protect(tool="mail.read")
    def read(folder: str, *, limit: int = 3) -> list[str]:
        """Read."""
        return [f"{folder} {limit}", "evil"]

    assert read("inbox") == ["inbox 3", "[FAKE]"]
    assert (read.__name__, read.__doc__) == ("read", "Read.")
    assert list(inspect.signature(read).parameters) == ["folder", "limit"]


def test_a_call_is_stopped_before_it_happens():
    calls = []

    @make().protect
    def shell(command):
        calls.append(command)

    with pytest.raises(ShieldBlockedError):
        shell("rm -rf /")
    assert calls == []
    shell("ls")
    assert calls == ["ls"]


def test_replace_hands_on_a_message_and_log_goes_on():
    def shell(command):
        return f"ran {command}"

    assert "stopped by policy" in make(on_block="replace").protect(shell)("rm -rf /")
    assert make(on_block="log").protect(shell)("rm -rf /") == "ran rm -rf /"


def test_arguments_are_cut_wherever_they_stand():
    seen = []

    @make(policy=CUT_ARGS).protect
    def send(to, *parts, subject="evil default", **headers):
        seen.append((to, parts, subject, headers))

    send("bob", "evil part", 7, x="evil header", flag=True)
    assert seen == [
        ("bob", ("[FAKE] part", 7), "[FAKE] default", {"x": "[FAKE] header", "flag": True})
    ]


def test_arguments_that_are_not_cut_are_the_same_objects():
    seen = []
    handle = object()

    @make(policy=CUT_ARGS).protect
    def send(to, handle):
        seen.append((to, handle))

    send("evil", handle)
    assert seen[0][0] == "[FAKE]"
    assert seen[0][1] is handle


async def test_coroutine_functions_stay_coroutine_functions():
    @make().protect
    async def fetch(url):
        await asyncio.sleep(0)
        return f"evil {url}"

    assert inspect.iscoroutinefunction(fetch)
    assert await fetch("x") == "[FAKE]"
    with pytest.raises(ShieldBlockedError):
        await fetch("rm -rf")


async def test_a_stopped_coroutine_function_is_not_called():
    calls = []

    async def shell(command):
        calls.append(command)

    guarded = make(on_block="replace").protect(shell)
    assert "stopped by policy" in await guarded("rm -rf /")
    assert calls == []


async def test_a_plain_function_that_returns_a_coroutine_is_guarded():
    async def inner():
        return "evil"

    guarded = make().protect(tool="t")(lambda: inner())  # noqa: PLW0108 - plain on purpose
    assert await guarded() == "[FAKE]"


async def test_callable_objects_and_partials():
    class Tool:
        def __call__(self, x):
            return f"evil {x}"

    class AsyncTool:
        async def __call__(self, x):
            return f"evil {x}"

    def add(a, b):
        return f"evil {a + b}"

    shield = make()
    assert shield.protect(tool="t")(Tool())(1) == "[FAKE]"
    assert await shield.protect(tool="t")(AsyncTool())(1) == "[FAKE]"
    assert shield.protect(tool="t")(functools.partial(add, 1))(2) == "[FAKE]"
    assert shield.protect(tool="t")(sum)([1, 2]) == 3
    # max() does not tell its signature.
    assert shield.protect(tool="t")(max)(1, 2, key=abs) == 2


def test_self_is_not_an_argument():
    scanner = FakeScanner()
    shield = shield_for_tests(scanner)

    class Mailbox:
        secret = "kept out"

        @shield.protect
        def read(self, folder):
            return folder

        @classmethod
        @shield.protect
        def name(cls, x):
            return x

        @staticmethod
        @shield.protect
        def hint(x):
            return x

    assert Mailbox().read("inbox") == "inbox"
    assert Mailbox.name("n") == "n"
    assert Mailbox.hint("h") == "h"
    assert scanner.seen == ['{"folder": "inbox"}', "inbox", '{"x": "n"}', "n", '{"x": "h"}', "h"]


def test_wrong_arguments_are_refused_as_the_function_would():
    @make().protect(tool="mail")
    def send(to):
        return to

    with pytest.raises(TypeError, match=r"^send\(\) missing .* 'to'$"):
        send()
    with pytest.raises(TypeError, match=r"^send\(\) .*nonsense"):
        send("x", nonsense=1)


def generator():
    yield "evil"


async def agenerator():
    yield "evil"


class CallableGenerator:
    def __call__(self):
        yield "evil"


@pytest.mark.parametrize("function", [generator, agenerator, CallableGenerator(), int])
def test_generators_and_classes_are_refused_with_a_way_out(function):
    with pytest.raises(UnguardableError, match=r"guard|protect"):
        make().protect(function)


async def test_an_iterator_in_disguise_is_refused():
    shield = make()
    with pytest.raises(UnguardableError, match="return a list"):
        shield.protect(tool="t")(lambda: generator())()  # noqa: PLW0108 - plain on purpose

    async def sneaky():
        return agenerator()

    with pytest.raises(UnguardableError, match="return a list"):
        await shield.protect(sneaky)()


def test_the_functions_own_errors_pass_through():
    @make().protect
    def fails():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fails()


def test_the_result_points_to_its_call():
    sink = RecordingSink()
    shield = shield_for_tests(FakeScanner(), sink)
    shield.protect(tool="t")(lambda: "x")()
    shield.close()
    call, result = sink.events
    assert (call.event_type, result.event_type) == ("tool_call", "scan")
    assert result.parent_id == call.decision_id
    assert (call.sequence, result.sequence) == (1, 2)
