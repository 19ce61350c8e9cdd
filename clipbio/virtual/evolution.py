"""How a protein-coding barcode changes along a branch of the tree."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import numpy.typing as npt
from Bio.Data.CodonTable import unambiguous_dna_by_id

__all__ = ["BASES", "FRAME", "LENGTH", "Bases", "evolve", "first_sequence"]

Bases = npt.NDArray[np.int64]
"""Bases of a barcode as places in `BASES`, (`LENGTH`,)."""

BASES = "ACGT"
LENGTH = 658
# As in the animal barcode between the Folmer primers, the first base is the last one of a codon that was cut off.
FRAME = 1
# Rich in A and T, as mitochondria of insects are.
_SHARES = np.array([0.30, 0.17, 0.14, 0.39])
_KAPPA = 5.0  # how much more often a base turns into its transition partner than composition alone would have it
_OMEGA = 0.04  # share of the changes of an amino acid that selection lets pass
_PASSING = 0.205  # share of the proposed changes that come true, measured at equilibrium
_TABLE = unambiguous_dna_by_id[5]
_AMINO = [_TABLE.forward_table.get(a + b + c, "") for a in BASES for b in BASES for c in BASES]


def _targets() -> npt.NDArray[np.float64]:
    """Return the chances that a base (row) turns into each base (column) when a change is proposed, summed up."""
    chances = np.tile(_SHARES, (4, 1))
    for one, other in ((0, 2), (1, 3)):
        chances[one, other] *= _KAPPA
        chances[other, one] *= _KAPPA
    np.fill_diagonal(chances, 0)
    chances /= chances.sum(axis=1).max()
    # Bases that change more rarely keep what is left, or the composition would not be that of the shares.
    np.fill_diagonal(chances, 1 - chances.sum(axis=1))
    return np.cumsum(chances, axis=1)


_TARGETS = _targets().tolist()


def first_sequence(random: np.random.Generator) -> Bases:
    """Draw the sequence at the root: codons without stops, then long under selection, which sets its composition."""
    codons = [number for number, amino in enumerate(_AMINO) if amino]
    shares = np.array([np.prod([_SHARES[base] for base in _parts(codon)]) for codon in codons])
    drawn = random.choice(codons, size=(LENGTH - FRAME) // 3, p=shares / shares.sum())
    bases = [int(random.choice(4, p=_SHARES)), *(base for codon in drawn for base in _parts(int(codon)))]
    return evolve(np.array(bases), 3.0, random)


def evolve(sequence_L: Bases, distance: float, random: np.random.Generator) -> Bases:
    """Return a sequence after a branch of `distance` expected substitutions per site.

    Changes are proposed at random sites, transitions more often than transversions. All those that keep the amino acid
    (NCBI table 5) pass, few that change it, none that make a stop codon: so third positions change fastest.
    """
    bases = sequence_L.tolist()
    count = int(random.poisson(distance * len(bases) / _PASSING))
    sites = random.integers(len(bases), size=count).tolist()
    draws, luck = random.random(count).tolist(), random.random(count).tolist()
    for site, draw, chance in zip(sites, draws, luck, strict=True):
        before = bases[site]
        bases[site] = bisect_right(_TARGETS[before], draw, hi=3)
        if site >= FRAME and not _passes(bases, site, before, chance):
            bases[site] = before
    return np.array(bases)


def _passes(bases: list[int], site: int, before: int, chance: float) -> bool:
    start = site - (site - FRAME) % 3
    first, second, third = bases[start : start + 3]
    new = _AMINO[16 * first + 4 * second + third]
    weight = (16, 4, 1)[site - start]
    old = _AMINO[16 * first + 4 * second + third - weight * (bases[site] - before)]
    return new == old or (bool(new) and chance < _OMEGA)


def _parts(codon: int) -> tuple[int, int, int]:
    return codon // 16, codon // 4 % 4, codon % 4
