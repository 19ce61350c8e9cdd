"""What is measured of masked tokens: a model's guesses, and the columns of the train barcodes beside them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from clipbio.data.batch import UNUSABLE
from clipbio.data.datamodule import SpecimenData
from clipbio.data.shards import ShardIndex
from clipbio.dna import BarcodeTokenizer
from clipbio.evaluation.masked_tokens import MaskedTokenAccuracy
from clipbio.losses import MaskedTokens
from clipbio.models import MultiTower
from clipbio.training.masked import dna_trunk, guesser

__all__ = ["column_counts", "token_accuracy"]

_AT_ONCE = 1024


def token_accuracy(model: MultiTower, head: MaskedTokens, data: SpecimenData) -> MaskedTokenAccuracy:
    """Return the benchmark of a model's guesses; without a train split it has no baseline."""

    def column() -> Tensor:
        most_L, token_L = column_counts(model, data).max(dim=1)
        return torch.where(most_L > 0, token_L, -1)

    return MaskedTokenAccuracy(guesser(model, head), column if "train" in data.splits else None)


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
        yield torch.cat([_tokens(tokenizer, split.index, row) for row in rows[start : start + _AT_ONCE]])


def _tokens(tokenizer: BarcodeTokenizer, index: ShardIndex, row: int) -> Tensor:
    """Return the tokens (1, L) of a record, padding alone of one that cannot be read: training has told of it."""
    try:
        return tokenizer([index.read(row, image=False).dna])
    except UNUSABLE:
        return tokenizer([""])
