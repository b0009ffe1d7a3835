"""Starts from a model that was shipped: its int8 weights, turned back into floats.

A quantised weight is its float rounded to one of 255 steps of its channel, far less than a few
steps of training move it, so that a round goes on where the shipped model stood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from training.model import Detector

_PREFIX = "detector."
_FROZEN = "encoder.embeddings.word_embeddings.weight"


def _module(output: str, weight: str) -> str:
    """The module a product belongs to: read off its weight's name, or else its output's."""
    if weight.startswith(_PREFIX):
        return weight.removeprefix(_PREFIX).split(".weight")[0]
    parts = output.split("/")[1:-1]
    # `/mix/mix.0/Gemm` repeats the parent's name in the child's.
    return ".".join(p for i, p in enumerate(parts) if parts[i + 1 : i + 2] != [p + "."])


def load(model: Detector, path: Path) -> None:
    """Put the weights of a model written by `export` into a detector of the same shape.

    Args:
        model: As many layers as the file has.
        path: `model.onnx`, int8.

    Raises:
        ValueError: The file lacks a weight of the detector, or one is of another shape.
    """
    import numpy as np
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    arrays = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if name.startswith(_PREFIX) and name.endswith(("weight", "bias")):
            found[name.removeprefix(_PREFIX)] = array
        if name.startswith(_PREFIX) and name.endswith(".weight_quantized"):
            base = name.removesuffix("_quantized")
            zero, scale = arrays[base + "_zero_point"], arrays[base + "_scale"]
            floats = (array.astype(np.float32) - zero.astype(np.float32)) * scale
            found[base.removeprefix(_PREFIX)] = floats
    for node in graph.node:
        if node.op_type != "MatMulInteger" or node.input[1] not in arrays:
            continue
        weight, zero = node.input[1], arrays[node.input[3]]
        scale = arrays[weight.removesuffix("_quantized") + "_scale"]
        floats = (arrays[weight].astype(np.float32) - zero.astype(np.float32)) * scale
        found[_module(node.output[0], weight) + ".weight"] = floats.T
    state = model.state_dict()
    # Word vectors are never trained: those of the encoder's folder are the unrounded ones.
    found[_FROZEN] = state[_FROZEN].numpy()
    for name, tensor in state.items():
        if name.endswith(("position_ids", "token_type_ids")):
            continue
        if name not in found or found[name].shape != tuple(tensor.shape):
            raise ValueError(f"{path}: no weight {name} of shape {tuple(tensor.shape)}")
        tensor.detach().copy_(torch.from_numpy(np.array(found[name], np.float32)))
