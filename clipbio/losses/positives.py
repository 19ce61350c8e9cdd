"""Logits of positives where these are classes: no pair of rows is ever formed.

Shape suffixes: n own rows, M columns of the global batch, C classes, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clipbio.losses.labels import PairRows

__all__ = ["class_counts", "mean_logits"]


def class_counts(class_B: Tensor, rows: PairRows) -> tuple[Tensor, Tensor]:
    """Return how many rows of each class have the first (C,) and how many have the second modality (C,)."""
    num_classes = len(class_B)
    first_C = torch.bincount(class_B[rows.row_N], minlength=num_classes)
    second_C = torch.bincount(class_B[rows.column_M], minlength=num_classes)
    return first_C, second_C


def mean_logits(
    first_nD: Tensor, second_MD: Tensor, scale: Tensor, class_n: Tensor, class_M: Tensor, second_C: Tensor
) -> Tensor:
    """Return the mean logit (n,) of each row with the columns of its class; 0 where the class has none."""
    sum_CD = second_MD.new_zeros(len(second_C), second_MD.shape[1]).index_add(0, class_M, second_MD)
    mean_CD = sum_CD / second_C.clamp(min=1)[:, None]
    logits_n: Tensor = scale * (first_nD * mean_CD[class_n]).sum(1)
    return logits_n
