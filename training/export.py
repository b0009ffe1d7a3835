"""Writes the model as ONNX, quantises it to int8, and checks the result against the float model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.model import Exported

if TYPE_CHECKING:
    from pathlib import Path

    from training.model import Detector


def to_onnx(model: Detector, path: Path) -> None:
    """Export the float model with free batch and length axes."""
    exported = Exported(model).eval()
    ids = torch.ones((2, 16), dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        exported,
        (ids, ids, ids),
        str(path),
        input_names=["input_ids", "attention_mask", "token_type_ids"],
        output_names=["logits", "token_logits", "embedding"],
        dynamic_axes={
            "input_ids": axes,
            "attention_mask": axes,
            "token_type_ids": axes,
            "logits": {0: "batch"},
            "token_logits": axes,
            "embedding": {0: "batch"},
        },
        opset_version=17,
        dynamo=False,
    )


def quantise(source: Path, target: Path) -> None:
    """Dynamic int8: weights per channel, word vectors too; activations stay float."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(source),
        str(target),
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul", "Gather", "Gemm"],
        extra_options={"MatMulConstBOnly": True},
    )
