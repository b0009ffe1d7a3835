"""The prefilter of layer 2: clears harmless windows in microseconds, before the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

_ROWS = 8
"""Tokens of one matrix product. BLAS libraries hand larger ones to threads of their own, which then
spin for more on every core: two cores spent four times the processor time of one, and scans in
several threads were in each other's way. A product of 8 x 240 x 96 is below OpenBLAS's limit."""
_PART = 256


class Prefilter:
    """A one-layer convolution over word vectors that clears harmless windows in microseconds.

    Args:
        file: The ``.npz`` file, open, with ``vectors`` (int8, vocabulary by depth), ``scale``,
            ``markers`` (names) and their ``shifts``, ``kernel`` (width x depth, hidden),
            ``bias``, ``out`` (2 x hidden), ``out_bias`` and ``thresholds`` (one a marker).
    """

    def __init__(self, file: BinaryIO) -> None:
        import numpy as np

        self._np = np
        with np.load(file, allow_pickle=False) as held:
            self._vectors = held["vectors"]
            self._scale = float(held["scale"])
            names = [str(name) for name in held["markers"]]
            self._shifts = dict(zip(names, held["shifts"], strict=True))
            self._thresholds = dict(zip(names, map(float, held["thresholds"]), strict=True))
            self._kernel = held["kernel"]
            self._bias = held["bias"]
            self._out = held["out"]
            self._out_bias = float(held["out_bias"])
        self._width = len(self._kernel) // self._vectors.shape[1]

    def threshold(self, marker: str) -> float:
        """Log-odds from which a window is handed to the encoder."""
        return self._thresholds[marker]

    def scores(self, ids: Any, ranges: Sequence[tuple[int, int]], marker: str) -> list[float]:
        """Log-odds of each window that something is there.

        Args:
            ids: Token ids, shape (t,).
            ranges: The windows.
            marker: The surface's marker.
        """
        np = self._np
        reach, depth = self._width // 2, self._vectors.shape[1]
        hidden = np.empty((len(ids), self._kernel.shape[1]), np.float32)
        step = _PART * _ROWS
        for begin in range(0, len(ids), step):  # Bounds the memory of a long text.
            end = min(begin + step, len(ids))
            low, high = max(0, begin - reach), min(len(ids), end + reach)
            blocks = -(-(end - begin) // _ROWS)
            padded = np.zeros((blocks * _ROWS + 2 * reach, depth), np.float32)
            padded[low - begin + reach : high - begin + reach] = (
                self._vectors[ids[low:high]] * np.float32(self._scale) + self._shifts[marker]
            )
            stacked = np.lib.stride_tricks.sliding_window_view(padded, self._width, axis=0)
            rows = stacked.transpose(0, 2, 1).reshape(blocks, _ROWS, -1)
            found = np.maximum(rows @ self._kernel + self._bias, 0)
            hidden[begin:end] = found.reshape(blocks * _ROWS, -1)[: end - begin]
        scores = []
        for a, b in ranges:
            part = hidden[a:b]
            pooled = np.concatenate([part.max(0), part.mean(0)])
            scores.append(float(pooled @ self._out) + self._out_bias)
        return scores
