"""Symmetric InfoNCE with several positives per row.

Shape suffixes: n own rows, M columns of the global batch, C classes, D dimensions.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

from clipbio.distributed import world_size
from clipbio.errors import ClipbioError
from clipbio.losses.labels import LabelTable, PairRows
from clipbio.losses.positives import class_counts, mean_logits
from clipbio.losses.targets import check_targets, classes, relation
from clipbio.losses.tiles import Relate, log_sum_exp_terms, tiles

__all__ = ["InfoNCE"]


class InfoNCE(nn.Module):
    """Cross-entropy of each query's similarities against the distribution over its positives.

    With `instance` targets this is CLIP's loss (Radford et al. 2021); with several positives it is the supervised form
    in which the sum stands outside the logarithm (Khosla et al. 2020, eq. 2). Queries of one modality are compared with
    all keys of the other that are present; a query without any positive takes no part, its vector is still a key.

    Args:
        targets: `instance`, `text`, `taxon` or `rank`, see `clipbio.losses.targets`.
        label_smoothing: Share of the target spread over all keys.
        rank_decay: Weight that each rank above the species loses as a positive, for `rank`.
    """

    def __init__(self, targets: str = "taxon", *, label_smoothing: float = 0.0, rank_decay: float = 0.1) -> None:
        super().__init__()
        check_targets(targets, rank_decay)
        if not 0.0 <= label_smoothing < 1.0:
            raise ClipbioError(f"loss.label_smoothing={label_smoothing} must lie in [0, 1)")
        if label_smoothing and targets == "rank":
            raise ClipbioError("loss.label_smoothing is not defined for targets=rank, whose targets are soft already")
        self.targets = targets
        self.label_smoothing = label_smoothing
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
        """Return the loss of this process, and without gradient the loss (n,) of each own row, NaN without positives.

        The mean over processes is the loss of the global batch.

        Args:
            first_nD: Unit vectors of the first modality, own rows.
            second_MD: Unit vectors of the second modality, of all processes.
            scale: Inverse temperature (1,).
            bias: Not used by this loss.
            table: Labels.
            rows: Which rows these are.
        """
        del bias
        class_B = classes(table, self.targets)
        if class_B is not None:
            return self._by_class(first_nD, second_MD, scale, class_B, rows)
        relate = relation(table, rows, self.targets, rank_decay=self.rank_decay)
        return self._by_relation(first_nD, second_MD, scale, relate)

    def _by_class(
        self, first_nD: Tensor, second_MD: Tensor, scale: Tensor, class_B: Tensor, rows: PairRows
    ) -> tuple[Tensor, Tensor]:
        """Where positives are classes, their logits are one product with the mean of the class."""
        class_n, class_M = class_B[rows.row_n], class_B[rows.column_M]
        first_C, second_C = class_counts(class_B, rows)
        met_C = (first_C > 0) & (second_C > 0)
        num_rows = (first_C * met_C).sum().clamp(min=1)
        num_columns = (second_C * met_C).sum().clamp(min=1)
        row_weight_n = met_C[class_n].to(first_nD) / (2 * num_rows)
        column_weight_M = met_C[class_M].to(first_nD) / (2 * num_columns)
        value, lse_n, _ = log_sum_exp_terms(
            first_nD, second_MD, scale, row_weight_n=row_weight_n, column_weight_M=column_weight_M
        )
        positive_n = mean_logits(first_nD, second_MD, scale, class_n, class_M, second_C)
        # Seen from the columns, the same logits are divided by the number of rows of the class.
        met_C, second_C = met_C.to(first_nD), second_C.to(first_nD)
        share_C = met_C * (1 / num_rows + second_C / (num_columns * first_C.clamp(min=1))) / 2
        aligned = (share_C[class_n] * positive_n).sum()
        if self.label_smoothing:
            uniform_n = self._uniform(first_nD, second_MD, scale, row_weight_n, column_weight_M, len(rows.row_N))
            aligned = (1 - self.label_smoothing) * aligned + self.label_smoothing * uniform_n.sum()
        row_loss_n = torch.where(met_C[class_n] > 0, lse_n - positive_n.detach(), torch.nan)
        return world_size() * (value - aligned), row_loss_n

    def _by_relation(self, first_nD: Tensor, second_MD: Tensor, scale: Tensor, relate: Relate) -> tuple[Tensor, Tensor]:
        """Where positives are pairs of their own kind, each tile weighs its logits."""
        sum_n, sum_M = _positive_sums(relate, len(first_nD), second_MD)
        num_rows = _total((sum_n > 0).sum()).clamp(min=1)
        num_columns = (sum_M > 0).sum().clamp(min=1)
        row_weight_n = (sum_n > 0).to(first_nD) / (2 * num_rows)
        column_weight_M = (sum_M > 0).to(first_nD) / (2 * num_columns)
        kept = 1 - self.label_smoothing
        value, lse_n, positive_n = log_sum_exp_terms(
            first_nD,
            second_MD,
            scale,
            row_weight_n=row_weight_n,
            column_weight_M=column_weight_M,
            relate=relate,
            positive_row_n=kept * row_weight_n / sum_n.clamp(min=1e-12),
            positive_column_M=kept * column_weight_M / sum_M.clamp(min=1e-12),
        )
        if self.label_smoothing:
            num_first = _total(torch.tensor(len(first_nD), device=first_nD.device))
            uniform_n = self._uniform(first_nD, second_MD, scale, row_weight_n, column_weight_M, num_first)
            value = value - self.label_smoothing * uniform_n.sum()
        row_loss_n = torch.where(sum_n > 0, lse_n - positive_n / sum_n, torch.nan)
        return world_size() * value, row_loss_n

    @staticmethod
    def _uniform(
        first_nD: Tensor,
        second_MD: Tensor,
        scale: Tensor,
        row_weight_n: Tensor,
        column_weight_M: Tensor,
        num_first: int | Tensor,
    ) -> Tensor:
        """Return the weighted logits (n,) of targets that are spread evenly over all keys, both ways."""
        mean_D = second_MD.sum(0) / max(len(second_MD), 1)
        column_mean_D = (column_weight_M[:, None] * second_MD).sum(0) / max(int(num_first), 1)
        return scale * (row_weight_n * (first_nD @ mean_D) + first_nD @ column_mean_D)


def _positive_sums(relate: Relate, rows: int, second_MD: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of weights of positives of each own row and, over all processes, of each column."""
    sum_n = second_MD.new_zeros(rows)
    sum_M = second_MD.new_zeros(len(second_MD))
    for tile in tiles(rows, second_MD):
        positive_cM = relate(tile).positive_cM
        sum_n[tile] = positive_cM.sum(1)
        sum_M += positive_cM.sum(0)
    return sum_n, _total(sum_M)


def _total(value: Tensor) -> Tensor:
    """Return the sum over all processes, in place."""
    if world_size() > 1:
        dist.all_reduce(value)
    return value
