"""Labels of the global batch, and which of its rows take part in a pair of modalities.

Shape suffixes: b own rows, B rows of the global batch, R ranks; n own rows and N all rows that have the first modality
of a pair, M all rows that have the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clipbio.distributed import world_rank
from clipbio.losses.gather import gather_labels

__all__ = ["LabelTable", "PairRows"]


@dataclass(frozen=True, slots=True)
class LabelTable:
    """What names the rows of the global batch: keys that are the same number on every process, -1 where unknown."""

    taxon_BR: Tensor
    bin_B: Tensor
    text_B: Tensor
    present: dict[str, Tensor]
    offset: int
    own: int

    @classmethod
    def gather(cls, labels: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> LabelTable:
        """Collect the labels and masks of all processes in one exchange.

        Args:
            labels: `taxon_BR`, `bin_B` and `text_B` of this process's rows, int64.
            present: Mask (b,) per modality, the same modalities on every process.
        """
        names = sorted(present)
        columns = [labels["text_B"], labels["bin_B"], *labels["taxon_BR"].unbind(1), *(present[name] for name in names)]
        packed = gather_labels(torch.stack([column.long() for column in columns], dim=1))
        ranks = labels["taxon_BR"].shape[1]
        own = len(labels["text_B"])
        return cls(
            text_B=packed[:, 0],
            bin_B=packed[:, 1],
            taxon_BR=packed[:, 2 : 2 + ranks],
            present={name: packed[:, 2 + ranks + place].bool() for place, name in enumerate(names)},
            offset=world_rank() * own,
            own=own,
        )

    def __len__(self) -> int:
        return len(self.text_B)

    def pair(self, first: str, second: str) -> PairRows:
        """Return the rows that have the modalities of a pair."""
        row_N = self.present[first].nonzero().squeeze(1)
        column_M = self.present[second].nonzero().squeeze(1)
        mine = (row_N >= self.offset) & (row_N < self.offset + self.own)
        return PairRows(
            row_N[mine], row_N, column_M, self.offset, len(self), of_specimens="text" not in (first, second)
        )


@dataclass(frozen=True, slots=True)
class PairRows:
    """Numbers of rows in the global batch: own and all rows with the first modality, all with the second.

    `of_specimens` tells that neither modality is text: both show the specimen, where a text says what it was called.
    """

    row_n: Tensor
    row_N: Tensor
    column_M: Tensor
    offset: int
    size: int
    of_specimens: bool

    def rows(self, own_bD: Tensor) -> Tensor:
        """Return the rows (n, D) of this process that have the first modality, in float32 or better."""
        chosen = own_bD if len(self.row_n) == len(own_bD) else own_bD[self.row_n - self.offset]
        return _wide(chosen)

    def columns(self, gathered_BD: Tensor) -> Tensor:
        """Return the rows (M, D) of the global batch that have the second modality, in float32 or better."""
        return _wide(gathered_BD if len(self.column_M) == self.size else gathered_BD[self.column_M])

    def spread(self, value_n: Tensor, own: int) -> Tensor:
        """Return values of the rows that take part as one value per own row (b,), NaN elsewhere."""
        value_b = torch.full((own,), torch.nan, dtype=value_n.dtype, device=value_n.device)
        value_b[self.row_n - self.offset] = value_n
        return value_b


def _wide(rows: Tensor) -> Tensor:
    return rows if rows.dtype == torch.float64 else rows.float()
