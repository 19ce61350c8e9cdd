"""A small DNA trunk of convolutions, for training on a CPU.

It begins as a random projection of the barcode's k-mer counts, which already tell species and genera apart: tokens are
embedded and averaged, and each residual block adds little until it is trained.

Shape suffixes: B batch, L tokens, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clipbio.errors import ClipbioError
from clipbio.models.dna_trunk import DnaOptions, DnaTrunk
from clipbio.models.dna_weights import KEY, check_settings, run_weights
from clipbio.models.pooling import Pooling
from clipbio.models.tower import Tower
from clipbio.models.weights import load_exactly

__all__ = ["ConvDna"]

_FIRST_GAIN = 0.1
_EXPANSION = 2


class _Block(nn.Module):
    """A depthwise convolution and an MLP beside a shortcut; what is padding counts as zero, as beyond the ends."""

    def __init__(self, width: int, *, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.mix = nn.Conv1d(width, width, kernel, padding=padding, dilation=dilation, groups=width)
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, _EXPANSION * width)
        self.outer = nn.Linear(_EXPANSION * width, width)
        self.dropout = nn.Dropout(dropout)
        self.gain = nn.Parameter(torch.full((width,), _FIRST_GAIN))

    def forward(self, states_BLF: Tensor, mask_BL: Tensor) -> Tensor:
        there_BLF = states_BLF * mask_BL.unsqueeze(-1).to(states_BLF.dtype)
        mixed_BLF = self.norm(self.mix(there_BLF.transpose(1, 2)).transpose(1, 2))
        added_BLF: Tensor = self.outer(nn.functional.gelu(self.inner(mixed_BLF)))
        sum_BLF: Tensor = states_BLF + self.gain * self.dropout(added_BLF)
        return sum_BLF


class ConvEncoder(nn.Module):
    """Embed tokens and pass them through residual blocks of growing reach."""

    def __init__(self, vocab_size: int, width: int, layers: int, *, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.blocks = nn.ModuleList(
            _Block(width, kernel=kernel, dilation=dilation**number, dropout=dropout) for number in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self._recomputes = False

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute activations of blocks again in the backward pass instead of keeping them."""
        self._recomputes = enable

    def forward(self, tokens_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return states_BLF of tokens."""
        states_BLF: Tensor = self.embedding(tokens_BL)
        for block in self.blocks:
            if self._recomputes and self.training:
                states_BLF = checkpoint(block, states_BLF, mask_BL, use_reentrant=False)
            else:
                states_BLF = block(states_BLF, mask_BL)
        normed_BLF: Tensor = self.norm(states_BLF)
        return normed_BLF


@dataclass(frozen=True, kw_only=True)
class ConvDna(DnaOptions):
    """How to make a small DNA tower of convolutions.

    `weights` is None (random), or a run folder or checkpoint of ours whose model has such a tower with the same
    settings of architecture and tokenizer.
    `layers` blocks of `width` channels, each a depthwise convolution over `kernel` tokens; in the n-th (from 0) these
    tokens are `dilation` ** n places apart.
    `pooling` is `mean` or `max`.
    """

    layers: int = 2
    width: int = 256
    kernel: int = 7
    dilation: int = 3

    architecture: ClassVar[tuple[str, ...]] = ("layers", "width", "kernel", "dilation")
    poolings: ClassVar[tuple[str, ...]] = ("mean", "max")

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in self.architecture:
            if getattr(self, key) < 1:
                raise ClipbioError(f"model.dna: {key} is a number from 1 on, not {getattr(self, key)}")
        if self.kernel % 2 == 0:
            raise ClipbioError(f"model.dna: kernel is odd, so that it has a middle, not {self.kernel}")

    def build(self, *, dim: int | None, load_weights: bool = True) -> Tower:
        """Return the tower; without `load_weights` only the architecture, for weights that come from a checkpoint."""
        encoder = ConvEncoder(
            self.tokenizer.vocab_size,
            self.width,
            self.layers,
            kernel=self.kernel,
            dilation=self.dilation,
            dropout=self.trunk_dropout,
        )
        if load_weights and self.weights:
            weights = run_weights(self.weights, self)
            if weights is None:
                raise ClipbioError(f"{KEY}: '{self.weights}' is no run folder and no .ckpt file")
            check_settings(self, weights)
            load_exactly(encoder, weights.part("encoder"), source=self.weights)
        trunk = DnaTrunk(
            encoder,
            width=self.width,
            tokenizer=self.tokenizer,
            pool=Pooling(self.pooling),
            config=self.settings() | {"pooling": self.pooling},
        )
        return self.tower(trunk, dim=dim)
