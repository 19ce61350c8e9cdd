"""Who is a positive of whom.

Many specimens share one species and one name. Treating them as each other's negatives, as plain CLIP does, teaches the
model to tell apart what is the same.

Shape suffixes: B rows of the global batch, c rows of a tile, M columns, R ranks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from clipbio.errors import ClipbioError, nearest
from clipbio.losses.labels import LabelTable, PairRows
from clipbio.losses.tiles import Relate, Weights

__all__ = ["TARGETS", "check_targets", "classes", "deepest_taxon", "relation"]

TARGETS = ("instance", "text", "taxon", "rank")
"""Who is a positive of whom: `loss.targets`."""


def check_targets(targets: str, rank_decay: float) -> None:
    """Refuse unknown targets and a decay that would make relatives closer than the species itself."""
    if targets not in TARGETS:
        raise ClipbioError(f"loss.targets='{targets}' is unknown{nearest(targets, TARGETS)}")
    if not 0.0 <= rank_decay < 1.0:
        raise ClipbioError(f"loss.rank_decay={rank_decay} must lie in [0, 1)")


def classes(table: LabelTable, targets: str) -> Tensor | None:
    """Return a class number (B,) for each row whose members are each other's positives; None where no classes do.

    `instance`: each row is its own class. `text`: rows with the same rendered text. `taxon`: rows with the same deepest
    known taxon; rows without any go by their text. Species and BIN together make no classes, and neither do ranks.
    """
    if targets == "instance":
        return torch.arange(len(table), device=table.text_B.device)
    if targets == "text":
        return _numbered(table.text_B)
    if targets == "taxon" and not bool((table.bin_B >= 0).any()):
        return _numbered(deepest_taxon(table.taxon_BR, table.text_B))
    return None


def relation(table: LabelTable, rows: PairRows, targets: str, *, rank_decay: float) -> Relate:
    """Return what relates the pairs of a tile, for every kind of targets.

    `taxon`: 1 for the same deepest known taxon or the same BIN. `rank`: `rank_decay ** k` for two rows whose deepest
    shared rank lies `k` ranks above the last one, 0 for nothing shared. Where one of the two is not known below their
    shared rank, it may belong to the same species as the other: such a pair is ignored. Rows without any taxon go by
    their text. BINs decide such doubts: the same BIN is the same species, and two BINs tell two specimens apart, though
    not the text of one from the picture or barcode of the other.
    """
    if targets == "rank":
        related = _by_rank(table, rank_decay, bins_differ=rows.of_specimens)
    elif targets == "taxon":
        related = _by_equality(deepest_taxon(table.taxon_BR, table.text_B), table.bin_B)
    else:
        numbers = classes(table, targets)
        assert numbers is not None
        related = _by_equality(numbers)
    return lambda tile: related(rows.row_n[tile], rows.column_M)


def deepest_taxon(taxon_BR: Tensor, unknown_B: Tensor) -> Tensor:
    """Return the key of each row's deepest known taxon (B,), `unknown_B` where none is known."""
    label_B = unknown_B
    for taxon_B in taxon_BR.unbind(1):
        label_B = torch.where(taxon_B >= 0, taxon_B, label_B)
    return label_B


def _numbered(label_B: Tensor) -> Tensor:
    numbers_B: Tensor = torch.unique(label_B, return_inverse=True)[1]
    return numbers_B


def _by_equality(label_B: Tensor, bin_B: Tensor | None = None) -> Callable[[Tensor, Tensor], Weights]:
    def related(row_c: Tensor, column_M: Tensor) -> Weights:
        same_cM = label_B[row_c, None] == label_B[column_M]
        if bin_B is not None:
            same_cM |= (bin_B[row_c, None] == bin_B[column_M]) & (bin_B[column_M] >= 0)
        return Weights(same_cM.float(), None)

    return related


def _by_rank(table: LabelTable, rank_decay: float, *, bins_differ: bool) -> Callable[[Tensor, Tensor], Weights]:
    taxon_BR, bin_B, ranks = table.taxon_BR, table.bin_B, table.taxon_BR.shape[1]
    unnamed_B = (taxon_BR < 0).all(dim=1)

    def related(row_c: Tensor, column_M: Tensor) -> Weights:
        by_text_cM = unnamed_B[row_c, None] | unnamed_B[column_M]
        weight_cM = torch.zeros(len(row_c), len(column_M), device=taxon_BR.device)
        conflict_cM = torch.zeros_like(weight_cM, dtype=torch.bool)
        for rank in range(ranks):
            row_taxon_c1, column_taxon_M = taxon_BR[row_c, rank, None], taxon_BR[column_M, rank]
            known_cM = (row_taxon_c1 >= 0) & (column_taxon_M >= 0)
            same_cM = known_cM & (row_taxon_c1 == column_taxon_M)
            weight_cM.masked_fill_(same_cM, rank_decay ** (ranks - 1 - rank))
            conflict_cM |= known_cM ^ same_cM
        # `same_cM` is now that of the last rank. A row is no doubtful relative of itself, however little is known.
        own_cM = row_c[:, None] == column_M
        same_text_cM = by_text_cM & (table.text_B[row_c, None] == table.text_B[column_M])
        both_bins_cM = (bin_B[row_c, None] >= 0) & (bin_B[column_M] >= 0)
        same_bin_cM = both_bins_cM & (bin_B[row_c, None] == bin_B[column_M]) & ~conflict_cM
        weight_cM.masked_fill_(own_cM | same_text_cM | same_bin_cM, 1.0)
        ignored_cM = ~(conflict_cM | same_cM | own_cM | by_text_cM | same_bin_cM)
        if bins_differ:
            ignored_cM &= ~both_bins_cM
        return Weights(weight_cM.masked_fill_(ignored_cM, 0.0), ignored_cM)

    return related
