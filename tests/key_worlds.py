"""Splits of specimens with vectors made by hand or at random, for benchmarks that compare queries with keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import Taxon
from clipbio.text import Named


def unit(*angles: float) -> Tensor:
    """Return unit vectors in the plane at angles in degrees."""
    turn = torch.deg2rad(torch.tensor(angles, dtype=torch.float64))
    return torch.stack([turn.cos(), turn.sin()], dim=1).float()


def animal(family: str = "", genus: str = "", species: str = "", *, order: str = "O") -> Taxon:
    return Taxon("Animalia", "P", "C", order, family, genus, species)


class Thing:
    """What is needed of a specimen's names."""

    def __init__(self, taxon: Taxon, label: str = "") -> None:
        self.taxon = taxon
        self.common_names: tuple[str, ...] = ()
        self.descriptions: tuple[str, ...] = ()
        self.label = label


def split_data(
    name: str,
    taxa: Sequence[Taxon],
    vectors: Mapping[str, Tensor],
    *,
    absent: Mapping[str, Sequence[int]] | None = None,
    groups: Sequence[int] | None = None,
    labels: Mapping[int, str] | None = None,
) -> SplitData:
    """Return a split; `absent` names the rows that lack a modality, `groups` the individuals, `labels` of some rows."""
    named: list[Named] = [Thing(taxon, (labels or {}).get(row, "")) for row, taxon in enumerate(taxa)]
    present = {one: torch.ones(len(taxa), dtype=torch.bool) for one in vectors}
    for one, rows in (absent or {}).items():
        present[one][list(rows)] = False
    vectors = {one: matrix * present[one][:, None] for one, matrix in vectors.items()}
    ids = tuple(f"{name}-{row}" for row in range(len(taxa)))
    specimens = Specimens(
        ids=ids,
        named=tuple(named),
        vectors=vectors,
        present=present,
        taxon_NR=torch.tensor([taxon.rank_keys for taxon in taxa], dtype=torch.int64).reshape(-1, 7),
        group_N=torch.tensor(groups if groups is not None else [-1] * len(taxa), dtype=torch.int64),
    )
    first = next(iter(vectors.values()))
    return SplitData.build(name, ids, vectors_ND=first, named=named, specimens=specimens)


def random_splits(
    seed: int, sizes: Mapping[str, tuple[int, Sequence[int]]], *, dim: int = 12, levels: int = 0, noise: float = 0.5
) -> dict[str, SplitData]:
    """Return splits of `(specimens, species numbers)`; with `levels` coordinates are coarse, so that scores tie."""
    generator = torch.Generator().manual_seed(seed)
    taxa = [animal(f"F{number // 6}", f"G{number // 3}", f"s{number}") for number in range(60)]
    centre = torch.randn(60, dim, generator=generator)
    splits = {}
    for name, (size, species) in sizes.items():
        drawn = torch.tensor(list(species))[torch.randint(len(species), (size,), generator=generator)]
        vectors = {}
        for one in ("image", "dna"):
            matrix = centre[drawn] + noise * torch.randn(size, dim, generator=generator)
            matrix = (matrix * levels).round() + 0.01 if levels else matrix
            vectors[one] = torch.nn.functional.normalize(matrix, dim=1)
        absent = {"dna": range(0, size, 5), "image": range(2, size, 7)}
        splits[name] = split_data(name, [taxa[number] for number in drawn.tolist()], vectors, absent=absent)
    return splits
