"""Every specimen of a split with all that a model says of it: what is compared across modalities and splits.

Shape suffixes: N specimens, R ranks, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clipbio.text import Named

__all__ = ["Specimens"]


@dataclass(frozen=True)
class Specimens:
    """Every specimen of a split with the unit vectors of the modalities it has.

    `ids` and `named` have one entry per specimen; `vectors` are (N, D) float32 per modality, zeros where `present`, a
    mask (N,), is false. Texts have no vectors: a benchmark renders `named` and encodes each distinct string.
    `taxon_NR` holds lineage keys (`Taxon.rank_keys`) and `bin_N` hashes of BINs, -1 where unknown, `group_N` the
    individual. `barcodes` are sequences, empty where there is none, known to any model for baselines without one.
    """

    ids: tuple[str, ...]
    named: tuple[Named, ...]
    vectors: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    taxon_NR: Tensor
    group_N: Tensor
    barcodes: tuple[str, ...] = ()
    bin_N: Tensor | None = None

    def __post_init__(self) -> None:
        tensors = [*self.vectors.values(), *self.present.values(), self.taxon_NR, self.group_N]
        tensors += [] if self.bin_N is None else [self.bin_N]
        lengths = {len(self.ids), len(self.named), *map(len, tensors), *([len(self.barcodes)] if self.barcodes else [])}
        if len(lengths) != 1 or self.vectors.keys() != self.present.keys():
            raise ValueError(
                f"specimens do not match: lengths {sorted(lengths)}, vectors of {list(self.vectors)}, masks of "
                f"{list(self.present)}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows_n: Tensor) -> Specimens:
        """Return some specimens, by row number or by mask."""
        numbers_n = rows_n.nonzero().squeeze(1) if rows_n.dtype == torch.bool else rows_n
        chosen = numbers_n.tolist()
        return replace(
            self,
            ids=tuple(self.ids[row] for row in chosen),
            named=tuple(self.named[row] for row in chosen),
            vectors={name: one[numbers_n] for name, one in self.vectors.items()},
            present={name: one[numbers_n] for name, one in self.present.items()},
            taxon_NR=self.taxon_NR[numbers_n],
            group_N=self.group_N[numbers_n],
            barcodes=tuple(self.barcodes[row] for row in chosen) if self.barcodes else (),
            bin_N=None if self.bin_N is None else self.bin_N[numbers_n],
        )
