"""The batch: what streams deliver and the training step reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import get_worker_info

from clipbio.data.inputs import ImageInput, TextInput
from clipbio.data.order import BatchPlan, Draw
from clipbio.data.shards import ShardError, ShardIndex
from clipbio.data.sharing import shared_empty
from clipbio.data.specimen import Specimen
from clipbio.seeding import derive_seed
from clipbio.taxonomy import stable_hash
from clipbio.text import Rendered, TextRegime, Unnameable

__all__ = ["UNUSABLE", "Batch", "BatchBuilder", "EvaluationBatch", "Skipped", "join", "one_line"]

# What a broken file can raise while it is read, rendered and decoded; Pillow's plug-ins raise all of these.
UNUSABLE = (ShardError, Unnameable, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_SUBSTITUTES = 64


class Skipped(NamedTuple):
    """A specimen that could not be used, and why; a tuple, because Lightning rebuilds dataclasses inside a batch."""

    id: str
    reason: str


class Batch(TypedDict):
    """A share of the global batch of one projection; the keys are the same on every process.

    `inputs` holds uint8 pixels, int64 tokens or float32 trunk features per modality, `present` a mask (B,) for each.
    `taxon_BR` has one column per rank, -1 where unknown. Everything that names a thing is the same number everywhere.
    `seeds` and `text_seeds` say how each row was drawn: crop and flip, and its text.
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
    """Images of a split with their row numbers; `skipped` names rows that could not be read."""

    rows_B: Tensor
    image: Tensor
    skipped: list[tuple[int, Skipped]]


@dataclass(frozen=True, slots=True)
class _Sample:
    draw: Draw
    id: str
    rendered: Rendered


@dataclass
class BatchBuilder:
    """Read, render and stack the specimens of one stream in a batch.

    A specimen that cannot be used is named and replaced by another one that its place in the run determines: the batch
    stays full, and the same on any number of processes.

    Args:
        index: Records of the split that `rows` points into.
        rows: Rows of the index that take part, numbered from 0 by the plan.
        plan: Order of the stream.
        image: How images become inputs.
        text: How texts become inputs.
        regime: What a specimen is called.
        stream: Name of the stream.
    """

    index: ShardIndex
    rows: npt.NDArray[np.int64]
    plan: BatchPlan
    image: ImageInput
    text: TextInput
    regime: TextRegime
    stream: str = "main"

    def __call__(self, step: int, places: range) -> Batch:
        """Return some places of the stream's part of the global batch of a step."""
        skipped: list[Skipped] = []
        pixels_BCHW = self._room(len(places))
        samples = [
            self._sample(draw, step, skipped, None if pixels_BCHW is None else pixels_BCHW[row])
            for row, draw in enumerate(self.plan.draws(step, places))
        ]
        chosen = self.rows[[sample.draw.row for sample in samples]]
        texts = [sample.rendered.text for sample in samples]
        present = torch.ones(len(samples), dtype=torch.bool)
        return Batch(
            ids=[sample.id for sample in samples],
            inputs={
                "image": self._features(samples) if pixels_BCHW is None else pixels_BCHW,
                "text": self.text(texts),
            },
            present={"image": present, "text": present.clone()},
            taxon_BR=torch.as_tensor(self.index.taxon_NR[chosen]),
            bin_B=torch.as_tensor(self.index.bin_N[chosen]),
            text_B=torch.tensor([stable_hash(text) for text in texts]),
            group_B=torch.as_tensor(self.index.group_N[chosen]),
            text_types=[sample.rendered.type for sample in samples],
            stream=[self.stream] * len(samples),
            seeds=[sample.draw.seed for sample in samples],
            text_seeds=[_text_seed(sample.draw) for sample in samples],
            step=step,
            skipped=skipped,
        )

    def texts(self, step: int) -> Iterator[str]:
        """Yield the texts of the stream's part of a global batch without looking at its images."""
        for draw in self.plan.draws(step):
            try:
                yield self._render(self.index.read(int(self.rows[draw.row]), image=False), draw).text
            except (ShardError, Unnameable):
                continue

    def _room(self, rows: int) -> Tensor | None:
        """Return room for the pixels of a batch, which is large: it is filled in place and shared, never copied."""
        if self.image.store is not None:
            return None
        height, width = self.image.transform.spec.size
        shape = (rows, 3, height, width)
        return torch.empty(shape, dtype=torch.uint8) if get_worker_info() is None else shared_empty(shape, torch.uint8)

    def _sample(self, draw: Draw, step: int, skipped: list[Skipped], pixels_CHW: Tensor | None) -> _Sample:
        wanted = draw
        for attempt in range(_SUBSTITUTES):
            try:
                return self._read(draw, pixels_CHW)
            except UNUSABLE as error:
                skipped.append(Skipped(self.index.ids[int(self.rows[draw.row])], one_line(error)))
                draw = self.plan.substitute(wanted, step, attempt)
        raise ShardError(
            f"{_SUBSTITUTES} specimens in a row are unusable, the last one {skipped[-1].id}: {skipped[-1].reason}; "
            "run 'python -m clipbio check' on this folder"
        )

    def _read(self, draw: Draw, pixels_CHW: Tensor | None) -> _Sample:
        """Read and render a specimen, and decode its picture into its place of the batch, if pixels are wanted."""
        row = int(self.rows[draw.row])
        digest = self.index.image_digests[row]
        if not digest:
            raise ShardError("the specimen has no image")
        if pixels_CHW is None and not self.image.has(digest, draw.seed):
            raise ShardError("the image cannot be decoded")
        specimen = self.index.read(row, image=pixels_CHW is not None)
        rendered = self._render(specimen, draw)
        if pixels_CHW is not None:
            assert isinstance(specimen.image, bytes)
            pixels_CHW.copy_(self.image.pixels(specimen.image, digest, draw.seed))
        return _Sample(draw, specimen.id, rendered)

    def _render(self, specimen: Specimen, draw: Draw) -> Rendered:
        return self.regime.draw(specimen, sample_seed=_text_seed(draw), batch_seed=draw.batch_seed)

    def _features(self, samples: Sequence[_Sample]) -> Tensor:
        digests = [self.index.image_digests[int(self.rows[sample.draw.row])] for sample in samples]
        return self.image.features(digests, [sample.draw.seed for sample in samples])


def _text_seed(draw: Draw) -> int:
    return derive_seed("text", draw.seed)


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
