"""Masked-token pretraining: guess hidden tokens from those around them and the whole, and tell sequences apart.

Shape suffixes: b own rows, B all rows, L tokens, F features, n own tokens that are judged, K tokens of the vocabulary,
D dimensions.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbio.distributed import world_rank, world_size
from clipbio.errors import ClipbioError, nearest
from clipbio.losses.gather import gather, gather_labels
from clipbio.losses.head import Head
from clipbio.losses.masking import TokenMasking

__all__ = ["MaskedTokens"]

_OVER = ("masked", "all")
_PRIOR_COUNT = 0.05
"""What each token counts at each place beside the times that it was seen there: nothing is impossible."""
_PLACE_STD = 0.02


class _Decoder(nn.Module):
    """Guess a token from its state, its place, and the vector of all that was seen of the sequence.

    Through the vector the loss trains what is taken over. States that know the whole sequence themselves would become
    those of the guess, and their mean that of the sequences that are guessed best.
    """

    def __init__(self, width: int, dim: int, places: int, tokens: int) -> None:
        super().__init__()
        self.state = nn.Linear(width, width)
        self.whole = nn.Linear(dim, width, bias=False)
        self.place = nn.Parameter(torch.randn(places, width) * _PLACE_STD)
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, tokens)

    def forward(self, states_bLF: Tensor, vectors_bD: Tensor, row_n: Tensor, place_n: Tensor) -> Tensor:
        # Numbers of unit vectors are small: with this factor they are as large as those of states.
        whole_bF = self.whole(vectors_bD * vectors_bD.shape[1] ** 0.5)
        hidden_nF = self.state(states_bLF[row_n, place_n]) + whole_bF[row_n] + self.place[place_n]
        logits_nK: Tensor = self.last(self.norm(functional.gelu(hidden_nF)))
        return logits_nK


class MaskedTokens(Head):
    """A decoder from states of tokens and vectors of sequences to tokens, and the settings of masking.

    Like every loss of the house it is exact on several processes: the sum over judged tokens is divided by their number
    on all of them.

    Args:
        share: Share of the tokens that are hidden.
        span: Neighbouring tokens that are hidden together.
        random: Share of the chosen tokens that become another token instead of MASK.
        keep: Share of the chosen tokens that stay.
        over: Which tokens the loss judges: the `masked` ones, or `all` but special ones, as BarcodeBERT does.
        weight: Factor of the loss over tokens.
        column_prior: Whether guesses begin from the frequencies of tokens at their place in the train data; the
            decoder, zero at first, adds to them. The trunk then need not learn what all sequences share, and its states
            tell what sets them apart. For sequences that begin at the same base.
        contrast: Factor of the loss that tells sequences apart by two maskings of each (SimCLR,
            https://arxiv.org/abs/2002.05709); 0 leaves it out, and with it the second masking.
        temperature: Temperature of that loss.
    """

    modalities = ("dna",)
    prior_LK: Tensor
    column_L: Tensor

    def __init__(
        self,
        *,
        share: float = 0.5,
        span: int = 1,
        random: float = 0.0,
        keep: float = 0.0,
        over: Literal["masked", "all"] = "masked",
        weight: float = 1.0,
        column_prior: bool = True,
        contrast: float = 0.0,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self.masking = TokenMasking(share=share, span=span, random=random, keep=keep)
        if over not in _OVER:
            raise ClipbioError(f"loss.over={over} is unknown{nearest(str(over), _OVER)}")
        if weight < 0 or contrast < 0 or weight + contrast == 0:
            raise ClipbioError(f"loss.weight={weight} and loss.contrast={contrast} must not be negative, nor both 0")
        if temperature <= 0:
            raise ClipbioError(f"loss.temperature={temperature} must be more than 0")
        self.over, self.weight, self.contrast, self.temperature = over, weight, contrast, temperature
        self.column_prior = column_prior
        self.decoder: nn.Module = nn.Identity()
        self.first = 0

    def read_tokens(self, *, width: int, dim: int, first: int, counts_LV: Tensor) -> None:
        """Make the decoder.

        Args:
            width: Length of the states.
            dim: Length of the vectors of sequences.
            first: Lowest id that is guessed; those below it are special tokens.
            counts_LV: How often each token stands at each place of the train data.
        """
        self.first = first
        most_L, token_L = counts_LV.max(dim=1)
        self.column_L = torch.where(most_L > 0, token_L, -1)
        count_LK = counts_LV[:, first:].float() + _PRIOR_COUNT
        decoder = _Decoder(width, dim, *count_LK.shape)
        if self.column_prior:
            nn.init.zeros_(decoder.last.weight)
            nn.init.zeros_(decoder.last.bias)
            self.register_buffer("prior_LK", (count_LK / count_LK.sum(dim=1, keepdim=True)).log())
        self.decoder = decoder.requires_grad_(self.weight > 0)

    def judged(self, tokens_bL: Tensor, chosen_bL: Tensor) -> Tensor:
        """Tell which tokens the loss is about."""
        return chosen_bL if self.over == "masked" else tokens_bL >= self.first

    def logits(self, states_bLF: Tensor, vectors_bD: Tensor, judged_bL: Tensor) -> Tensor:
        """Return logits_nK over the tokens from `first` on, for each place that is judged.

        Args:
            states_bLF: State of each token.
            vectors_bD: Unit vector of what was seen of each sequence.
            judged_bL: The places.
        """
        row_n, place_n = judged_bL.nonzero(as_tuple=True)
        logits_nK: Tensor = self.decoder(states_bLF, vectors_bD, row_n, place_n).float()
        return logits_nK + self.prior_LK[place_n] if self.column_prior else logits_nK

    def token_loss(
        self, states_bLF: Tensor, vectors_bD: Tensor, tokens_bL: Tensor, judged_bL: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the share of this process in the mean cross-entropy over judged tokens, and their number on all.

        DDP averages gradients over processes, which may judge unequal numbers of tokens.
        """
        logits_nK = self.logits(states_bLF, vectors_bD, judged_bL)
        target_n = tokens_bL[judged_bL] - self.first
        number = gather_labels(torch.tensor([len(target_n)], device=tokens_bL.device)).sum().clamp(min=1)
        total = functional.cross_entropy(logits_nK, target_n, reduction="sum")
        return total * (world_size() / number), number

    def contrast_loss(self, first_bD: Tensor, second_bD: Tensor, name_b: Tensor) -> Tensor:
        """Return the share of this process in the symmetric InfoNCE of two views of each row.

        Args:
            first_bD: Unit vectors of one view.
            second_bD: Unit vectors of the other.
            name_b: A number of the sequence: equal sequences are no negatives of each other.
        """
        name_B = gather_labels(name_b)
        own_b = torch.arange(len(name_b), device=name_b.device) + world_rank() * len(name_b)
        same_bB = name_b[:, None] == name_B[None]
        same_bB[torch.arange(len(name_b)), own_b] = False
        total = first_bD.new_zeros(())
        for one_bD, other_BD in ((first_bD, gather(second_bD)), (second_bD, gather(first_bD))):
            logits_bB = (one_bD @ other_BD.T / self.temperature).masked_fill(same_bB, -torch.inf)
            total = total + functional.cross_entropy(logits_bB, own_b, reduction="sum") / 2
        return total * (world_size() / len(name_B))
