"""What the judge answered, read strictly: anything else than an answer is an error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from rune_scanner.finding import Threat

JudgedThreat = Literal[
    "prompt_injection",
    "jailbreak",
    "data_exfiltration",
    "system_prompt_leak",
    "tool_manipulation",
    "command_injection",
    "privilege_escalation",
    "none",
]
_Confidence = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class MalformedAnswerError(Exception):
    """What came back is no answer. The message says why, and holds nothing of it."""


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON object that the judge has to write. It has no room for words."""

    mark: str
    attack: bool
    attack_confidence: _Confidence
    threat: JudgedThreat
    serves_user: Literal["yes", "no", "unclear"]
    serves_confidence: _Confidence


@dataclass(frozen=True, slots=True)
class JudgeAnswer:
    """What the judge thinks.

    Attributes:
        attack: How sure it is that this is an attack on the agent, 0 to 1; 0 when it is none.
        threat: What kind; None when it is none.
        strays: How sure it is that a call does not serve what the user asked for, 0 to 1.
    """

    attack: float
    threat: Threat | None
    strays: float

    @property
    def agrees(self) -> bool:
        """Whether it shares the suspicion."""
        return self.attack > 0 or self.strays > 0


_KEYS: Final = tuple(item.name for item in msgspec.structs.fields(Verdict))
MAX_CONFIDENCE: Final = 0.95
"""A model's own figure is no measurement: it is never taken for certain."""


def schema() -> dict[str, Any]:
    """The JSON Schema of an answer, in the subset that providers accept as ``strict``."""
    number = {"type": "number"}
    return {
        "type": "object",
        "properties": {
            "mark": {"type": "string"},
            "attack": {"type": "boolean"},
            "attack_confidence": number,
            "threat": {"type": "string", "enum": list(JudgedThreat.__args__)},  # type: ignore[attr-defined]
            "serves_user": {"type": "string", "enum": ["yes", "no", "unclear"]},
            "serves_confidence": number,
        },
        "required": list(_KEYS),
        "additionalProperties": False,
    }


def read(text: str, mark: str, *, about_call: bool) -> JudgeAnswer:
    """Read what the judge wrote.

    Args:
        text: The content of its message: one JSON object, alone or in one fenced block.
        mark: The mark of the question. An answer without it may have been copied from the evidence.
        about_call: Whether it was asked if a call serves the user.

    Raises:
        MalformedAnswerError: It is no such object, or lacks the mark.
    """
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.removeprefix("```").removesuffix("```").removeprefix("json").strip()
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
        verdict = msgspec.convert(value, Verdict)
    except MalformedAnswerError:
        raise
    except (ValueError, RecursionError, msgspec.ValidationError):
        raise MalformedAnswerError("the answer is not the JSON object asked for") from None
    if verdict.mark != mark:
        raise MalformedAnswerError("the answer does not carry the question's mark")
    attack = min(verdict.attack_confidence, MAX_CONFIDENCE) if verdict.attack else 0.0
    strays = about_call and verdict.serves_user == "no"
    threat = Threat.PROMPT_INJECTION if verdict.threat == "none" else Threat(verdict.threat)
    return JudgeAnswer(
        attack=attack,
        threat=threat if attack else None,
        strays=min(verdict.serves_confidence, MAX_CONFIDENCE) if strays else 0.0,
    )


def content_of(body: bytes) -> tuple[str, int]:
    """The message in a provider's answer, and the tokens it says were used (0 if it does not).

    Raises:
        MalformedAnswerError: There is no message.
    """
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message = choice["message"]
        content = message.get("content")
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        raise MalformedAnswerError("the provider's answer holds no message") from None
    if choice.get("finish_reason") == "length":
        raise MalformedAnswerError("the answer was cut short")
    if not isinstance(content, str) or not content.strip():
        raise MalformedAnswerError("the judge refused to answer, or wrote nothing")
    usage = answer.get("usage")
    used = usage.get("total_tokens") if isinstance(usage, dict) else 0
    return content, used if isinstance(used, int) and 0 <= used < 10_000_000 else 0


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise MalformedAnswerError("the answer says the same thing twice")
    return made


def _no_constant(name: str) -> float:
    raise ValueError(name)
