"""Encoders that may stand in for Rune's own: any sentence-transformers model, any ONNX classifier.

An encoder turns texts into vectors. What the vectors mean for security is learned by a head on top
(``rune_core.layers.l2_head``), so an encoder needs no labels of its own, and a classifier's labels
need not be Rune's.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from rune_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SENTENCE_TRANSFORMERS = "sentence-transformers"
ONNX = "onnx"
_OUTPUTS = ("sentence_embedding", "embedding", "last_hidden_state", "logits")
_ONNX_NAMES = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")
_MOST_TOKENS = 256
_BATCH = 8


class Encoder(Protocol):
    """Turns texts into vectors. Threads may share it."""

    def encode(self, texts: Sequence[str]) -> Any:
        """Vectors of the texts, float32, (n, width)."""
        ...


def missing_for(kind: str) -> str | None:
    """What has to be installed before an encoder of this kind can run; None when all is there."""
    needs: tuple[str, ...]
    if kind == SENTENCE_TRANSFORMERS:
        needs, extra = ("numpy", "sentence_transformers"), "sentence-transformers"
    else:
        needs, extra = ("numpy", "onnxruntime", "tokenizers"), "vector"
    missing = [name for name in needs if find_spec(name) is None]
    return f"not installed: {', '.join(missing)}; install rune-core[{extra}]" if missing else None


def describe_encoder(given: str) -> dict[str, str]:
    """How an encoder is written into a manifest.

    Args:
        given: The folder of an ONNX model, or the name or folder of a sentence-transformers model.
    """
    folder = Path(given).expanduser()
    if _onnx_file(folder) is not None and not (folder / "modules.json").exists():
        return {"kind": ONNX, "name": str(folder.resolve())}
    name = str(folder.resolve()) if folder.is_dir() else given
    return {"kind": SENTENCE_TRANSFORMERS, "name": name}


def open_encoder(described: Mapping[str, str], *, threads: int = 1) -> Encoder:
    """Load an encoder.

    Raises:
        ConfigError: It is not installed, not there, or not of a shape that can be used.
    """
    missing = missing_for(described["kind"])
    if missing is not None:
        raise ConfigError(f"encoder {described['name']}: {missing}")
    if described["kind"] == ONNX:
        return OnnxEncoder(Path(described["name"]), threads=threads)
    return SentenceTransformersEncoder(described["name"])


class SentenceTransformersEncoder:
    """A sentence-transformers model, on the CPU.

    Args:
        name: Its folder, or its name on the hub: then the library fetches it, once.

    Raises:
        ConfigError: The library cannot load it.
    """

    def __init__(self, name: str) -> None:
        library: Any = import_module("sentence_transformers")
        try:
            self._model = library.SentenceTransformer(name, device="cpu")
        except Exception as error:  # noqa: BLE001 - torch, hub and file errors of many families
            raise ConfigError(
                f"encoder {name}: sentence-transformers cannot load it ({type(error).__name__}); "
                "name a folder that holds such a model"
            ) from None
        self._lock = Lock()

    def encode(self, texts: Sequence[str]) -> Any:
        with self._lock:
            return self._model.encode(
                list(texts), convert_to_numpy=True, show_progress_bar=False, batch_size=_BATCH
            )


class OnnxEncoder:
    """An ONNX model with a ``tokenizer.json`` beside it.

    Of its outputs the first of ``sentence_embedding``, ``embedding``, ``last_hidden_state`` (the
    mean over the tokens) and ``logits`` is taken, or else the first of all.

    Args:
        folder: With ``model.onnx`` (or ``onnx/model.onnx``) and ``tokenizer.json``.
        threads: Threads of one run.

    Raises:
        ConfigError: A file is missing, or the model takes inputs other than token ids, mask, types.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        onnxruntime: Any = import_module("onnxruntime")
        tokenizers: Any = import_module("tokenizers")
        file = _onnx_file(folder)
        if file is None or not (folder / "tokenizer.json").is_file():
            raise ConfigError(f"encoder {folder}: needs model.onnx and tokenizer.json")
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(_MOST_TOKENS)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [item.name for item in self._session.get_inputs()]
        unknown = set(self._inputs) - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown:
            raise ConfigError(f"encoder {file}: takes {', '.join(sorted(unknown))}, not tokens")
        outputs = [item.name for item in self._session.get_outputs()]
        self._output = next((name for name in _OUTPUTS if name in outputs), outputs[0])

    def encode(self, texts: Sequence[str]) -> Any:
        import numpy as np

        parts = [self._encode(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)

    def _encode(self, texts: Sequence[str]) -> Any:
        import numpy as np

        encoded = self._tokenizer.encode_batch(list(texts))
        mask = np.array([item.attention_mask for item in encoded], np.int64)
        values = {
            "input_ids": np.array([item.ids for item in encoded], np.int64),
            "attention_mask": mask,
            "token_type_ids": np.array([item.type_ids for item in encoded], np.int64),
        }
        fed = {name: values[name] for name in self._inputs}
        (found,) = self._session.run([self._output], fed)
        if found.ndim == 3:
            weights = mask[..., None].astype(np.float32)
            found = (found * weights).sum(1) / np.maximum(weights.sum(1), 1)
        return found.reshape(len(texts), -1).astype(np.float32)


def _onnx_file(folder: Path) -> Path | None:
    found = (folder / name.replace("/", os.sep) for name in _ONNX_NAMES)
    return next((path for path in found if path.is_file()), None)
