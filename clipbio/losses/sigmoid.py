"""The sigmoid loss of SigLIP with several positives per row.

Shape suffixes: n own rows, M columns of the global batch, D dimensions.
"""

from __future__ import annotations

from torch import Tensor, nn

from clipbio.distributed import world_size
from clipbio.losses.labels import LabelTable, PairRows
from clipbio.losses.positives import class_counts, mean_logits
from clipbio.losses.targets import check_targets, classes, relation
from clipbio.losses.tiles import sigmoid_terms

__all__ = ["Sigmoid"]


class Sigmoid(nn.Module):
    """A binary decision for each pair of rows: positives of each other or not (Zhai et al. 2023, algorithm 1).

    With `instance` targets this is SigLIP's loss. `rank` weighs positives between 0 and 1. The sum over pairs is
    divided by the mean number of rows that have either modality.

    Args:
        targets: `instance`, `text`, `taxon` or `rank`, see `clipbio.losses.targets`.
        rank_decay: Weight that each rank above the species loses as a positive, for `rank`.
    """

    def __init__(self, targets: str = "taxon", *, rank_decay: float = 0.1) -> None:
        super().__init__()
        check_targets(targets, rank_decay)
        self.targets = targets
        self.rank_decay = rank_decay

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
        """Return the loss of this process, and without gradient the loss (n,) of each own row.

        The mean over processes is the loss of the global batch. Arguments as of `InfoNCE`; `bias` (1,) is added to each
        logit.
        """
        assert bias is not None
        factor = world_size() * 2 / max(len(rows.row_N) + len(rows.column_M), 1)
        class_B = classes(table, self.targets)
        if class_B is None:
            relate = relation(table, rows, self.targets, rank_decay=self.rank_decay)
            value, row_loss_n = sigmoid_terms(first_nD, second_MD, scale, bias, relate=relate)
            return factor * value, row_loss_n
        value, row_loss_n = sigmoid_terms(first_nD, second_MD, scale, bias)
        class_n, class_M = class_B[rows.row_n], class_B[rows.column_M]
        _, second_C = class_counts(class_B, rows)
        mean_n = mean_logits(first_nD, second_MD, scale, class_n, class_M, second_C)
        positive_n = second_C[class_n] * (mean_n + bias)
        return factor * (value - positive_n.sum()), row_loss_n - positive_n.detach()
