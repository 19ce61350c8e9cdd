"""Splits whose specimens carry metadata, with vectors given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import Taxon


@dataclass(frozen=True)
class Noted:
    """What is needed of a specimen: names and metadata."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    taxon: Taxon = field(default_factory=Taxon)
    common_names: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()


def noted_split(name: str, vectors_ND: Tensor, named: Sequence[Noted], *, absent: Sequence[int] = ()) -> SplitData:
    """Return a split of images; rows in `absent` have none."""
    present_N = torch.ones(len(named), dtype=torch.bool)
    present_N[list(absent)] = False
    ids = tuple(f"{name}-{row}" for row in range(len(named)))
    vectors_ND = torch.nn.functional.normalize(vectors_ND.float(), dim=1) * present_N[:, None]
    specimens = Specimens(
        ids=ids,
        named=tuple(named),
        vectors={"image": vectors_ND},
        present={"image": present_N},
        taxon_NR=torch.tensor([one.taxon.rank_keys for one in named], dtype=torch.int64).reshape(-1, 7),
        group_N=torch.full((len(named),), -1),
    )
    pictured = specimens.take(present_N)
    return SplitData.build(
        name, pictured.ids, vectors_ND=pictured.vectors["image"], named=pictured.named, specimens=specimens
    )


def no_text(texts: Sequence[str]) -> Tensor:
    raise AssertionError("no text is asked for")
