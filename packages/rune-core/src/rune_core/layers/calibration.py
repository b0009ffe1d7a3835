"""What a user's own traffic says about layer 2: where "strong" begins on each surface.

The model maps the log-odds of a text to a confidence, per surface, along a curve that was frozen
when it was trained. Calibration moves that curve so that confidence 0.75, "strong", begins where
the user's benign texts end. Rules are not touched: what a rule's ``threshold`` compares is the
confidence, calibrated or not, so that a threshold in a rule has the last word.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rune_core.errors import ConfigError
from rune_scanner.finding import Surface

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION = 1
STRONG = 0.75
"""The confidence that a calibration places."""
LEAST = 0.0
"""Log-odds below which nothing is called strong: the network itself holds "benign" likelier."""
FILE = "calibration.json"


@dataclass(frozen=True, slots=True)
class SurfaceCalibration:
    """One surface.

    Attributes:
        strong_at: Log-odds at which the confidence reaches 0.75.
        texts: Benign texts it was set on.
        flagged: How many of them reach it.
        bound: The highest share of such texts that may reach it, at the given certainty.
    """

    strong_at: float
    texts: int
    flagged: int
    bound: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds from a user's own traffic.

    Attributes:
        model: Version of the model they were measured with; with another they mean nothing.
        budget: Share of benign texts that may be called strong.
        certainty: How sure that was to be.
        surfaces: By surface; those left out keep the model's own.
    """

    model: str
    budget: float
    certainty: float
    surfaces: Mapping[str, SurfaceCalibration]

    @property
    def revision(self) -> str:
        """Changes whenever a confidence could."""
        places = sorted((name, entry.strong_at) for name, entry in self.surfaces.items())
        return hashlib.sha256(json.dumps([self.model, places]).encode()).hexdigest()[:8]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        content = {"version": VERSION, **asdict(self)}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)


def load(path: Path) -> Calibration:
    """Read a calibration file.

    Raises:
        ConfigError: It cannot be read or is no calibration; names the file and the key.
    """
    again = "run `rune calibrate` again, or delete the file"
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; {again}") from None
    except ValueError:
        raise ConfigError(f"{path}: not valid JSON; {again}") from None
    try:
        if content["version"] != VERSION:
            raise ConfigError(f"{path}: version {content['version']!r} is not {VERSION}; {again}")
        surfaces = {
            Surface(name).value: SurfaceCalibration(
                strong_at=_finite(entry["strong_at"]),
                texts=int(entry["texts"]),
                flagged=int(entry["flagged"]),
                bound=_finite(entry["bound"]),
            )
            for name, entry in content["surfaces"].items()
        }
        return Calibration(
            model=str(content["model"]),
            budget=_finite(content["budget"]),
            certainty=_finite(content["certainty"]),
            surfaces=surfaces,
        )
    except KeyError as error:
        raise ConfigError(f"{path}: {error.args[0]} is missing; {again}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not a calibration ({error}); {again}") from None


def _finite(value: object) -> float:
    number = float(str(value))
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a number")
    return number
