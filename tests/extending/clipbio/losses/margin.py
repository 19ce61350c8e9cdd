"""A margin between each picture's own text and the nearest wrong one.

Shape suffixes: n own rows, M columns of the global batch, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from clipbio.losses.head import ContrastiveHead
from clipbio.losses.labels import LabelTable, PairRows
from clipbio.losses.targets import relation

__all__ = ["Margin", "margin_head"]


class Margin(nn.Module):
    """Hinge loss of rows of the first modality: their positives shall be nearer than any negative, by `margin`.

    Args:
        margin: Difference of cosines.
        targets: Who is a positive of whom, see `clipbio.losses.targets`.
    """

    def __init__(self, margin: float = 0.2, *, targets: str = "taxon") -> None:
        super().__init__()
        self.margin = margin
        self.targets = targets

    def forward(
        self,
        first_nD: Tensor,
        second_MD: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        *,
        table: LabelTable,
        rows: PairRows,
    ) -> tuple[Tensor, Tensor]:
        """Return the mean over own rows, and without gradient the loss (n,) of each; the head gathered `second_MD`."""
        del scale, bias
        cosine_nM = first_nD @ second_MD.T
        positive_nM = relation(table, rows, self.targets, rank_decay=0.0)(slice(None)).positive_cM > 0
        nearest_n = cosine_nM.masked_fill(positive_nM, -1.0).amax(dim=1)
        own_n = (cosine_nM * positive_nM).sum(dim=1) / positive_nM.sum(dim=1)
        loss_n = torch.relu(self.margin + nearest_n - own_n)
        return loss_n.mean(), loss_n.detach()


def margin_head(*, margin: float = 0.2, targets: str = "taxon", pairs: Mapping[str, float]) -> ContrastiveHead:
    """Return a head with `Margin`, which has no temperature to learn."""
    return ContrastiveHead(Margin(margin, targets=targets), learn_temperature=False, pairs=pairs)
