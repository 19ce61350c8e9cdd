"""What is asked for: the classes themselves, the taxa of a rank, or bins; each with what the answer says of it.

Shape suffixes: C classes, G groups.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from clipbio.errors import ClipbioError, nearest
from clipbio.prediction.classes import Classes, ClassNames, similar
from clipbio.taxonomy import RANKS

__all__ = ["OTHER", "Groups", "bin_table", "bins", "label_groups", "rank_groups"]

OTHER = "other"
"""The bin of what a table of bins does not list."""


@dataclass(frozen=True)
class Groups:
    """Sets of classes whose probabilities are summed.

    Args:
        group_C: The group of each class, -1 for one that belongs to none: it takes probability and is no answer.
        first_G: The first class of each group: its names, down to `rank`, are those of the group.
        rank: The rank of the groups; empty where they are the classes themselves, or bins.
        names_G: Names of bins; empty for taxa.
    """

    group_C: Tensor
    first_G: Tensor
    rank: str = ""
    names_G: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.first_G)

    @property
    def is_identity(self) -> bool:
        """Tell whether the groups are the classes themselves."""
        return not self.rank and not self.names_G

    def sums(self, probability_nC: Tensor) -> Tensor:
        """Return the summed probability (n, G) of each group."""
        if self.is_identity:
            return probability_nC
        # Classes of no group go to one more column at the end, which is cut off.
        column_C = torch.where(self.group_C < 0, len(self), self.group_C).to(probability_nC.device)
        sums_nG = probability_nC.new_zeros(len(probability_nC), len(self) + 1)
        return sums_nG.index_add_(1, column_C, probability_nC)[:, : len(self)]


def label_groups(classes: Classes) -> Groups:
    """Return the classes themselves."""
    every_C = torch.arange(len(classes))
    return Groups(every_C, every_C)


def rank_groups(classes: Classes, rank: str) -> Groups:
    """Return the taxa of a rank.

    Raises:
        ClipbioError: There is no such rank, or no class has a taxon at it.
    """
    if rank not in RANKS:
        raise ClipbioError(f"rank='{rank}' is unknown{nearest(rank, RANKS)}")
    key_C = classes.taxon_CR[:, RANKS.index(rank)]
    known = key_C >= 0
    if not bool(known.any()):
        raise ClipbioError(f"rank={rank}: none of the {len(classes):,} labels has a {rank}; leave rank= out")
    keys, group_n = torch.unique(key_C[known], return_inverse=True)
    group_C = torch.full_like(key_C, -1)
    group_C[known] = group_n
    return Groups(group_C, _first(group_C, len(keys)), rank)


def bins(classes: Classes, bin_of: Mapping[str, str]) -> Groups:
    """Return bins of classes, and `other` for what is in none: the last one, unless the table has a bin of that name.

    Args:
        classes: What there is.
        bin_of: The bin of a name: of a class, or of any taxon above it. The deepest name of a class that is listed
            decides.

    Raises:
        ClipbioError: A name is that of no class and of no taxon.
    """
    names = tuple(dict.fromkeys(bin_of.values()))
    number = {name: place for place, name in enumerate(names)}
    met: set[str] = set()
    group_C = torch.full((len(classes),), -1)
    for row, names_of in enumerate(classes.all_names()):
        if listed := [name for name in _names(names_of) if name in bin_of]:
            met.update(listed)
            group_C[row] = number[bin_of[listed[0]]]
    lost = [name for name in bin_of if name not in met]
    if lost:
        known = (name for names_of in classes.all_names() for name in _names(names_of))
        told = ", ".join(f"'{name}'" for name in lost[:5])
        raise ClipbioError(f"bins: no label is called {told} ({len(lost)} names in all){similar(lost[0], known)}")
    if bool((group_C < 0).any()):
        names = names if OTHER in number else (*names, OTHER)
        group_C = torch.where(group_C < 0, names.index(OTHER), group_C)
    return Groups(group_C, _first(group_C, len(names)), names_G=names)


def bin_table(path: Path) -> dict[str, str]:
    """Read a CSV of two columns, name and bin, with a header, as pybioclip has them.

    Raises:
        ClipbioError: It is none, or gives one name two bins.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))[1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClipbioError(f"bins={path} cannot be read: {error}") from error
    found: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or not all(cells):
            raise ClipbioError(f"bins={path} row {number}: give a name and its bin, two cells")
        if found.setdefault(cells[0], cells[1]) != cells[1]:
            raise ClipbioError(
                f"bins={path} row {number}: '{cells[0]}' has two bins, {found[cells[0]]} and {cells[1]}; keep one"
            )
    if not found:
        raise ClipbioError(f"bins={path} is empty: give a header and rows of a name and its bin")
    return found


def _names(names: ClassNames) -> Iterator[str]:
    """Yield what a class may be called, its own names first, then the taxa above it, the deepest first."""
    taxon = names.taxon
    own = (names.label, taxon.scientific_name, names.common_name)
    yield from filter(None, (*own, *reversed(taxon.ranks[:-1])))


def _first(group_C: Tensor, count: int) -> Tensor:
    """Return the first class of each group."""
    known_n = (group_C >= 0).nonzero()[:, 0]
    empty_G = torch.full((count,), len(group_C))
    return empty_G.scatter_reduce(0, group_C[known_n], known_n, "amin")
