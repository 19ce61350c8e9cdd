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
from clipbio.evaluation.benchmark import AnyBenchmark, EncodeText, Result, run_benchmarks
from clipbio.evaluation.embed import Collector, Gathered
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.specimens import Specimens
from clipbio.evaluation.split_facts import SplitFacts, split_facts

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
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    facts: dict[str, SplitFacts] = field(default_factory=dict)
    _collectors: list[Collector] = field(default_factory=list)
    _records: dict[tuple[str, int], Specimen | None] = field(default_factory=dict)

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

    def collector(self, place: int) -> Collector:
        """Return the collector of the split at `place`."""
        return self._collectors[place]

    def finish(self) -> dict[str, float]:
        """Gather, run every benchmark and return all metrics."""
        everything = zip((*self.splits, *self.further), self._collectors, strict=True)
        data = [self._data(split, collector) for split, collector in everything]
        self.facts = {one.split: split_facts(one) for one in data}
        count = len(self.splits)
        self.result = run_benchmarks(self.benchmarks, data[:count], self.encode_text, further=data[count:])
        return self.result.metrics

    def _data(self, split: SplitRows, collector: Collector) -> SplitData:
        found = collector.gather()
        self.skipped[split.name] = found.skipped
        specimens = self._specimens(split, found)
        absent = torch.zeros(len(specimens), dtype=torch.bool)
        pictured = specimens.take(specimens.present.get("image", absent))
        return SplitData.build(
            split.name,
            pictured.ids,
            vectors_ND=pictured.vectors.get("image", torch.zeros(0, 0)),
            named=pictured.named,
            table=self._whole_table() if self.table else None,
            specimens=specimens,
        )

    def _specimens(self, split: SplitRows, found: Gathered) -> Specimens:
        """Join vectors and records; a record that is damaged names nothing and is left out, as its image is."""
        records = {int(row): one for row in found.rows_N if (one := self._record(split, int(row)))}
        kept_N = np.array([int(row) in records for row in found.rows_N], dtype=bool)
        rows_N, mask_N = found.rows_N[kept_N], torch.from_numpy(kept_N)
        named = tuple(records[int(row)] for row in rows_N)
        return Specimens(
            ids=tuple(split.index.ids[int(row)] for row in rows_N),
            named=named,
            vectors={name: vectors_ND[mask_N] for name, vectors_ND in found.vectors.items()},
            present={name: present_N[mask_N] for name, present_N in found.present.items()},
            taxon_NR=torch.as_tensor(split.index.taxon_NR[rows_N]),
            group_N=torch.as_tensor(split.index.group_N[rows_N]),
            barcodes=tuple(one.dna for one in named),
            bin_N=torch.as_tensor(split.index.bin_N[rows_N]),
        )

    def _record(self, split: SplitRows, row: int) -> Specimen | None:
        """Return the record of a specimen, read once."""
        key = (split.name, row)
        if key not in self._records:
            try:
                self._records[key] = split.index.read(row, image=False)
            except ShardError:
                self._records[key] = None
        return self._records[key]

    def _whole_table(self) -> Iterator[Specimen]:
        for split in self.table:
            yield from filter(None, (self._record(split, int(row)) for row in split.rows))
