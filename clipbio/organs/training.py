"""Training of a segmenter: cross-entropy and soft Dice on augmented views."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional

from clipbio.organs.segmenter import Segmenter
from clipbio.organs.views import UNKNOWN

__all__ = ["OrganModule", "fitting_prior", "segmentation_loss"]

_SMALL = 1e-6


class OrganModule(pl.LightningModule):
    """Train a segmenter with AdamW, the rate rising for a tenth of the run and falling to nothing.

    Args:
        segmenter: What is trained.
        lr: The highest learning rate.
        weight_decay: That of AdamW.
        steps: Length of the run.
    """

    def __init__(self, segmenter: Segmenter, *, lr: float, weight_decay: float, steps: int) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.lr, self.weight_decay, self.steps = lr, weight_decay, steps

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch of views."""
        del batch_idx
        pixels_B3hw, numbers_Bhw = batch
        loss = segmentation_loss(self.segmenter(pixels_B3hw), numbers_Bhw.long())
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return optimiser and schedule."""
        optimizer = torch.optim.AdamW(self.segmenter.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.lr, total_steps=self.steps + 1, pct_start=0.1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def segmentation_loss(logits_BKhw: Tensor, numbers_Bhw: Tensor) -> Tensor:
    """Return cross-entropy plus 1 - Dice, the mean over the classes that the batch shows (V-Net, arXiv:1606.04797).

    Pixels of number `UNKNOWN` count in neither.

    Args:
        logits_BKhw: Of each class, background first.
        numbers_Bhw: The right classes, int64.
    """
    known_B1hw = (numbers_Bhw != UNKNOWN)[:, None]
    if not known_B1hw.any():
        return logits_BKhw.sum() * 0
    entropy = functional.cross_entropy(logits_BKhw, numbers_Bhw, ignore_index=UNKNOWN)
    probability_BKhw = logits_BKhw.softmax(dim=1) * known_B1hw
    known_Bhw = numbers_Bhw.where(known_B1hw[:, 0], 0)
    truth_BKhw = functional.one_hot(known_Bhw, logits_BKhw.shape[1]).movedim(-1, 1) * known_B1hw
    over = (0, 2, 3)
    both_K, sum_K = (probability_BKhw * truth_BKhw).sum(over), (probability_BKhw + truth_BKhw).sum(over)
    shown_K = truth_BKhw.sum(over) > 0
    dice_K = 2 * both_K / (sum_K + _SMALL)
    return entropy + 1 - dice_K[shown_K].mean()


def fitting_prior(count_Lhw: Tensor, total: int) -> Tensor:
    """Return for each label the one mask (L, h, w) with the largest IoU over all masks together.

    Whatever it holds, it holds the pixels that most masks have: the best of those that begin so is the best of all.

    Args:
        count_Lhw: In how many of the masks a pixel has the label.
        total: Number of masks.
    """
    flat_LP = count_Lhw.flatten(1).double()
    sorted_LP, order_LP = flat_LP.sort(dim=1, descending=True)
    both_LP = sorted_LP.cumsum(dim=1)
    # Masks that lack a pixel of the answer, and answers that lack one of a mask.
    size_P = torch.arange(1, flat_LP.shape[1] + 1) * total
    union_LP = size_P + flat_LP.sum(dim=1, keepdim=True) - both_LP
    best_L1 = (both_LP / union_LP).argmax(dim=1, keepdim=True)
    chosen_LP = torch.arange(flat_LP.shape[1]) <= best_L1
    prior_LP = torch.zeros_like(chosen_LP).scatter(1, order_LP, chosen_LP)
    return prior_LP.view_as(count_Lhw) & (count_Lhw > 0)
