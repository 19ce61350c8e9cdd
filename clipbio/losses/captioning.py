"""CoCa's loss: contrastive, and the cross-entropy of the next word of a caption (Yu et al. 2022, arXiv 2205.01917).

Shape suffixes: n own words that are told, K tokens of the vocabulary, b own rows, L places.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbio.distributed import world_size
from clipbio.errors import ClipbioError
from clipbio.losses.gather import gather_labels
from clipbio.losses.head import ContrastiveHead

__all__ = ["Captioning"]


class Captioning(ContrastiveHead):
    """A contrastive head, and the weight of the captions beside it.

    The mean goes over the words of the global batch, which DDP's mean over processes gives only if each divides its sum
    by the number of all: captions differ in length.

    Args:
        loss: The contrastive loss.
        caption_weight: Factor of the cross-entropy over words; the weights of `pairs` are those of the contrastive
            terms. CoCa takes 2 to 1.
        **settings: Those of `ContrastiveHead`.
    """

    def __init__(self, loss: nn.Module, *, caption_weight: float, **settings: Any) -> None:
        super().__init__(loss, **settings)
        if caption_weight <= 0:
            raise ClipbioError(
                f"loss.caption_weight={caption_weight} must be more than 0; without captions take infonce"
            )
        for name in ("image", "text"):
            if name not in self.modalities:
                raise ClipbioError(f"loss.pairs: captions are written of images, and no pair has the {name}")
        self.caption_weight = caption_weight

    def caption_loss(self, logits_nK: Tensor, target_n: Tensor) -> Tensor:
        """Return the share of this process in the mean cross-entropy over words.

        Args:
            logits_nK: What the decoder says of each word, from those before it and the image.
            target_n: The words; no padding.
        """
        number = gather_labels(torch.tensor([len(target_n)], device=target_n.device)).sum().clamp(min=1)
        total = functional.cross_entropy(logits_nK, target_n, reduction="sum")
        return total * (world_size() / number)

    @staticmethod
    def told(tokens_bL: Tensor, last: int) -> Tensor:
        """Tell which tokens are words to be told (b, L - 1): all behind the first, up to and with the last one.

        The id of the padding is no sign of it: in CLIP's vocabulary it is the exclamation mark.
        """
        ended_bL = (tokens_bL == last).int().cumsum(dim=1) - (tokens_bL == last).int()
        return (ended_bL == 0)[:, 1:]
