"""The DataModule: which specimens a run sees, in which order, as which inputs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from clipbio.data.batch import Batch, BatchBuilder, EvaluationBatch
from clipbio.data.inputs import ImageInput, TextInput
from clipbio.data.order import BatchPlan
from clipbio.data.shards import ShardFolder, ShardIndex, resolve, resolve_source
from clipbio.data.sources import Source
from clipbio.data.stream import EvaluationStream, TrainStream, loader
from clipbio.distributed import World, barrier
from clipbio.errors import ClipbioError, nearest
from clipbio.seeding import derive_seed
from clipbio.text import TextRegime

__all__ = ["SpecimenData", "SplitRows", "Stream"]

log = logging.getLogger(__name__)

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitRows:
    """The specimens of one split: some rows of an index."""

    name: str
    index: ShardIndex
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Stream:
    """One stream of training data.

    Args:
        text: What its specimens are called.
        root: Shard folder or specimen table, if not the one of all streams.
        split: Split that it reads.
    """

    text: TextRegime
    root: str | None = None
    split: str = "train"


class SpecimenData(pl.LightningDataModule):
    """Streams of training batches and exact passes over evaluation splits.

    Args:
        streams: Training streams by name; this version trains on one, called `main`.
        root: Shard folder or specimen table.
        source: Source of specimens that are generated instead of read, such as the virtual herbarium.
        cache_dir: Where tables and sources are prepared into shards.
        batch_size: Global batch, divided equally among the processes.
        evaluation_batch_size: Images per process in evaluation.
        num_workers: Decoding processes, or `auto`: none when everything is cached, else the cores of this process.
        window: Number of shards that are shuffled together.
        val_share: Share of the train groups that becomes `val` where the data has no such split.
        split_seed: Seed of that choice, apart from the run's seed so that runs can be compared.
        views: Number of seeded augmented views cached for a frozen image trunk; 0 caches the evaluation form if there
            is no augmentation, and nothing if there is.
        max_skipped_share: Share of unusable specimens above which the run stops.
        worker_context: How worker processes start: `fork`, `spawn` or `forkserver`; None is Python's default.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream],
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
        max_skipped_share: float = 0.05,
        worker_context: str | None = None,
    ) -> None:
        super().__init__()
        if set(streams) != {"main"}:
            raise ClipbioError(f"data.streams holds {sorted(streams)}: this version trains on one stream called 'main'")
        if not 0.0 < val_share < 1.0:
            raise ClipbioError(f"data.val_share={val_share} must lie between 0 and 1")
        self.stream = streams["main"]
        self.root = self.stream.root or root
        self.source = source
        self.cache_dir = Path(cache_dir).expanduser()
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.requested_workers = num_workers
        self.window = window
        self.val_share = val_share
        self.split_seed = split_seed
        self.views = views
        self.max_skipped_share = max_skipped_share
        self.worker_context = worker_context
        self.world = World()
        self.steps = 0
        self.seed = 0
        self.validation_splits: tuple[str, ...] = ()
        self.image: ImageInput | None = None
        self.evaluation_image: ImageInput | None = None
        self.text: TextInput | None = None
        self._consumed = 0

    # -- what there is ---------------------------------------------------------------------------------------------

    @cached_property
    def folder(self) -> ShardFolder:
        """Prepared shards; the main process prepares them, the others wait for it."""
        if self.world.is_main:
            folder = self._resolve()
            barrier()
            return folder
        barrier()
        return self._resolve()

    def _resolve(self) -> ShardFolder:
        if self.root is not None:
            return resolve(self.root, self.cache_dir)
        if self.source is None:
            raise ClipbioError("data.root is missing: give a folder with specimens.csv, or a shard folder")
        return resolve_source(self.source, self.cache_dir)

    @cached_property
    def splits(self) -> dict[str, SplitRows]:
        """All splits; `val` is carved out of `train` where the data has none."""
        found = {name: self._whole(name) for name, samples in self.folder.splits.items() if samples}
        if "val" not in found and "train" in found:
            found |= self._carve(found["train"])
        return found

    def split(self, name: str) -> SplitRows:
        """Return a split by name."""
        if name not in self.splits:
            raise ClipbioError(f"{self.folder.root} has no split '{name}'{nearest(name, self.splits)}")
        return self.splits[name]

    def _whole(self, name: str) -> SplitRows:
        index = self.folder.index(name)
        return SplitRows(name, index, np.arange(len(index.ids), dtype=np.int64))

    def _carve(self, train: SplitRows) -> dict[str, SplitRows]:
        """Part the groups of `train` by the rank of their hashed number, so that exactly a share becomes `val`."""
        groups, group_of_row = np.unique(train.index.group_N, return_inverse=True)
        if len(groups) < 2:
            return {}
        hashes = np.array([derive_seed("val", self.split_seed, int(group)) for group in groups])
        chosen = np.zeros(len(groups), dtype=bool)
        chosen[np.argsort(hashes)[: max(1, round(self.val_share * len(groups)))]] = True
        val = chosen[group_of_row]
        log.info("no split 'val': %d of %d train specimens were carved out for it", val.sum(), len(val))
        return {
            "train": SplitRows("train", train.index, train.rows[~val]),
            "val": SplitRows("val", train.index, train.rows[val]),
        }

    # -- training --------------------------------------------------------------------------------------------------

    def plan_run(self, *, seed: int, steps: Callable[[BatchPlan], int], world: World) -> BatchPlan:
        """Fix the order of the run; `steps` turns the plan (its epochs) into the number of steps."""
        self.world = world
        self.seed = seed
        plan = self.plan
        self.steps = steps(plan)
        return plan

    @property
    def train_split(self) -> SplitRows:
        """The specimens of the training stream."""
        return self.split(self.stream.split)

    @cached_property
    def plan(self) -> BatchPlan:
        """Order of the training batches over the train specimens that have an image."""
        return BatchPlan(
            self.train_split.index.shard_N[self._train_rows],
            batch_size=self.batch_size,
            seed=self.seed,
            window=self.window,
        )

    @cached_property
    def _train_rows(self) -> IntArray:
        split = self.train_split
        rows = np.array([row for row in split.rows if split.index.image_digests[row]], dtype=np.int64)
        if len(rows) < len(split):
            log.warning("%d of %d train specimens have no image and are left out", len(split) - len(rows), len(split))
        return rows

    def attach(self, *, image: ImageInput, evaluation_image: ImageInput, text: TextInput) -> None:
        """Take over how the model wants its inputs."""
        self.image = image
        self.evaluation_image = evaluation_image
        self.text = text

    @property
    def builder(self) -> BatchBuilder:
        """Make batches of the training stream."""
        if self.image is None or self.text is None:
            raise RuntimeError("attach() the model's inputs first")
        index = self.train_split.index
        return BatchBuilder(index, self._train_rows, self.plan, self.image, self.text, self.stream.text)

    def texts_of_run(self) -> Iterator[str]:
        """Yield every text that training will render, whole epochs at a time."""
        epochs = -(-self.steps // self.plan.batches_per_epoch)
        for step in range(epochs * self.plan.batches_per_epoch):
            yield from self.builder.texts(step)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the stream from the step at which the run stands."""
        stream = TrainStream(self.builder, world=self.world, start=self._consumed, stop=self.steps)
        return loader(stream, num_workers=self.num_workers(self.image), context=self.worker_context)

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the stream."""
        return {"batches_consumed": self.trainer.global_step if self.trainer else 0}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at the position of a checkpoint, without reading what was consumed before."""
        self._consumed = int(state_dict["batches_consumed"])

    # -- evaluation ------------------------------------------------------------------------------------------------

    def evaluation_loader(self, name: str) -> DataLoader[EvaluationBatch]:
        """Return an exact pass over a split: each specimen once over all processes."""
        if self.evaluation_image is None:
            raise RuntimeError("attach() the model's inputs first")
        split = self.split(name)
        stream = EvaluationStream(
            split.index, split.rows, self.evaluation_image, world=self.world, batch_size=self.evaluation_batch_size
        )
        return loader(stream, num_workers=self.num_workers(self.evaluation_image), context=self.worker_context)

    def val_dataloader(self) -> list[DataLoader[EvaluationBatch]]:
        """Return a loader for each validation split."""
        return [self.evaluation_loader(name) for name in self.validation_splits]

    def num_workers(self, image: ImageInput | None) -> int:
        """Return the number of decoding processes for an image input."""
        if isinstance(self.requested_workers, int):
            return self.requested_workers
        if self.requested_workers != "auto":
            raise ClipbioError(f"data.num_workers='{self.requested_workers}' must be a number or 'auto'")
        if image is not None and image.store is not None:
            return 0
        return max(1, len(os.sched_getaffinity(0)) // self.world.local_size) if hasattr(os, "sched_getaffinity") else 2
