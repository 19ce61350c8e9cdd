"""The two streams: endless full batches for training, each specimen exactly once for evaluation."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from clipbio.data.batch import UNUSABLE, Batch, EvaluationBatch, Skipped, join, one_line
from clipbio.data.builder import BatchBuilder
from clipbio.data.inputs import BarcodeInput, ImageInput
from clipbio.data.shards import ShardIndex
from clipbio.data.sharing import packed
from clipbio.distributed import World

__all__ = ["EvaluationStream", "TrainStream", "loader", "own_cores"]

# What a worker may hold in finished batches.
_AHEAD_BYTES = 2**28


class TrainStream(IterableDataset[dict[str, Batch]]):
    """The batches of steps `start` to `stop`, one per projection, of which this process delivers its equal share.

    Worker `w` of `n` delivers every n-th step, so that the loader, which asks its workers in turn, hands them out in
    order.

    Args:
        builders: Per projection the streams whose rows form its batch.
        world: This process.
        start: First step.
        stop: Step behind the last one.
    """

    def __init__(self, builders: Mapping[str, Sequence[BatchBuilder]], *, world: World, start: int, stop: int) -> None:
        self.builders = builders
        self.world = world
        self.start = start
        self.stop = stop

    def __len__(self) -> int:
        """Return the steps of the whole run: a resumed run counts on from where it stood."""
        return self.stop

    def __iter__(self) -> Iterator[dict[str, Batch]]:
        worker, workers = _worker()
        for step in range(self.start + worker, self.stop, workers):
            batches = {
                projection: join([builder(step, self._places(builder)) for builder in builders])
                for projection, builders in self.builders.items()
            }
            yield batches if get_worker_info() is None else packed(batches)

    def _places(self, builder: BatchBuilder) -> range:
        share = builder.plan.batch_size // self.world.size
        return range(self.world.rank * share, (self.world.rank + 1) * share)


class EvaluationStream(IterableDataset[EvaluationBatch]):
    """Images and barcodes of some rows, each row exactly once over all processes and workers.

    The last batches may be small. What cannot be read is named; a row of which nothing can be read is left out.

    Args:
        index: Records of the split.
        rows: Rows to read.
        image: How images become inputs; None where the model reads none.
        dna: How barcodes become inputs; None where the model reads none.
        world: This process.
        batch_size: Rows of a batch.
        whole_batches: Deal batches, not rows, to the processes: which rows meet in one, and with it the last bit of
            their vectors, does not depend on the number of processes.
    """

    def __init__(
        self,
        index: ShardIndex,
        rows: npt.NDArray[np.int64],
        image: ImageInput | None,
        dna: BarcodeInput | None = None,
        *,
        world: World,
        batch_size: int,
        whole_batches: bool = False,
    ) -> None:
        self.index = index
        self.image = image
        self.dna = dna
        own = rows if whole_batches else rows[world.rank :: world.size]
        batches = [own[start : start + batch_size] for start in range(0, len(own), batch_size)]
        self.batches = batches[world.rank :: world.size] if whole_batches else batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        worker, workers = _worker()
        for rows in self.batches[worker::workers]:
            yield self._batch(rows)

    def _batch(self, rows: npt.NDArray[np.int64]) -> EvaluationBatch:
        read: list[int] = []
        found: list[dict[str, Tensor]] = []
        skipped: list[tuple[int, Skipped]] = []
        for row in map(int, rows):
            inputs, problem = self._read(row)
            if problem:
                skipped.append((row, Skipped(self.index.ids[row], problem)))
            if inputs:
                read.append(row)
                found.append(inputs)
        encoded = {name: one for name, one in (("image", self.image), ("dna", self.dna)) if one is not None}
        return EvaluationBatch(
            rows_B=torch.tensor(read, dtype=torch.int64),
            inputs={name: _stacked([one.get(name) for one in found], by) for name, by in encoded.items()},
            present={name: torch.tensor([name in one for one in found], dtype=torch.bool) for name in encoded},
            skipped=skipped,
        )

    def _read(self, row: int) -> tuple[dict[str, Tensor], str]:
        """Return what can be read of a row, and the reason for what cannot."""
        wanted = {}
        if self.image is not None and self.index.image_digests[row]:
            wanted["image"] = self._image
        if self.dna is not None and self.index.dna_digests[row]:
            wanted["dna"] = self._barcode
        if not wanted:
            lacks = [told for one, told in ((self.image, "image"), (self.dna, "barcode")) if one is not None]
            return {}, f"the specimen has no {' and no '.join(lacks)}"
        inputs: dict[str, Tensor] = {}
        problem = ""
        for name, read in wanted.items():
            try:
                inputs[name] = read(row)
            except UNUSABLE as error:
                problem = problem or one_line(error)
        return inputs, problem

    def _image(self, row: int) -> Tensor:
        assert self.image is not None
        digest = self.index.image_digests[row]
        if self.image.store is not None:
            if not self.image.has(digest, None):
                raise OSError("no image, or one that cannot be decoded")
            return self.image.features([digest], None)[0]
        image = self.index.read(row).image
        if not isinstance(image, bytes):
            raise OSError("the specimen has no image")
        return self.image.pixels(image, digest, None)

    def _barcode(self, row: int) -> Tensor:
        assert self.dna is not None
        return self.dna([self.dna.seen(self.index.read(row, image=False).dna, None)])[0]


def _stacked(rows: list[Tensor | None], by: ImageInput | BarcodeInput) -> Tensor:
    """Put inputs under each other, with what stands for those that are not there."""
    absent = by.absent()
    return torch.stack([absent if row is None else row for row in rows]) if rows else absent[None][:0]


def _worker() -> tuple[int, int]:
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def own_cores(world: World) -> int:
    """Return the number of cores that are this process's share."""
    return max(1, len(os.sched_getaffinity(0)) // world.local_size) if hasattr(os, "sched_getaffinity") else 2


def loader(
    stream: IterableDataset[Any], *, num_workers: int, context: str | None = None, batch_bytes: int = 0
) -> DataLoader[Any]:
    """Return a loader over a stream that makes its own batches; of large ones fewer are made ahead."""
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=num_workers,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_settle_worker,
        multiprocessing_context=context if num_workers else None,
        prefetch_factor=max(1, min(4, _AHEAD_BYTES // max(batch_bytes, 1))) if num_workers else None,
    )


def _settle_worker(worker: int) -> None:
    del worker
    # What was there before the fork stays shared: the collector would write into every page of it.
    gc.freeze()
    # Terminals and batch systems signal every process: the main one decides what it means.
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    _hear_parent_alone()
    # Workers are the parallelism; more threads in each would only fight for the same cores.
    torch.set_num_threads(1)


def _hear_parent_alone() -> None:
    """Let SIGTERM end this worker only if the process that reads from it sent it."""
    parent = multiprocessing.parent_process()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        while parent is not None and signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent.pid:
            pass
        os._exit(0)

    threading.Thread(target=wait, name="terminator", daemon=True).start()
