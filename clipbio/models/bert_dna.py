"""DNA trunks of BERT over barcode tokens, such as BarcodeBERT (https://arxiv.org/abs/2311.02401).

Shape suffixes: B batch, L tokens, F features.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from clipbio.errors import ClipbioError
from clipbio.models.dna_trunk import DnaOptions, DnaTrunk
from clipbio.models.dna_weights import DnaWeights, bert_weights, check_settings, run_weights
from clipbio.models.pooling import Pooling
from clipbio.models.softmax_mean import SoftmaxMean
from clipbio.models.tower import Tower
from clipbio.models.weights import load_exactly

__all__ = ["BertDna", "BertDnaTrunk"]

log = logging.getLogger(__name__)

SOFTMAX_MEAN = "softmax_mean"


class BertDnaTrunk(DnaTrunk):
    """BERT, and a pooling over the states of its last block or over the mean of all blocks."""

    def __init__(self, encoder: nn.Module, *, averages_blocks: bool, **settings: Any) -> None:
        super().__init__(encoder, **settings)
        self.averages_blocks = averages_blocks
        self.reads_padding = isinstance(self.pool, SoftmaxMean)

    def encode(self, tokens_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return states_BLF of known tokens."""
        if tokens_BL.shape[0] == 0:  # which transformers cannot reshape; `len` would bind a traced graph to this batch
            return torch.zeros(*tokens_BL.shape, self.width, device=tokens_BL.device)
        # A row without any token attends to its first place: over nothing, attention is not a number.
        attended_BL = mask_BL.clone()
        attended_BL[:, 0] |= ~mask_BL.any(dim=1)
        given = {"input_ids": tokens_BL, "attention_mask": attended_BL.long()}
        if not self.averages_blocks:
            states_BLF: Tensor = self.encoder(**given).last_hidden_state
            return states_BLF
        return torch.stack(self.encoder(**given, output_hidden_states=True).hidden_states[1:]).mean(dim=0)


@dataclass(frozen=True, kw_only=True)
class BertDna(DnaOptions):
    """How to make a DNA tower of BERT.

    `weights` is None (random), a run folder or checkpoint of ours whose model has such a tower, a folder or hub name in
    the layout of transformers (BarcodeBERT's), or a file of tensors (CLIBD's and BarcodeBERT's `.pth`). The settings of
    architecture and tokenizer must be theirs.
    `intermediate` is the width inside a block, by default four times `width`.
    `layer` is the block whose states are pooled, counted from 1, or from the end by -1; blocks behind it are cut off.
    `mean` pools the mean of all blocks.
    `pooling` is `mean`, `max`, `first` (CLS), or `softmax_mean` (what CLIBD does; see `softmax_mean.py`).
    """

    layers: int = 4
    heads: int = 4
    width: int = 256
    intermediate: int | None = None
    max_positions: int = 512
    layer: int | Literal["mean"] = -1
    trunk_dropout: float = 0.1

    architecture: ClassVar[tuple[str, ...]] = ("layers", "heads", "width", "intermediate", "max_positions")
    poolings: ClassVar[tuple[str, ...]] = ("mean", "max", "first", SOFTMAX_MEAN)

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("layers", "heads", "width", "max_positions"):
            if getattr(self, key) < 1:
                raise ClipbioError(f"model.dna: {key} is a number from 1 on, not {getattr(self, key)}")
        if self.width % self.heads:
            raise ClipbioError(f"model.dna: width={self.width} must be a multiple of heads={self.heads}")
        length = self.tokenizer.context_length
        if length > self.max_positions:
            raise ClipbioError(
                f"model.dna: a barcode has {length} tokens, BERT has max_positions={self.max_positions}; raise it, or "
                "give the tokenizer a larger stride"
            )
        if self.layer != "mean" and not 1 <= self.blocks <= self.layers:
            raise ClipbioError(
                f"model.dna: layer is 1 to {self.layers}, -{self.layers} to -1, or mean, not {self.layer}"
            )

    @property
    def blocks(self) -> int:
        """Count the blocks that are kept."""
        if self.layer == "mean":
            return self.layers
        return self.layer if self.layer > 0 else self.layers + 1 + self.layer

    def settings(self) -> dict[str, Any]:
        """Return the settings that decide names and shapes of weights."""
        return super().settings() | {"intermediate": self.intermediate or 4 * self.width}

    def build(self, *, dim: int | None, load_weights: bool = True) -> Tower:
        """Return the tower; without `load_weights` only the architecture, for weights that come from a checkpoint."""
        encoder = self._encoder()
        pool = SoftmaxMean(self.width) if self.pooling == SOFTMAX_MEAN else Pooling(self.pooling)
        if load_weights and self.weights:
            weights = run_weights(self.weights, self) or bert_weights(self.weights, self.tokenizer.vocab_size)
            check_settings(self, weights)
            load_exactly(encoder, weights.part("encoder"), source=self.weights)
            if isinstance(pool, SoftmaxMean):
                _load_head(pool, weights)
        elif load_weights and isinstance(pool, SoftmaxMean):
            log.warning(
                "model.dna.weights=null: CLIBD's DNA tower begins with random weights, the published one with those of "
                "BarcodeBERT's 5-mers"
            )
        del encoder.encoder.layer[self.blocks :]
        trunk = BertDnaTrunk(
            encoder,
            averages_blocks=self.layer == "mean",
            width=self.width,
            tokenizer=self.tokenizer,
            pool=pool,
            config=self.settings() | {"pooling": self.pooling, "layer": self.layer},
        )
        return self.tower(trunk, dim=dim)

    def _encoder(self) -> Any:
        config = BertConfig(
            vocab_size=self.tokenizer.vocab_size,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            hidden_size=self.width,
            intermediate_size=self.settings()["intermediate"],
            max_position_embeddings=self.max_positions,
            hidden_dropout_prob=self.trunk_dropout,
            attention_probs_dropout_prob=self.trunk_dropout,
        )
        # Its own pooling layer would be a part without gradient, which distributed training refuses.
        return BertModel(config, add_pooling_layer=False)


def _load_head(pool: SoftmaxMean, weights: DnaWeights) -> None:
    """Take over what the weights have of the head; a decoder over tokens is no such layer and stays behind."""
    own, given = pool.state_dict(), weights.part("pool")
    fitting = {key: value for key, value in given.items() if key in own and own[key].shape == value.shape}
    pool.load_state_dict(own | fitting)
