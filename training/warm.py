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


def _products(model: Detector) -> list[str]:
    """The modules that multiply by a matrix, in the order in which the network runs them."""
    order = ("attention.self.query", "attention.self.key", "attention.self.value",
             "attention.output.dense", "intermediate.dense", "output.dense")  # fmt: skip
    layers = range(len(model.encoder.encoder.layer))
    found = [f"encoder.encoder.layer.{layer}.{name}" for layer in layers for name in order]
    return [*found, "token_head", "mix.0", "window_head"]


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
    products = [n for n in graph.node if n.op_type == "MatMulInteger" and n.input[1] in arrays]
    modules = _products(model)
    if len(products) != len(modules):
        raise ValueError(
            f"{path}: {len(products)} products by a matrix, the detector has {len(modules)};"
            " is it of as many layers?"
        )
    for node, module in zip(products, modules, strict=True):
        weight, zero = node.input[1], arrays[node.input[3]]
        scale = arrays[weight.removesuffix("_quantized") + "_scale"]
        floats = (arrays[weight].astype(np.float32) - zero.astype(np.float32)) * scale
        found[module + ".weight"] = floats.T
    state = model.state_dict()
    # Word vectors are never trained: those of the encoder's folder are the unrounded ones.
    found[_FROZEN] = state[_FROZEN].numpy()
    for name, tensor in state.items():
        if name.endswith(("position_ids", "token_type_ids")):
            continue
        if name not in found or found[name].shape != tuple(tensor.shape):
            raise ValueError(f"{path}: no weight {name} of shape {tuple(tensor.shape)}")
        tensor.detach().copy_(torch.from_numpy(np.array(found[name], np.float32)))
