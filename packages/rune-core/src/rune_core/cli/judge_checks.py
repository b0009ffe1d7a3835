"""The judge in ``rune doctor``: is it configured, does it answer, can it keep to the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_core.cli.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.config import ShieldConfig

_AREA, _NAME = "layers", "l3_judge"
_TEXT = "The weather in Lisbon is mild today."


def judge(config: ShieldConfig) -> Iterator[Check]:
    """One line. Asks a configured judge about a harmless sentence of our own."""
    from rune_core.effects import drive
    from rune_core.errors import ConfigError
    from rune_core.layers.judge.judge import Judge, JudgeOutcome
    from rune_core.layers.judge.question import Question
    from rune_core.layers.judge.settings import JudgeSettings
    from rune_scanner.finding import Surface

    try:
        settings = JudgeSettings.of(config)
    except ConfigError as error:
        yield Check(_AREA, _NAME, "fail", str(error), "mend the setting, or unset RUNE_JUDGE_URL")
        return
    if settings is None:
        # Off is how it is meant to be unless someone asks for it.
        yield Check(_AREA, _NAME, "ok", "does not run: not configured")
        return
    where = f"{settings.model} at {settings.url}"
    if not config.l3_enabled:
        yield Check(_AREA, _NAME, "ok", f"does not run: disabled by configuration ({where})")
        return
    asked = Judge(settings)
    try:
        opinion = drive(asked.consult(Question(Surface.DOCUMENT, _TEXT)))
    finally:
        asked.close()
    if opinion.outcome is JudgeOutcome.DISAGREED:
        how = "" if asked.structured else ", without a schema: the provider does not take one"
        yield Check(
            _AREA, _NAME, "ok", f"{where} answered in {opinion.latency_ms / 1000:.1f} s{how}"
        )
    elif opinion.outcome is JudgeOutcome.AGREED:
        todo = "it takes a harmless sentence for an attack: choose another model"
        yield Check(_AREA, _NAME, "warn", f"{where} answered, wrongly", todo)
    else:
        todo = _TODO.get(opinion.reason, "try the address and the model with another client")
        yield Check(_AREA, _NAME, "fail", f"{where}: {opinion.reason}", todo)


_TODO = {
    "HTTP 401": "set RUNE_JUDGE_API_KEY to a valid key",
    "HTTP 403": "the key may not use this model: set another RUNE_JUDGE_MODEL or key",
    "HTTP 404": "RUNE_JUDGE_URL must be the address below which /chat/completions is, and "
    "RUNE_JUDGE_MODEL a model that it has",
    "cannot connect": "is the address right, and reachable from here?",
    "no answer in time": "raise RUNE_JUDGE_TIMEOUT_SECONDS, or choose a faster model",
    "the answer is not the JSON object asked for": "choose a model that can write JSON",
    "the answer does not carry the question's mark": "choose a more capable model",
}
