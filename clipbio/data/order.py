"""The global order of training samples: a pure function of seed and epoch.

Ranks and workers only choose their part of it, so the specimens of step `t` are the same on one process and on many, in
the first attempt and after a resume. An epoch is a permutation of the shards, cut into windows, and a permutation of
the samples inside each window: close to a full shuffle, yet only one window of shards is being read at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clipbio.data.sampling import sample_rows
from clipbio.errors import ClipbioError
from clipbio.seeding import derive_seed, rng

__all__ = ["BatchPlan", "Draw", "epoch_order"]

IntArray = npt.NDArray[np.int64]


def epoch_order(shard_N: npt.NDArray[np.integer], *, seed: int, epoch: int, window: int) -> IntArray:
    """Return the order of one epoch as row numbers.

    Args:
        shard_N: Shard of each row.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
        window: Number of shards that are mixed with each other.
    """
    draw = rng("order", seed, epoch)
    shards, starts_inverse = np.unique(shard_N, return_inverse=True)
    place_of_shard = draw.permutation(len(shards))
    window_N = place_of_shard[starts_inverse] // window
    return np.lexsort((draw.random(len(shard_N)), window_N)).astype(np.int64)


class Draw(NamedTuple):
    """One place of the run: the row that stands there, and the seeds of how it is seen.

    The seeds belong to the place in the run, never to a rank or worker.
    """

    row: int
    seed: int
    batch_seed: int


class BatchPlan:
    """Which rows of a stream stand in which global batch.

    Batches are full; what is left at the end of an epoch is dropped, another part in each epoch.

    Args:
        shard_N: Shard of each row.
        batch_size: Rows of the stream in each global batch.
        seed: Seed of the stream.
        window: Number of shards that are mixed with each other.
        sampling: `uniform`: each row stands in an epoch once. `sqrt`, `balanced`: as often as its class needs.
        class_N: Class of each row, for any sampling but `uniform`.
    """

    def __init__(
        self,
        shard_N: Sequence[int] | npt.NDArray[np.integer],
        *,
        batch_size: int,
        seed: int,
        window: int = 16,
        sampling: str = "uniform",
        class_N: IntArray | None = None,
    ) -> None:
        self.shard_N = np.asarray(shard_N)
        self.batch_size = batch_size
        self.seed = seed
        self.window = window
        self.sampling = sampling
        self.class_N = class_N
        if batch_size < 1 or window < 1:
            raise ClipbioError(f"data.batch_size={batch_size} and data.window={window} must both be at least 1")
        if len(self.shard_N) < batch_size:
            raise ClipbioError(
                f"data.batch_size={batch_size} is larger than the {len(self.shard_N)} train specimens: make it smaller"
            )
        self._epoch = -1
        self._order: IntArray = np.empty(0, dtype=np.int64)

    @property
    def batches_per_epoch(self) -> int:
        """Number of full global batches in one epoch."""
        return len(self.shard_N) // self.batch_size

    def epoch_of(self, batch: int) -> int:
        """Return the epoch to which global batch number `batch` belongs."""
        return batch // self.batches_per_epoch

    def rows(self, batch: int) -> IntArray:
        """Return the rows of global batch number `batch`, counted from the start of the run."""
        position = batch % self.batches_per_epoch
        return self._epoch_order(self.epoch_of(batch))[position * self.batch_size : (position + 1) * self.batch_size]

    def draws(self, batch: int, places: Iterable[int] | None = None) -> list[Draw]:
        """Return what stands at some places of a global batch, by default at all of them."""
        rows = self.rows(batch)
        batch_seed = derive_seed(self.seed, "batch", batch)
        chosen = range(self.batch_size) if places is None else places
        return [Draw(int(rows[place]), derive_seed(self.seed, "sample", batch, place), batch_seed) for place in chosen]

    def substitute(self, draw: Draw, batch: int, attempt: int) -> Draw:
        """Return another place of the same epoch, to stand in for a specimen that cannot be used.

        Taking a place of the run, rather than any row with any seed, means that its text is known beforehand.
        """
        choice = rng("substitute", draw.seed, attempt)
        first = self.epoch_of(batch) * self.batches_per_epoch
        other = first + int(choice.integers(self.batches_per_epoch))
        return self.draws(other, [int(choice.integers(self.batch_size))])[0]

    def _epoch_order(self, epoch: int) -> IntArray:
        if epoch != self._epoch:
            self._order = self._drawn(epoch)
            self._epoch = epoch
        return self._order

    def _drawn(self, epoch: int) -> IntArray:
        if self.sampling == "uniform" or self.class_N is None:
            return epoch_order(self.shard_N, seed=self.seed, epoch=epoch, window=self.window)
        rows = sample_rows(self.class_N, sampling=self.sampling, seed=self.seed, epoch=epoch)
        return rows[epoch_order(self.shard_N[rows], seed=self.seed, epoch=epoch, window=self.window)]
