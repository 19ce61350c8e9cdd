"""CoCa's caption decoder over the towers of a model, and captions written with it.

CoCa (Yu et al. 2022, https://arxiv.org/abs/2205.01917) reads the states of the text tower, which see earlier words
alone, and the tokens of the image tower by cross-attention, and tells the next word of each.

Shape suffixes: B batch, N image tokens, L words, W width, D dimensions of the shared space, K vocabulary, n places,
F features.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from clipbio.errors import ClipbioError
from clipbio.models.projections import linear_from
from clipbio.models.tower import Tower
from clipbio.models.trunks import TextTrunk

__all__ = ["CaptionDecoder", "States", "Words", "states", "words_of"]


class States(NamedTuple):
    """Unit vectors (B, D) of a tower, and what its encoder says of each place (B, N, W)."""

    vectors_BD: Tensor
    states_BNW: Tensor


class CaptionDecoder(nn.Module):
    """open_clip's multimodal decoder, with the layer that names words split off.

    Args:
        encoder: open_clip's `MultimodalTransformer`; its projection is taken out.
        initialise: Whether the projection has no weights yet: open_clip leaves it as it finds the memory.
    """

    def __init__(self, encoder: Any, *, initialise: bool) -> None:
        super().__init__()
        weight_WK, encoder.text_projection = encoder.text_projection, None
        self.encoder = encoder
        self.words = linear_from(weight_WK.detach())
        if initialise:
            nn.init.normal_(self.words.weight, std=weight_WK.shape[0] ** -0.5)

    @property
    def context_length(self) -> int:
        """Tell how many words are read at most."""
        length: int = self.encoder.context_length
        return length

    def forward(self, image_BNW: Tensor, text_BLW: Tensor) -> Tensor:
        """Return the states (B, L, W) from which the word behind each place is told."""
        states_BLW: Tensor = self.encoder(image_BNW, text_BLW)
        return states_BLW

    def logits(self, states_nW: Tensor) -> Tensor:
        """Return logits (n, K) of states, in full precision."""
        logits_nK: Tensor = self.words(states_nW)
        return logits_nK.float()


class Words(NamedTuple):
    """What stands before and behind every caption, and how tokens become a text."""

    first: int
    last: int
    library: Any

    def text(self, tokens: list[int]) -> str:
        """Return the text of the tokens of one caption, without first and last."""
        text: str = self.library.decode(tokens)
        return text


def words_of(tower: Tower) -> Words:
    """Return what a caption begins and ends with.

    Raises:
        ClipbioError: The tokenizer does not turn tokens into texts.
    """
    trunk = tower.trunk
    assert isinstance(trunk, TextTrunk)
    library: Any = trunk.tokenizer.library
    if not all(hasattr(library, name) for name in ("sot_token_id", "eot_token_id", "decode")):
        raise ClipbioError(
            f"captions need CLIP's own tokenizer, and the model's is a {type(library).__name__}: take a CoCa model "
            "with one, such as coca_ViT-B-32"
        )
    return Words(library.sot_token_id, library.eot_token_id, library)


def states(tower: Tower, inputs: Tensor, projection: str = "default") -> States:
    """Return vectors and states of pixels or tokens, in one pass of the trunk.

    Args:
        tower: A tower of a CoCa model.
        inputs: Pixels (B, C, H, W) or tokens (B, L); cached features hold no states.
        projection: Which projection gives the vectors.
    """
    if inputs.is_floating_point():
        raise ClipbioError(f"captions read what the {tower.modality} trunk sees: set cache_features=off")
    trunk: Any = tower.trunk
    with torch.set_grad_enabled(torch.is_grad_enabled() and not tower.frozen):
        features_BF, states_BNW = trunk.states(inputs)
    return States(tower.project(features_BF, projection), states_BNW)
