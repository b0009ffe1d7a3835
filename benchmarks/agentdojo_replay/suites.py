"""Suites of tasks with tools that really run: the interface, and AgentDojo behind it.

AgentDojo is a dependency of this benchmark only; nothing but ``load`` imports it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SUITES = ("workspace", "travel", "banking", "slack")
VERSION = "v1.2.2"
"""The version of AgentDojo's suites; another thing than the version of its package."""
GET_IT = "uv run --with agentdojo==0.1.35 python -m benchmarks.agentdojo_replay"


class Call(NamedTuple):
    """One tool call."""

    tool: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A user's task or an injected one.

    Attributes:
        id: Its name in the suite.
        text: What the user says, or what the injection wants.
        calls: The calls that solve it, given an environment in which none was made.
        prepare: Makes an environment ready for it.
    """

    id: str
    text: str
    calls: Callable[[Any], Sequence[Call]]
    prepare: Callable[[Any], Any] = lambda environment: environment


class Suite(Protocol):
    """Tasks, and an environment their tools work in."""

    @property
    def name(self) -> str: ...

    @property
    def user_tasks(self) -> Mapping[str, Task]: ...

    @property
    def injection_tasks(self) -> Mapping[str, Task]: ...

    @property
    def places(self) -> Sequence[str]:
        """Where an environment can be injected."""

    def environment(self, injections: Mapping[str, str]) -> Any:
        """A fresh environment with these texts at these places."""

    def copy(self, environment: Any) -> Any:
        """An independent copy."""

    def state(self, environment: Any) -> object:
        """All of it, as a value that can be compared."""

    def run(self, environment: Any, call: Call) -> str:
        """Make a call; give the text the agent would read, errors included."""


def available() -> bool:
    """Whether AgentDojo is installed."""
    return importlib.util.find_spec("agentdojo") is not None


def version() -> str:
    """AgentDojo's, and that of its suites."""
    return f"{importlib.metadata.version('agentdojo')} (suites {VERSION})"


def load(names: Sequence[str]) -> list[Suite]:
    """AgentDojo's suites of these names."""
    from agentdojo.task_suite.load_suites import get_suites

    suites = get_suites(VERSION)
    return [_AgentDojoSuite(suites[name]) for name in names]


class _AgentDojoSuite:
    """One of AgentDojo's suites. Environments are read by libyaml and kept, for speed."""

    def __init__(self, suite: Any) -> None:
        from agentdojo.functions_runtime import FunctionsRuntime

        self._suite = suite
        self._runtime = FunctionsRuntime(suite.tools)
        self._defaults: dict[str, str] = suite.get_injection_vector_defaults()
        self._kept = lru_cache(maxsize=256)(self._read)
        self.name: str = suite.name
        self.places = tuple(self._defaults)
        self.user_tasks = {
            key: Task(key, task.PROMPT, _calls(task), task.init_environment)
            for key, task in suite.user_tasks.items()
        }
        self.injection_tasks = {
            key: Task(key, task.GOAL, _calls(task)) for key, task in suite.injection_tasks.items()
        }

    def environment(self, injections: Mapping[str, str]) -> Any:
        return self.copy(self._kept(tuple(sorted(injections.items()))))

    def _read(self, injections: tuple[tuple[str, str], ...]) -> Any:
        from agentdojo.task_suite.task_suite import read_suite_file

        # As load_and_inject_default_environment does it, which parses in Python: 0.4 s, not 0.03.
        text = read_suite_file(self.name, "environment.yaml", self._suite.data_path)
        filled = text.format(**{**self._defaults, **dict(injections)})
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return self._suite.environment_type.model_validate(yaml.load(filled, Loader=loader))

    def copy(self, environment: Any) -> Any:
        return environment.model_copy(deep=True)

    def state(self, environment: Any) -> object:
        return environment.model_dump()

    def run(self, environment: Any, call: Call) -> str:
        from agentdojo.agent_pipeline.tool_execution import tool_result_to_str

        result, error = self._runtime.run_function(environment, call.tool, call.args)
        return str(tool_result_to_str(result)) if error is None else str(error)


def _calls(task: Any) -> Callable[[Any], Sequence[Call]]:
    return lambda environment: [
        Call(call.function, dict(call.args)) for call in task.ground_truth(environment)
    ]
