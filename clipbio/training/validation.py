"""Evaluation of a model on splits: embeddings are collected batch by batch, then handed to the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from clipbio.data.batch import EvaluationBatch
from clipbio.data.datamodule import SplitRows
from clipbio.evaluation.benchmark import AnyBenchmark, EncodeText, Result, run_benchmarks
from clipbio.evaluation.embed import Collector
from clipbio.evaluation.joining import Joiner

__all__ = ["Validation"]


@dataclass
class Validation:
    """Run benchmarks on splits.

    Args:
        splits: Splits in the order of their loaders.
        benchmarks: Benchmarks by name.
        encode_text: Texts to unit vectors with the model as it is now.
        table: All splits of the data, whose species are the candidates of `SPLIT@all`.
        max_skipped_share: Share of unreadable specimens above which a split is not evaluated.
        further: Splits with which the others are compared, such as keys; their loaders follow.
    """

    splits: Sequence[SplitRows]
    benchmarks: Mapping[str, AnyBenchmark]
    encode_text: EncodeText
    table: Sequence[SplitRows] = ()
    max_skipped_share: float = 1.0
    further: Sequence[SplitRows] = ()
    result: Result = field(default_factory=Result)
    _collectors: list[Collector] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._join = Joiner(self.table)

    @property
    def names(self) -> tuple[str, ...]:
        """Name the splits in the order of their loaders."""
        return tuple(split.name for split in (*self.splits, *self.further))

    def begin(self) -> None:
        """Start with nothing collected."""
        everything = (*self.splits, *self.further)
        self._collectors = [Collector(split.name, split.rows, self.max_skipped_share) for split in everything]

    def add(self, place: int, batch: EvaluationBatch, vectors: Mapping[str, Tensor]) -> None:
        """Take the embeddings of one batch of the split at `place`."""
        self._collectors[place].add(batch, vectors)

    def finish(self) -> dict[str, float]:
        """Gather, run every benchmark and return all metrics."""
        everything = zip((*self.splits, *self.further), self._collectors, strict=True)
        data = [self._join(split, collector.gather()) for split, collector in everything]
        count = len(self.splits)
        self.result = run_benchmarks(self.benchmarks, data[:count], self.encode_text, further=data[count:])
        return self.result.metrics
