"""From the vectors of a split to what benchmarks see: joined with the records of its specimens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from clipbio.data.shards import ShardError
from clipbio.data.specimen import Specimen
from clipbio.data.splits import SplitRows
from clipbio.evaluation.embed import Gathered
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.specimens import Specimens

__all__ = ["Joiner"]


class Joiner:
    """Join vectors with records, each of which is read once.

    Args:
        table: All splits of the data, whose species are the candidates of `SPLIT@all`.
    """

    def __init__(self, table: Sequence[SplitRows] = ()) -> None:
        self.table = table
        self._records: dict[tuple[str, int], Specimen | None] = {}

    def __call__(self, split: SplitRows, found: Gathered) -> SplitData:
        """Return a split ready for benchmarks."""
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
            unreadable=found.skipped,
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
