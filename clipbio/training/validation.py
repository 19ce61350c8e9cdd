"""Evaluation of a model on splits: embeddings are collected batch by batch, then handed to the benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from clipbio.data.batch import EvaluationBatch
from clipbio.data.datamodule import SplitRows
from clipbio.data.shards import ShardError
from clipbio.data.specimen import Specimen
from clipbio.evaluation.benchmark import Benchmark, EncodeText, Result, run_benchmarks
from clipbio.evaluation.embed import Collector
from clipbio.evaluation.embeddings import SplitData

__all__ = ["Validation"]


@dataclass
class Validation:
    """Run benchmarks on splits.

    Args:
        splits: Splits in the order of their loaders.
        benchmarks: Benchmarks by name.
        encode_text: Texts to unit vectors with the model as it is now.
        table: All splits of the data, whose species are the candidates of `SPLIT@all`.
        max_skipped_share: Share of unreadable images above which a split is not evaluated.
    """

    splits: Sequence[SplitRows]
    benchmarks: Mapping[str, Benchmark]
    encode_text: EncodeText
    table: Sequence[SplitRows] = ()
    max_skipped_share: float = 1.0
    result: Result = field(default_factory=Result)
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    _collectors: list[Collector] = field(default_factory=list)
    _named: dict[str, dict[int, Specimen]] = field(default_factory=dict)

    def begin(self) -> None:
        """Start with nothing collected."""
        self._collectors = [Collector(split.name, split.rows, self.max_skipped_share) for split in self.splits]

    def add(self, place: int, batch: EvaluationBatch, vectors_BD: Tensor | None) -> None:
        """Take the image embeddings of one batch of the split at `place`."""
        self._collectors[place].add(batch, vectors_BD)

    def collector(self, place: int) -> Collector:
        """Return the collector of the split at `place`."""
        return self._collectors[place]

    def finish(self) -> dict[str, float]:
        """Gather, run every benchmark on every split and return all metrics."""
        data = [self._data(split, collector) for split, collector in zip(self.splits, self._collectors, strict=True)]
        self.result = run_benchmarks(self.benchmarks, data, self.encode_text)
        return self.result.metrics

    def _data(self, split: SplitRows, collector: Collector) -> SplitData:
        rows_N, vectors_ND, self.skipped[split.name] = collector.gather()
        names = self._names(split)
        rows_N, vectors_ND = _named_alone(rows_N, vectors_ND, names)
        return SplitData.build(
            split.name,
            [split.index.ids[int(row)] for row in rows_N],
            vectors_ND=vectors_ND,
            named=[names[int(row)] for row in rows_N],
            table=self._whole_table() if self.table else None,
        )

    def _names(self, split: SplitRows) -> dict[int, Specimen]:
        """Return the records of a split, read once."""
        if split.name not in self._named:
            self._named[split.name] = {int(row): one for row in split.rows if (one := _record(split, int(row)))}
        return self._named[split.name]

    def _whole_table(self) -> Iterator[Specimen]:
        for split in self.table:
            yield from self._names(split).values()


def _record(split: SplitRows, row: int) -> Specimen | None:
    """Read a record; one that is damaged names no class and is left out, as its image is."""
    try:
        return split.index.read(row, image=False)
    except ShardError:
        return None


def _named_alone(rows_N: np.ndarray, vectors_ND: Tensor, names: Mapping[int, Specimen]) -> tuple[np.ndarray, Tensor]:
    kept = np.array([int(row) in names for row in rows_N])
    return rows_N[kept], vectors_ND[torch.from_numpy(kept)]
