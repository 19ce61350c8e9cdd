"""Guesses of hidden tokens beside those of columns."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.masked_tokens import MaskedTokenAccuracy

BARCODES = ("AAAA", "AAAC", "AACC", "AAAA", "")


def guess(barcodes: Sequence[str], seeds: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Hide all but the first letter, and guess C throughout."""
    tokens = torch.tensor([["ACGT".index(letter) for letter in barcode] for barcode in barcodes])
    hidden = torch.ones_like(tokens, dtype=torch.bool)
    hidden[:, 0] = False
    assert len(set(seeds)) == len(barcodes)
    return tokens, hidden, torch.ones_like(tokens)


class _Specimens:
    barcodes = BARCODES


def data() -> SplitData:
    split = SplitData.__new__(SplitData)
    object.__setattr__(split, "split", "val")
    object.__setattr__(split, "specimens", _Specimens())
    return split


def test_distinct_barcodes_are_judged_beside_the_columns() -> None:
    benchmark = MaskedTokenAccuracy(guess, torch.tensor([0, 0, 0, 1]), bootstrap=200)
    metrics = benchmark.run(data(), lambda texts: torch.zeros(len(texts), 1)).metrics
    # AAAA, AAAC and AACC: of nine hidden letters three are C, and the columns are right about 2 + 3 + 2.
    assert metrics["masked_tokens/val/model/top1"] == pytest.approx(3 / 9)
    assert metrics["masked_tokens/val/model/top1/n"] == 9
    assert metrics["masked_tokens/val/column/top1"] == pytest.approx(7 / 9)
    assert metrics["masked_tokens/val/model_minus_column/top1"] == pytest.approx(-4 / 9)
    assert metrics["masked_tokens/val/model_minus_column/top1/low"] < -4 / 9


def test_without_columns_or_barcodes_less_is_told() -> None:
    alone = MaskedTokenAccuracy(guess, max_barcodes=2, bootstrap=0)
    metrics = alone.run(data(), lambda texts: torch.zeros(len(texts), 1)).metrics
    assert set(metrics) == {"masked_tokens/val/model/top1", "masked_tokens/val/model/top1/n"}
    assert metrics["masked_tokens/val/model/top1/n"] == 6
    nothing = data()
    object.__setattr__(nothing, "specimens", None)
    assert alone.run(nothing, lambda texts: torch.zeros(len(texts), 1)).metrics == {}
