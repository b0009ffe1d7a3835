"""What ``rune doctor`` says about the layers, and about the files that layer 2 reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rune_core.cli.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_core.config import ShieldConfig

AREA = "layers"


def layers(config: ShieldConfig) -> Iterator[Check]:
    """Which layers run; where one cannot, why, and what to do."""
    if config.l1_enabled:
        yield Check(AREA, "l1_rules", "ok", "on")
    else:
        todo = "unset RUNE_L1_ENABLED or set it to 1"
        yield Check(AREA, "l1_rules", "warn", "switched off by configuration", todo)
    yield from _vector(config)
    from rune_core.cli.judge_checks import judge

    yield from judge(config)


def _vector(config: ShieldConfig) -> Iterator[Check]:
    from rune_core.errors import ConfigError, ModelError
    from rune_core.layers.l2_vector import VectorLayer

    if config.l2_enabled and config.calibration_file is not None:
        from rune_core.layers.calibration import load

        try:
            load(config.calibration_file)
        except ConfigError as error:
            yield Check(
                AREA, "calibration", "fail", str(error), "a Shield refuses to start with this"
            )
        else:
            yield Check(AREA, "calibration", "ok", str(config.calibration_file))
    vector = VectorLayer(enabled=config.l2_enabled, folder=config.l2_model)
    try:
        reason = vector.skip_reason(None, ())
        revision = vector.revision
        if reason is None:
            _ = vector.model
    except (ConfigError, ModelError) as error:
        todo = "until then layer 2 fails on every text, and says so"
        yield Check(AREA, "l2_vector", "fail", str(error), todo)
        return
    if reason is not None:
        yield Check(
            AREA,
            "l2_vector",
            "warn",
            f"does not run: {reason}. Injections in words that no rule knows can pass",
            "pip install 'rune-core[vector]'" if "[vector]" in reason else "",
        )
        return
    yield Check(AREA, "l2_vector", "ok", f"on, revision {revision}")
    yield from _memory(config.attack_memory_location)


def _memory(location: str) -> Iterator[Check]:
    """What is remembered. A folder of Chroma's that is not there yet is not made."""
    from rune_core.errors import ConfigError
    from rune_core.layers.remembering import open_store

    folder = location.removeprefix("chroma:")
    if folder != location and not Path(folder).expanduser().exists():
        yield Check(AREA, "attack memory", "ok", f"{location} (made when needed)")
        return
    try:
        store = open_store(location)
        count = len(store)
        store.close()
    except ConfigError as error:
        todo = "until then layer 2 fails on every text, and says so"
        yield Check(AREA, "attack memory", "fail", str(error), todo)
        return
    plural = "signature" if count == 1 else "signatures"
    yield Check(
        AREA, "attack memory", "ok", f"{count} {plural} in {location}" if count else "empty"
    )
