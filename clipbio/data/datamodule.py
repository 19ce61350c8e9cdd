"""The DataModule: which specimens a run sees, in which order, as which inputs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from clipbio.data.batch import Batch, EvaluationBatch
from clipbio.data.builder import BatchBuilder
from clipbio.data.inputs import BarcodeInput, ImageInput, ModelInputs, TextInput
from clipbio.data.modalities import check_dropout, encodable, lacking, taking_part, told
from clipbio.data.order import BatchPlan
from clipbio.data.remote import RemoteOptions, check_windows
from clipbio.data.sampling import classes_of
from clipbio.data.shards import ShardFolder, resolve, resolve_source
from clipbio.data.sources import Source
from clipbio.data.splits import IntArray, SplitRows, named_split, splits_of
from clipbio.data.stream import EvaluationStream, TrainStream, loader, own_cores
from clipbio.data.stream_data import StreamData
from clipbio.data.streams import (
    MAIN,
    PlannedStream,
    Stream,
    by_projection,
    check_divisible,
    deal,
    read_streams,
    stream_seed,
)
from clipbio.distributed import World, barrier
from clipbio.errors import ClipbioError

__all__ = ["SpecimenData", "SplitRows", "Stream"]

log = logging.getLogger(__name__)

_TOLD = {"image": "an image", "dna": "a barcode"}


class SpecimenData(pl.LightningDataModule):
    """Streams of training batches and exact passes over evaluation splits.

    What is evaluated comes from the data's own folder (`root` or `source`, else that of the first stream), and so does
    `val`. An epoch of the run is one of the first stream.

    Args:
        streams: Training streams by name, or their settings; see `Stream`.
        root: Shard folder or specimen table.
        source: Source of specimens that are generated instead of read, such as the virtual herbarium.
        cache_dir: Where tables and sources are prepared into shards.
        batch_size: Global batch of all streams together, divided equally among the processes.
        evaluation_batch_size: Images per process in evaluation.
        num_workers: Decoding processes, or `auto`: none when everything is cached, else the cores of this process.
        window: Number of shards that are shuffled together.
        val_share: Share of the train groups that becomes `val` where the data has no such split.
        split_seed: Seed of that choice, apart from the run's seed so that runs can be compared.
        views: Number of seeded augmented views cached for a frozen image trunk; 0 caches the evaluation form if there
            is no augmentation, and nothing if there is.
        decoder: `fast`: JPEG at the scale that is needed, resized by torch. `pillow`: the slower reference.
        modality_dropout: Probability per modality of hiding it from a draw of a specimen that has more than two.
        sheet_mask: Whether labels, rulers and colour cards of herbarium sheets are painted over.
        max_skipped_share: Share of unusable specimens above which the run stops.
        worker_context: How worker processes start: `fork`, `spawn` or `forkserver`; None is Python's default.
        remote_cache_gb: Bound of the shards that are kept of remote folders, in units of 10**9 bytes.
        remote_retries: Further attempts at a remote file after a failed one.
        remote_timeout: Seconds without an answer after which an attempt has failed.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream | Mapping[str, Any]],
        *,
        cache_dir: str,
        batch_size: int,
        root: str | None = None,
        source: Source | None = None,
        evaluation_batch_size: int = 64,
        num_workers: int | str = "auto",
        window: int = 16,
        val_share: float = 0.1,
        split_seed: int = 0,
        views: int = 0,
        decoder: str = "fast",
        sheet_mask: bool = False,
        modality_dropout: Mapping[str, float] | None = None,
        max_skipped_share: float = 0.05,
        worker_context: str | None = None,
        remote_cache_gb: float = 50.0,
        remote_retries: int = 4,
        remote_timeout: float = 60.0,
    ) -> None:
        super().__init__()
        if not 0.0 < val_share < 1.0:
            raise ClipbioError(f"data.val_share={val_share} must lie between 0 and 1")
        self.streams = read_streams(streams)
        first = next(iter(self.streams.values()))
        self.root = root or first.root
        self.source = source or first.source
        self.cache_dir = Path(cache_dir).expanduser()
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.requested_workers = num_workers
        self.window = window
        self.val_share = val_share
        self.split_seed = split_seed
        self.views = views
        self.decoder = decoder
        self.sheet_mask = sheet_mask
        self.modality_dropout = dict(modality_dropout or {})
        self.max_skipped_share = max_skipped_share
        self.worker_context = worker_context
        self.remote = RemoteOptions(remote_cache_gb, remote_retries, remote_timeout)
        self.world = World()
        self.steps = 0
        self.batches_per_step = 1
        self.seed = 0
        self.validation_splits: tuple[str, ...] = ()
        self.modalities: tuple[str, ...] = ("image", "text")
        self.image: ImageInput | None = None
        self.evaluation_image: ImageInput | None = None
        self.text: TextInput | None = None
        self.dna: BarcodeInput | None = None
        self.evaluation_dna: BarcodeInput | None = None
        self._consumed = 0
        self._stream_data = StreamData(self.streams, self._prepared)
        self._evaluated: dict[str, SplitRows] = {}

    # -- what there is ---------------------------------------------------------------------------------------------

    def check_root(self) -> None:
        """Refuse data that nothing names."""
        if self.root is None and self.source is None:
            raise ClipbioError("data.root is missing: give a folder with specimens.csv, or a shard folder")

    @cached_property
    def folder(self) -> ShardFolder:
        """Prepared shards; the main process prepares them, the others wait for it."""
        self.check_root()
        return self._prepared(self.root, self.source)

    def _prepared(self, root: str | None, source: Source | None) -> ShardFolder:
        def resolved() -> ShardFolder:
            if root is not None:
                return resolve(root, self.cache_dir, remote=self.remote)
            assert source is not None
            return resolve_source(source, self.cache_dir)

        if self.world.is_main:
            folder = resolved()
            barrier()
            return folder
        barrier()
        return resolved()

    @cached_property
    def splits(self) -> dict[str, SplitRows]:
        """All splits; `val` is carved out of `train` where the data has none."""
        return splits_of(self.folder, val_share=self.val_share, seed=self.split_seed)

    def split(self, name: str) -> SplitRows:
        """Return a split by name."""
        return named_split(self.splits, name, self.folder)

    def read_for(self, modalities: Sequence[str]) -> None:
        """Learn what the model encodes, before the run is planned: it decides which specimens take part.

        Raises:
            ClipbioError: `modality_dropout` does not go with it.
        """
        check_dropout(self.modality_dropout, modalities)
        if "planned" in self.__dict__ and set(modalities) != set(self.modalities):
            raise RuntimeError("read_for() the model's modalities before plan_run()")
        self.modalities = tuple(modalities)
        self._evaluated = {}

    # -- training --------------------------------------------------------------------------------------------------

    def plan_run(
        self, *, seed: int, steps: Callable[[BatchPlan], int], world: World, batches_per_step: int = 1
    ) -> BatchPlan:
        """Fix the order of the run; `steps` turns the first stream's plan (its epochs) into the number of steps.

        A step takes one global batch, or several where gradients are accumulated.
        """
        check_divisible(self.batch_size, self.streams, world.size)
        self.world = world
        self.seed = seed
        self.steps = steps(self.plan)
        check_windows([(one.split.index, one.rows) for one in self.planned.values()], self.window, self.remote)
        self.batches_per_step = batches_per_step
        return self.plan

    @property
    def batches(self) -> int:
        """Number of global batches of the run."""
        return self.steps * self.batches_per_step

    @property
    def plan(self) -> BatchPlan:
        """Order of the first stream, whose epochs are those of the run."""
        return next(iter(self.planned.values())).plan

    @cached_property
    def planned(self) -> dict[str, PlannedStream]:
        """The streams with their data and order."""
        sizes = deal(self.batch_size, self.streams)
        return {name: self._planned(name, size) for name, size in sizes.items()}

    def _planned(self, name: str, size: int) -> PlannedStream:
        stream = self.streams[name]
        split = self._stream_data.split(name, self.folder, self.splits)
        rows = taking_part(split, self.modalities)
        told_of = "train" if name == MAIN else f"{name} stream"
        for lacks in lacking(split, self.modalities):
            problem = f"no {told_of} specimen has {_TOLD[lacks]}: is the column called {lacks}?"
            if not len(rows):
                raise ClipbioError(problem)
            log.warning("%s The %s tower learns nothing", problem, lacks)
        if len(rows) < len(split):
            log.warning("%d of %d %s specimens have %s and are left out", len(split) - len(rows), len(split),
                        told_of, told(self.modalities))  # fmt: skip
        if len(rows) < size and len(self.streams) > 1:
            raise ClipbioError(
                f"data.streams.{name} has {len(rows)} train specimens, fewer than its {size} rows of each batch of "
                f"{self.batch_size}: lower its share or data.batch_size"
            )
        plan = BatchPlan(
            split.index.shard_N[rows],
            batch_size=size,
            seed=stream_seed(self.seed, name),
            window=self.window,
            sampling=stream.sampling,
            class_N=None if stream.sampling == "uniform" else classes_of(split.index, rows),
        )
        return PlannedStream(name, stream, split, rows, plan)

    @cached_property
    def train_parts(self) -> list[SplitRows]:
        """The specimens of all streams: each set of them once."""
        return list({id(one.split.index): one.split for one in self.planned.values()}.values())

    def attach(
        self,
        *,
        image: ImageInput | None = None,
        evaluation_image: ImageInput | None = None,
        text: TextInput | None = None,
        dna: BarcodeInput | None = None,
        evaluation_dna: BarcodeInput | None = None,
    ) -> None:
        """Take over how the model wants its inputs; what it does not encode is None."""
        self.image, self.evaluation_image = image, evaluation_image
        self.text = text
        self.dna, self.evaluation_dna = dna, evaluation_dna

    @property
    def builders(self) -> dict[str, list[BatchBuilder]]:
        """Make batches of the streams of each projection."""
        return {
            projection: [self._builder(self.planned[name]) for name in names]
            for projection, names in by_projection(self.streams).items()
        }

    def _builder(self, one: PlannedStream) -> BatchBuilder:
        inputs = ModelInputs(self.image, self.text, self.dna)
        if set(inputs.modalities) != set(self.modalities):
            raise RuntimeError("attach() the model's inputs first")
        dropout = self.modality_dropout
        return BatchBuilder(one.split.index, one.rows, one.plan, inputs, one.stream.regime, one.name, dropout)

    def texts_of_run(self) -> Iterator[str]:
        """Yield every text that training will still render, whole epochs of each stream at a time."""
        for builder in (one for group in self.builders.values() for one in group):
            per_epoch = builder.plan.batches_per_epoch
            first = builder.plan.epoch_of(self._consumed) * per_epoch
            for step in range(first, -(-self.batches // per_epoch) * per_epoch):
                yield from builder.texts(step)

    def train_dataloader(self) -> DataLoader[dict[str, Batch]]:
        """Return the batches by projection from the step at which the run stands."""
        stream = TrainStream(self.builders, world=self.world, start=self._consumed, stop=self.batches)
        workers = self.num_workers(self.image or self.dna)
        return loader(stream, num_workers=workers, context=self.worker_context, batch_bytes=self._batch_bytes())

    def _batch_bytes(self) -> int:
        """Return the size of the pixels of this process's share of a batch."""
        if self.image is None:
            return 0
        height, width = self.image.transform.spec.size
        return 3 * height * width * self.batch_size // self.world.size

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the streams, and what stands for their content."""
        return {"batches_consumed": self._batches_seen, "manifests": self._contents()}

    @property
    def _batches_seen(self) -> int:
        return self.trainer.global_step * self.batches_per_step if self.trainer else 0

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at the position of a checkpoint, without reading what was consumed before.

        Raises:
            ClipbioError: The data are not those with which the checkpoint was made.
        """
        before, now = state_dict.get("manifests", {}), self._contents()
        if changed := [name for name in before if before[name] != now.get(name)]:
            told = ", ".join(f"{name}: {before[name]} -> {now.get(name)}" for name in changed)
            raise ClipbioError(
                f"the data changed since the checkpoint was written ({told}), a continued run would see other "
                "specimens: bring back what was there, or start anew in another run_dir"
            )
        self._consumed = int(state_dict["batches_consumed"])

    def contents(self) -> dict[str, str]:
        """Return what stands for the content of the data, and of each stream that brings its own; it opens them all."""
        self._stream_data.open()
        return self._contents()

    def _contents(self) -> dict[str, str]:
        return {"data": self.folder.manifest.hash} | {f"data.streams.{name}": h for name, h in self.manifests.items()}

    @property
    def manifests(self) -> dict[str, str]:
        """What stands for the content of each stream that brings its own, once the run is planned."""
        return self._stream_data.manifests

    @property
    def samples_seen(self) -> int:
        """Specimens that training has drawn so far, over all attempts and processes."""
        return (self._batches_seen if self.trainer else self._consumed) * self.batch_size

    # -- evaluation ------------------------------------------------------------------------------------------------

    def evaluated(self, name: str) -> SplitRows:
        """Return what the model can encode of a split: specimens with an image or a barcode, whichever it reads."""
        if name not in self._evaluated:
            split = self.split(name)
            rows = encodable(split, self.modalities)
            if len(rows) < len(split):
                lacks = " and no ".join(one for one in self.modalities if one != "text")
                left_out = len(split) - len(rows)
                log.warning("%d of %d %s specimens have no %s: not evaluated", left_out, len(split), name, lacks)
            self._evaluated[name] = SplitRows(split.name, split.index, rows)
        return self._evaluated[name]

    def evaluation_loader(self, name: str, rows: IntArray | None = None) -> DataLoader[EvaluationBatch]:
        """Return an exact pass over a split: each specimen once over all processes.

        Args:
            name: The split.
            rows: Some of its rows, dealt in whole batches.
        """
        image, dna = self.evaluation_image, self.evaluation_dna
        if image is None and dna is None:
            raise RuntimeError("attach() the model's inputs first")
        split = self.evaluated(name)
        size = self.evaluation_batch_size
        wanted, whole = (split.rows, False) if rows is None else (rows, True)
        stream = EvaluationStream(
            split.index, wanted, image, dna, world=self.world, batch_size=size, whole_batches=whole
        )
        return loader(stream, num_workers=self.num_workers(image or dna), context=self.worker_context)

    def val_dataloader(self) -> list[DataLoader[EvaluationBatch]]:
        """Return a loader for each validation split."""
        return [self.evaluation_loader(name) for name in self.validation_splits]

    def num_workers(self, input_: ImageInput | BarcodeInput | None) -> int:
        """Return the number of reading processes for what costs most to read: images, else barcodes."""
        if isinstance(self.requested_workers, int):
            return self.requested_workers
        if self.requested_workers != "auto":
            raise ClipbioError(f"data.num_workers='{self.requested_workers}' must be a number or 'auto'")
        if input_ is not None and input_.store is not None:
            return 0
        return own_cores(self.world)
