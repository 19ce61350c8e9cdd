"""What turns the tokens of DNA barcodes into features, and the options that all DNA towers share.

Shape suffixes: B batch, L tokens, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError, nearest
from clipbio.models.options import TowerOptions
from clipbio.models.trunks import Trunk

__all__ = ["DnaOptions", "DnaTrunk"]


class DnaTrunk(Trunk):
    """A trunk for barcode tokens: an encoder of token states, and a pooling over the tokens that are there."""

    modality = "dna"
    # Whether padding is read like any other token.
    reads_padding = False

    def __init__(
        self, encoder: nn.Module, *, width: int, tokenizer: BarcodeTokenizer, pool: nn.Module, config: dict[str, Any]
    ) -> None:
        super().__init__(encoder, width=width, config=config)
        self.tokenizer = tokenizer
        self.pool = pool

    @property
    def context_length(self) -> int:
        """Tell how many tokens are read at most."""
        return self.tokenizer.context_length

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Return features_BF of tokens."""
        features_BF: Tensor = self.pool(*self.states(self._trim(tokens_BL)))
        return features_BF

    def states(self, tokens_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return states_BLF of the tokens and mask_BL of those that are there, such as masked pretraining needs."""
        mask_BL = self.mask(tokens_BL)
        tokens_BL = tokens_BL.long()
        # Vocabularies without a token for padding mark it by a negative number.
        tokens_BL = tokens_BL.masked_fill(tokens_BL < 0, self.tokenizer.unk_id)
        return self.encode(tokens_BL, mask_BL), mask_BL

    def encode(self, tokens_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return states_BLF of known tokens."""
        states_BLF: Tensor = self.encoder(tokens_BL, mask_BL)
        return states_BLF

    def mask(self, tokens_BL: Tensor) -> Tensor:
        """Return mask_BL of the tokens that are read."""
        mask_BL = self.tokenizer.attention_mask(tokens_BL)
        return mask_BL.new_ones(mask_BL.shape) if self.reads_padding else mask_BL

    def groups(self) -> list[list[nn.Parameter]]:
        """Return the parameters from input to output; those of the pooling join the last group."""
        groups = super().groups()
        groups[-1] += list(self.pool.parameters())
        return groups

    def identity(self) -> dict[str, Any]:
        """Return what beside the weights decides the features: also the tokenizer."""
        return super().identity() | {"tokenizer": self.tokenizer.identity}

    def _trim(self, tokens_BL: Tensor) -> Tensor:
        """Cut the columns that are padding in every row: they cost time and change nothing."""
        there_L = self.mask(tokens_BL).any(dim=0).nonzero()
        return tokens_BL[:, : int(there_L[-1]) + 1 if len(there_L) else 1]


@dataclass(frozen=True, kw_only=True)
class DnaOptions(TowerOptions):
    """What every DNA tower is told.

    `tokenizer` makes tokens of barcodes. `weights` is None for random ones, or where they come from.
    `trunk_dropout` acts inside the trunk while it is trained.
    """

    tokenizer: BarcodeTokenizer
    weights: str | None = None
    pooling: str = "mean"
    trunk_dropout: float = 0.0
    projection: str = "linear"

    # Settings that must be those with which the weights were made.
    architecture: ClassVar[tuple[str, ...]] = ()
    poolings: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pooling not in self.poolings:
            raise ClipbioError(f"model.dna: unknown pooling '{self.pooling}'{nearest(self.pooling, self.poolings)}")
        if self.pooling == "first" and self.tokenizer.cls_id is None:
            raise ClipbioError("model.dna: pooling=first reads the CLS token: set model.dna.tokenizer.cls=true")
        if not 0 <= self.trunk_dropout < 1:
            raise ClipbioError(f"model.dna: trunk_dropout lies in [0, 1), not {self.trunk_dropout}")

    def settings(self) -> dict[str, Any]:
        """Return the settings that decide names and shapes of weights."""
        return {key: getattr(self, key) for key in self.architecture}
