"""The batch: what streams deliver and the training step reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import torch
from PIL import Image
from torch import Tensor

from clipbio.data.shards import ShardError
from clipbio.dna import BadBarcode
from clipbio.text import Unnameable

__all__ = ["UNUSABLE", "Batch", "EvaluationBatch", "Skipped", "join", "one_line"]

# What a broken file can raise while it is read, rendered and decoded; Pillow's plug-ins raise all of these.
UNUSABLE = (ShardError, Unnameable, BadBarcode, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class Skipped(NamedTuple):
    """A specimen that could not be used, and why; a tuple, because Lightning rebuilds dataclasses inside a batch."""

    id: str
    reason: str


class Batch(TypedDict):
    """A share of the global batch of one projection; the keys are the same on every process.

    `inputs` holds uint8 pixels, int64 tokens or float32 trunk features for each modality that the model encodes, and
    `present` a mask (B,) for each: what is not there is zeros or padding.
    `taxon_BR` has one column per rank, -1 where unknown. Everything that names a thing is the same number everywhere;
    a row without a text has a `text_B` of its own, and no kind of text. `seeds` and `text_seeds` say how each row was
    drawn: crop and flip, and its text.
    """

    ids: list[str]
    inputs: dict[str, Tensor]
    present: dict[str, Tensor]
    taxon_BR: Tensor
    bin_B: Tensor
    text_B: Tensor
    group_B: Tensor
    text_types: list[str]
    stream: list[str]
    seeds: list[int]
    text_seeds: list[int]
    step: int
    skipped: list[Skipped]


class EvaluationBatch(TypedDict):
    """What a model is asked about some rows of a split: images and barcodes, with masks as in a `Batch`.

    Every row has one of them at least. `skipped` names rows of which something could not be read.
    """

    rows_B: Tensor
    inputs: dict[str, Tensor]
    present: dict[str, Tensor]
    skipped: list[tuple[int, Skipped]]


def join(batches: Sequence[Batch]) -> Batch:
    """Put the rows of several streams under each other."""
    first = batches[0]
    if len(batches) == 1:
        return first
    return Batch(
        ids=[id_ for batch in batches for id_ in batch["ids"]],
        inputs={name: torch.cat([batch["inputs"][name] for batch in batches]) for name in first["inputs"]},
        present={name: torch.cat([batch["present"][name] for batch in batches]) for name in first["present"]},
        taxon_BR=torch.cat([batch["taxon_BR"] for batch in batches]),
        bin_B=torch.cat([batch["bin_B"] for batch in batches]),
        text_B=torch.cat([batch["text_B"] for batch in batches]),
        group_B=torch.cat([batch["group_B"] for batch in batches]),
        text_types=[kind for batch in batches for kind in batch["text_types"]],
        stream=[name for batch in batches for name in batch["stream"]],
        seeds=[seed for batch in batches for seed in batch["seeds"]],
        text_seeds=[seed for batch in batches for seed in batch["text_seeds"]],
        step=first["step"],
        skipped=[item for batch in batches for item in batch["skipped"]],
    )


def one_line(error: Exception) -> str:
    """Return the kind and first line of an error."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
