"""A small flora whose characters are told by columns, and whose images and captions are known vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.specimens import Specimens
from clipbio.seeding import rng
from clipbio.taxonomy import Taxon

COLOURS = ("red", "white", "blue", "yellow")
SHAPES = ("ovate", "linear", "cordate")
COLUMNS = {"flower": "flower colour", "leaf": "leaf shape", "hidden": "root type"}
ROOTS = ("bulb", "taproot")
DIM = 24


@dataclass(frozen=True)
class Plant:
    """A specimen with its record."""

    taxon: Taxon
    metadata: Mapping[str, Any] = field(default_factory=dict)
    descriptions: tuple[str, ...] = ()
    common_names: tuple[str, ...] = ()
    label: str = ""


def species(number: int, *, first: int = 0) -> Plant:
    """Return a species whose states are drawn by its number; roots have nothing to do with what is seen."""
    random = rng("flora", number + first)
    states = {"flower": str(random.choice(COLOURS)), "leaf": str(random.choice(SHAPES)), "hidden": str(random.choice(ROOTS))}  # fmt: skip
    text = f"Flowers {states['flower']}. Leaves {states['leaf']}."
    return Plant(Taxon(kingdom="Plantae", genus="Genus", species=f"species{number + first:03d}"), states, (text,))


def axis(word: str) -> Tensor:
    """Return the direction of a state."""
    return torch.eye(DIM)[(*COLOURS, *SHAPES, *ROOTS).index(word)]


def encode(texts: Sequence[str]) -> Tensor:
    """Give a caption the direction of the state in it, among much that all captions share."""
    found = []
    for text in texts:
        words = [word.strip(".,;").removesuffix("s") for word in text.split()]
        told = [axis(word) for word in words if word in (*COLOURS, *SHAPES, *ROOTS)]
        found.append(sum(told, start=2 * torch.eye(DIM)[-1]))
    return torch.nn.functional.normalize(torch.stack(found), dim=1)


def split(name: str, count: int, *, first: int = 0, per_species: int = 3, noise: float = 0.5) -> SplitData:
    """Return images of some species: flowers and leaves are seen, the rest is noise."""
    plants = [species(number, first=first) for number in range(count) for _ in range(per_species)]
    generator = torch.Generator().manual_seed(rng("images", name).integers(1 << 31).item())
    seen = torch.stack([axis(one.metadata["flower"]) + axis(one.metadata["leaf"]) for one in plants])
    vectors = seen + noise * torch.randn(len(plants), DIM, generator=generator)
    unit = torch.nn.functional.normalize(vectors, dim=1)
    ids = tuple(f"{name}-{row}" for row in range(len(plants)))
    specimens = Specimens(
        ids,
        tuple(plants),
        {"image": unit},
        {"image": torch.ones(len(ids), dtype=torch.bool)},
        torch.tensor([one.taxon.rank_keys for one in plants]),
        torch.arange(len(ids)),
    )
    return SplitData.build(name, ids, vectors_ND=unit, named=plants, specimens=specimens)


def splits() -> dict[str, SplitData]:
    """Return train, val of the same species, and others in `unseen`."""
    return {
        "train": split("train", 60),
        "val": split("val", 60, per_species=2),
        "unseen": split("unseen", 20, first=500),
    }
