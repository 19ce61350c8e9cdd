"""Which splits hold keys, and the specimens of some splits as one side of a comparison.

Shape suffixes: N specimens, R ranks, D dimensions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.key_query_forms import forms_of, labels_of, own_of
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import RANKS

__all__ = ["PAIRS", "UNSEEN_OF", "Side", "key_splits", "parse_pair", "seen_keys", "side_of", "unseen_keys"]

_KINDS = ("image", "dna", "fused")
PAIRS = tuple(f"{query}_to_{key}" for query in _KINDS for key in _KINDS)

UNSEEN_OF = {"val": "val_unseen", "test": "unseen"}


def seen_keys(available: Collection[str]) -> str | None:
    """Return the split with the keys of seen species: `key`, else `train`."""
    return next((split for split in ("key", "train") if split in available), None)


def unseen_keys(available: Collection[str]) -> str | None:
    """Return the split with the keys of unseen species, if there is one."""
    return "key_unseen" if "key_unseen" in available else None


def key_splits(available: Collection[str]) -> tuple[str, ...]:
    """Return the splits whose specimens form the shared key pool."""
    return tuple(split for split in (seen_keys(available), unseen_keys(available)) if split is not None)


def parse_pair(pair: str) -> tuple[str, str]:
    """Return the kinds of query and key of one of `PAIRS`."""
    query, _, key = pair.partition("_to_")
    return query, key


@dataclass(frozen=True)
class Side:
    """The specimens of one side of a comparison that have what is compared."""

    vectors_ND: Tensor
    taxon_NR: Tensor
    group_N: Tensor

    def __len__(self) -> int:
        return len(self.vectors_ND)

    def only(self, kept_N: Tensor) -> Side:
        """Return the specimens of a mask or of row numbers."""
        return Side(self.vectors_ND[kept_N], self.taxon_NR[kept_N], self.group_N[kept_N])

    def key_N(self, rank: str) -> Tensor:
        """Return the taxon of each specimen at a rank, -1 where it is not known."""
        return self.taxon_NR[:, RANKS.index(rank)]


def _side(specimens: Specimens, kind: str) -> Side | None:
    """Return the specimens that have a modality, or for `fused` at least one of image and DNA.

    None if none has it, or if the model has nothing to fuse. A species without a binomial takes its label, and a
    specimen without a group is an individual by itself, as in `key_query`.
    """
    form = forms_of(specimens, None).get(kind)
    if form is None:
        return None
    taxon_NR = labels_of(specimens, RANKS, "clipbio")
    return Side(form.vectors_MD, taxon_NR[form.row_M], own_of(specimens)[form.row_M])


def side_of(data: Mapping[str, SplitData], splits: Iterable[str | None], kind: str) -> Side | None:
    """Return what the named splits hold of a kind as one side; None if there is nothing."""
    found = [data[split].specimens for split in splits if split is not None and split in data]
    sides = [one for specimens in found if specimens is not None if (one := _side(specimens, kind)) is not None]
    if not sides:
        return None
    return Side(*(torch.cat([getattr(one, name) for one in sides]) for name in Side.__dataclass_fields__))
