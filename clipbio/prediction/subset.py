"""Some of the classes: those that stand in a list of taxa, such as the checklist of a region."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.prediction.classes import Classes, ClassNames, similar
from clipbio.taxonomy import RANKS, Taxon
from clipbio.text import Named

__all__ = ["subset_rows"]

log = logging.getLogger(__name__)

_TOLD = 5


def subset_rows(classes: Classes, listed: Iterable[Named], where: str) -> Tensor:
    """Return the rows of the classes that are listed, or lie below a taxon that is listed, in ascending order.

    A taxon is known by the name of its deepest rank and, where both name it, by its kingdom: regional lists often give
    a binomial and nothing else. Names that no class has are told, the closest one beside the first of them.

    Args:
        classes: What there is.
        listed: Taxa of the list; one without any rank is known by its label.
        where: Name of the list, for messages.

    Raises:
        ClipbioError: No class is listed.
    """
    kingdoms_of: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for thing in listed:
        rank, name = thing.taxon.deepest or ("label", thing.label)
        if name:
            kingdoms_of[rank, name].add(thing.taxon.kingdom if rank != "kingdom" else "")
    met: set[tuple[str, str]] = set()
    kept = []
    for row, names in enumerate(classes.all_names()):
        found = {name for name in _names(names) if _same(kingdoms_of.get(name), names.taxon)}
        met |= found
        if found:
            kept.append(row)
    lost = [name for name in kingdoms_of if name not in met]
    if not kept:
        raise ClipbioError(f"{where}: none of its {len(kingdoms_of)} taxa is among the {len(classes):,} labels")
    if lost:
        _tell(lost, len(kingdoms_of), classes, where)
    return torch.tensor(kept)


def _names(names: ClassNames) -> Iterable[tuple[str, str]]:
    yield "label", names.label
    yield "species", names.taxon.scientific_name
    yield from zip(RANKS[:-1], names.taxon.ranks, strict=False)


def _same(kingdoms: set[str] | None, taxon: Taxon) -> bool:
    return kingdoms is not None and (not taxon.kingdom or "" in kingdoms or taxon.kingdom in kingdoms)


def _tell(lost: list[tuple[str, str]], count: int, classes: Classes, where: str) -> None:
    rank, name = lost[0]
    known = (one for names in classes.all_names() for at, one in _names(names) if at == rank)
    told = ", ".join(one for _, one in islice(lost, _TOLD))
    log.warning(
        "%s: %d of %d taxa are not among the labels: %s%s%s",
        where, len(lost), count, told, " ..." if len(lost) > _TOLD else "", similar(name, known),
    )  # fmt: skip
