"""What is measured of masked tokens: a model's guesses, and the columns of the train barcodes beside them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from clipbio.data.batch import UNUSABLE
from clipbio.data.datamodule import SpecimenData
from clipbio.data.shards import ShardIndex
from clipbio.dna import BarcodeTokenizer, clean_barcode
from clipbio.evaluation.masked_tokens import MaskedTokenAccuracy
from clipbio.losses import MaskedTokens
from clipbio.models import MultiTower
from clipbio.training.masked import dna_trunk, guesser

__all__ = ["column_counts", "token_accuracy"]

_AT_ONCE = 1024


def token_accuracy(model: MultiTower, head: MaskedTokens, data: SpecimenData) -> MaskedTokenAccuracy:
    """Return the benchmark of a model's guesses; without a train split it has no baseline."""

    return MaskedTokenAccuracy(guesser(model, head), head.column_L if "train" in data.splits else None)


def column_counts(model: MultiTower, data: SpecimenData) -> Tensor:
    """Return how often each k-mer stands at each place of the train barcodes (L, V); special tokens count nowhere."""
    tokenizer = dna_trunk(model).tokenizer
    size = tokenizer.vocab_size
    counts = torch.zeros(tokenizer.context_length * size, dtype=torch.int64)
    for tokens_BL in _train_tokens(tokenizer, data) if "train" in data.splits else ():
        place_BL = torch.arange(tokens_BL.shape[1]) * size + tokens_BL
        counts += torch.bincount(place_BL[tokens_BL >= tokenizer.first_kmer], minlength=len(counts))
    return counts.view(-1, size)


def _train_tokens(tokenizer: BarcodeTokenizer, data: SpecimenData) -> Iterator[Tensor]:
    split = data.split("train")
    rows = [int(row) for row in split.rows if split.index.dna_digests[row]]
    for start in range(0, len(rows), _AT_ONCE):
        yield tokenizer([_barcode(split.index, row) for row in rows[start : start + _AT_ONCE]])


def _barcode(index: ShardIndex, row: int) -> str:
    """Return the barcode of a record, nothing of one that cannot be read: training has told of it."""
    try:
        return clean_barcode(index.read(row, image=False).dna, gaps="keep")
    except UNUSABLE:
        return ""
