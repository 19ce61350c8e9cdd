"""What a method says of barcodes: the nearest train barcode, or a linear probe.

Shape suffixes: Q queries, K keys, N specimens, D dimensions, R ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from clipbio.evaluation.barcode_search import plain_barcodes
from clipbio.evaluation.key_query_forms import labels_of
from clipbio.evaluation.probe import draw_shots, linear_probe
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import RANKS

__all__ = ["Answers", "Barcodes", "nearest_answers", "probe_answers"]

IntArray = NDArray[np.int64]

_SPECIES = RANKS.index("species")


@dataclass(frozen=True)
class Barcodes:
    """N specimens that have a barcode: its clean sequence, any unit vectors of it, and lineage keys (-1 unknown).

    A species without a binomial takes its label (a provisional name), as in `key_query`.
    """

    sequences: tuple[str, ...]
    vectors_ND: torch.Tensor
    taxon_NR: IntArray

    @classmethod
    def of(cls, specimens: Specimens) -> Barcodes:
        """Take the specimens whose DNA was encoded."""
        chosen = specimens.take(specimens.present["dna"])
        sequences = tuple(plain_barcodes(chosen.barcodes))
        return cls(sequences, chosen.vectors["dna"].cpu(), labels_of(chosen, RANKS, "clipbio").numpy())

    def __len__(self) -> int:
        return len(self.sequences)


@dataclass(frozen=True)
class Answers:
    """What each method says of the same queries at one rank, as lineage keys.

    `unit_Q` is the species, which is redrawn for intervals. `chance` is the accuracy of a random key, or of a
    random class for the probe. `left_out` counts queries whose taxon no key has: nothing could be right there.
    """

    rank: str
    predicted: Mapping[str, IntArray]
    target_Q: IntArray
    unit_Q: IntArray
    chance: float
    macro_chance: float
    left_out: int = 0


def nearest_answers(queries: Barcodes, keys: Barcodes, rank: str, key_rows: Mapping[str, IntArray]) -> Answers | None:
    """Return the taxa of the nearest keys, for each method a key row per query; None if no query can be judged.

    Keys without a name at the rank may be the nearest ones; then the answer is wrong.
    """
    place = RANKS.index(rank)
    target_Q, name_K = queries.taxon_NR[:, place], keys.taxon_NR[:, place]
    named_Q, known_Q = target_Q >= 0, np.isin(target_Q, name_K[name_K >= 0])
    judged = np.flatnonzero(named_Q & known_Q)
    if not len(judged):
        return None
    names, count = np.unique(name_K, return_counts=True)
    share = dict(zip(names.tolist(), (count / len(name_K)).tolist(), strict=True))
    target = target_Q[judged]
    return Answers(
        rank,
        {method: name_K[row_Q[judged]] for method, row_Q in key_rows.items()},
        target,
        _units(queries)[judged],
        float(np.mean([share[one] for one in target.tolist()])),
        float(np.mean([share[one] for one in np.unique(target).tolist()])),
        int((named_Q & ~known_Q).sum()),
    )


def probe_answers(
    queries: Barcodes,
    keys: Barcodes,
    features: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    *,
    shots: int | None,
    seed: int,
) -> tuple[Answers, dict[str, float]] | None:
    """Return what linear probes say of the species, and the C of each; None if no query can be judged.

    Queries whose species is not among the keys are left out.

    Args:
        queries: Barcodes of seen species.
        keys: Barcodes to draw the examples from, the same ones for each probe.
        features: Vectors of keys and of queries by name.
        shots: Examples of each species; None is all.
        seed: Seed of the draw.
    """
    class_K, target_Q = keys.taxon_NR[:, _SPECIES], queries.taxon_NR[:, _SPECIES]
    known_Q = np.isin(target_Q, class_K[class_K >= 0])
    judged, species = np.flatnonzero(known_Q), np.unique(class_K[class_K >= 0])
    if not len(judged) or len(species) < 2:
        return None
    drawn = draw_shots(class_K, keys.sequences, shots=shots, seed=seed)
    found = {
        name: linear_probe(key_KD.numpy(), class_K, drawn, query_QD.numpy()[judged], seed=seed)
        for name, (key_KD, query_QD) in features.items()
    }
    predicted = {name: answer for name, (answer, _) in found.items()}
    left_out = int(((target_Q >= 0) & ~known_Q).sum())
    chance = 1 / len(species)
    answers = Answers("species", predicted, target_Q[judged], target_Q[judged], chance, chance, left_out)
    return answers, {name: strength for name, (_, strength) in found.items()}


def _units(queries: Barcodes) -> IntArray:
    """Return the species of each query; one that is not determined so far is a unit with its likes of the next rank."""
    unit_Q = queries.taxon_NR[:, 0]
    for name_Q in queries.taxon_NR.T[1:]:
        unit_Q = np.where(name_Q >= 0, name_Q, unit_Q)
    return unit_Q
