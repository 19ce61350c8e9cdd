"""From draws to the rows of a batch: read, render, decode and stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from clipbio.data.batch import UNUSABLE, Batch, Skipped, one_line
from clipbio.data.inputs import ImageInput, ModelInputs
from clipbio.data.modalities import least_of, shown, told
from clipbio.data.order import BatchPlan, Draw
from clipbio.data.shards import ShardError, ShardIndex
from clipbio.data.sharing import shared_empty
from clipbio.data.specimen import Specimen
from clipbio.seeding import derive_seed
from clipbio.taxonomy import stable_hash
from clipbio.text import Rendered, TextRegime, Unnameable

__all__ = ["BatchBuilder"]

_SUBSTITUTES = 64


@dataclass(frozen=True, slots=True)
class _Sample:
    """A specimen as a draw shows it; a text that is hidden still names it."""

    draw: Draw
    id: str
    shown: tuple[str, ...]
    rendered: Rendered | None
    barcode: str | None

    @property
    def text(self) -> str | None:
        return self.rendered.text if self.rendered is not None and "text" in self.shown else None

    @property
    def text_key(self) -> int:
        """Return the number of its text; what has none shares it with itself alone."""
        return stable_hash("specimen", self.id) if self.rendered is None else stable_hash(self.rendered.text)


@dataclass
class BatchBuilder:
    """Read, render and stack the specimens of one stream in a batch.

    A specimen that cannot be used is named and replaced by another one that its place in the run determines: the batch
    stays full, and the same on any number of processes. One that nothing names goes on without a text if it has two
    other modalities.

    Args:
        index: Records of the split that `rows` points into.
        rows: Rows of the index that take part, numbered from 0 by the plan.
        plan: Order of the stream.
        inputs: How each modality becomes inputs.
        regime: What a specimen is called.
        stream: Name of the stream.
        dropout: Probability of hiding a modality from a draw.
    """

    index: ShardIndex
    rows: npt.NDArray[np.int64]
    plan: BatchPlan
    inputs: ModelInputs
    regime: TextRegime
    stream: str = "main"
    dropout: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, step: int, places: range) -> Batch:
        """Return some places of the stream's part of the global batch of a step."""
        skipped: list[Skipped] = []
        pixels_BCHW = self._room(len(places))
        samples = [
            self._sample(draw, step, skipped, None if pixels_BCHW is None else pixels_BCHW[row])
            for row, draw in enumerate(self.plan.draws(step, places))
        ]
        chosen = self.rows[[sample.draw.row for sample in samples]]
        names = self.inputs.modalities
        return Batch(
            ids=[sample.id for sample in samples],
            inputs=self._inputs(samples, pixels_BCHW),
            present={name: torch.tensor([name in sample.shown for sample in samples]) for name in names},
            taxon_BR=torch.as_tensor(self.index.taxon_NR[chosen]),
            bin_B=torch.as_tensor(self.index.bin_N[chosen]),
            text_B=torch.tensor([sample.text_key for sample in samples]),
            group_B=torch.as_tensor(self.index.group_N[chosen]),
            text_types=[sample.rendered.type if sample.rendered else "" for sample in samples],
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
        if self.inputs.image is None or self.inputs.image.store is not None:
            return None
        height, width = self.inputs.image.transform.spec.size
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
        found = self._found(row, draw)
        specimen = self.index.read(row, image=pixels_CHW is not None and "image" in found)
        rendered = self._named(specimen, draw, len(found))
        available = [name for name in self.inputs.modalities if name in found or (name == "text" and rendered)]
        kept = shown(available, self.dropout, draw.seed)
        dna = self.inputs.dna
        barcode = dna.seen(specimen.dna, draw.seed) if dna is not None and "dna" in kept else None
        if pixels_CHW is not None and self.inputs.image is not None:
            self._fill(pixels_CHW, self.inputs.image, specimen, row, draw, wanted="image" in kept)
        return _Sample(draw, specimen.id, kept, rendered, barcode)

    def _found(self, row: int, draw: Draw) -> list[str]:
        """Return what the index says that a row has, beside its text; an error if it cannot have enough."""
        found = []
        digest = self.index.image_digests[row]
        image = self.inputs.image
        if image is not None and digest:
            if image.store is not None and not image.has(digest, draw.seed):
                raise ShardError("the image cannot be decoded")
            found.append("image")
        if self.inputs.dna is not None and self.index.dna_digests[row]:
            found.append("dna")
        names = self.inputs.modalities
        if len(found) + (self.inputs.text is not None) < least_of(names):
            raise ShardError(f"the specimen has {told(names)}")
        return found

    def _named(self, specimen: Specimen, draw: Draw, others: int) -> Rendered | None:
        if self.inputs.text is None:
            return None
        try:
            return self._render(specimen, draw)
        except Unnameable:
            if others < least_of(self.inputs.modalities):
                raise
            return None

    def _render(self, specimen: Specimen, draw: Draw) -> Rendered:
        return self.regime.draw(specimen, sample_seed=_text_seed(draw), batch_seed=draw.batch_seed)

    def _fill(
        self, pixels_CHW: Tensor, image: ImageInput, specimen: Specimen, row: int, draw: Draw, *, wanted: bool
    ) -> None:
        if not wanted:
            pixels_CHW.zero_()
            return
        assert isinstance(specimen.image, bytes)
        pixels_CHW.copy_(image.pixels(specimen.image, self.index.image_digests[row], draw.seed))

    def _inputs(self, samples: Sequence[_Sample], pixels_BCHW: Tensor | None) -> dict[str, Tensor]:
        inputs: dict[str, Tensor] = {}
        if self.inputs.image is not None:
            inputs["image"] = self._features(self.inputs.image, samples) if pixels_BCHW is None else pixels_BCHW
        if self.inputs.text is not None:
            inputs["text"] = self.inputs.text([sample.text for sample in samples])
        if self.inputs.dna is not None:
            inputs["dna"] = self.inputs.dna([sample.barcode for sample in samples])
        return inputs

    def _features(self, image: ImageInput, samples: Sequence[_Sample]) -> Tensor:
        digests = [
            self.index.image_digests[int(self.rows[sample.draw.row])] if "image" in sample.shown else b""
            for sample in samples
        ]
        return image.features(digests, [sample.draw.seed for sample in samples])


def _text_seed(draw: Draw) -> int:
    return derive_seed("text", draw.seed)
