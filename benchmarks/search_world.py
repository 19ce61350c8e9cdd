"""A made-up index of a million specimens: vectors around the centres of 10,000 species.

The vector of a specimen is its centre plus normal noise, brought to length one; `spread` is the mean cosine with the
centre, its square that of two specimens of a species. The lower it is, the more lists of an approximate search the
nearest ones of a query are strewn over. The column `half` has one of two values at random, each species a description.

Shape suffixes: B specimens of one batch, Q queries, T texts, D dimensions.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.config import compose, plain
from clipbio.data.specimen import Specimen
from clipbio.search.ann_building import write_ann
from clipbio.search.folder import IndexFolder
from clipbio.search.manifest import MANIFEST, About
from clipbio.search.new_rows import NewRows
from clipbio.search.writing import IndexWriter
from clipbio.seeding import rng
from clipbio.taxonomy import Taxon

__all__ = ["DIM", "HALF", "World", "batches", "build", "encode", "left_half", "queries"]

Array = npt.NDArray[Any]

DIM, SPECIES_OF_A_MILLION = 512, 10_000
HALF = {"half": "left"}
"""The filter: it keeps half of the rows."""
_BATCH = 10_000


@dataclass(frozen=True)
class World:
    """What is made up, and where.

    Args:
        folder: Folder for the index, which is made once and stays.
        rows: Number of specimens.
        spread: Mean cosine of a specimen with the centre of its species.
        model: Group `model` of the server's model: one with text, images and 512 dimensions.
    """

    folder: Path
    rows: int = 1_000_000
    spread: float = 0.6
    model: str = "lite"

    @property
    def index(self) -> Path:
        """Return the folder of the index."""
        return self.folder / f"search-{self.rows}-{self.spread}-{self.model}"

    @property
    def species(self) -> int:
        """Return how many species, that is centres, there are."""
        return max(1, SPECIES_OF_A_MILLION * self.rows // 1_000_000)


def build(world: World) -> None:
    """Write the index if it is not there."""
    if (world.index / MANIFEST).is_file():
        return
    begin = time.perf_counter()
    about = About("a million specimens", _model_facts(world.model))
    part = world.index.with_name(f"{world.index.name}.part")
    with IndexWriter.create(part, about, overwrite=True) as writer:
        writer.append(batches(world, 0, world.rows), encode)
        written = time.perf_counter()
        folder = IndexFolder(writer.path, writer.manifest)
        writer.add_ann(functools.partial(write_ann, folder, "ivf"))
    part.rename(world.index)
    seconds = f"{written - begin:.0f} s, its approximate search in {time.perf_counter() - written:.0f} s"
    print(f"the index was written in {seconds}", file=sys.stderr)


def batches(world: World, start: int, count: int) -> Iterator[NewRows]:
    """Yield specimens, numbered from `start` on, with their vectors."""
    for first in range(start, start + count, _BATCH):
        random = rng("search", "batch", first)
        numbers = range(first, min(first + _BATCH, start + count))
        species_B = random.integers(0, world.species, len(numbers))
        left_B = _left(first, len(numbers))
        specimens = [
            _specimen(number, species, left)
            for number, species, left in zip(numbers, species_B.tolist(), left_B.tolist(), strict=True)
        ]
        yield NewRows(specimens, {"image": (np.ones(len(numbers), bool), _drawn(world, species_B, random))})


def left_half(world: World) -> Array:
    """Return which rows pass the filter (N,)."""
    return np.concatenate([_left(first, min(_BATCH, world.rows - first)) for first in range(0, world.rows, _BATCH)])


def queries(world: World, count: int) -> tuple[Array, Array]:
    """Return unit vectors (Q, D) of specimens that are not in the index, and the centres of their species (Q, D)."""
    random = rng("search", "queries")
    species_Q = random.integers(0, world.species, count)
    return _drawn(world, species_Q, random), _centres(world.species)[species_Q]


def encode(texts: Sequence[str]) -> Array:
    """Return made-up unit vectors of texts (T, D): a tower would take minutes."""
    return _unit(rng("search", "texts", len(texts)).standard_normal((len(texts), DIM), dtype=np.float32))


def _model_facts(model: str) -> dict[str, Any]:
    from clipbio.tasks.index_model import model_facts
    from clipbio.tasks.loading import load_model

    config = plain(compose("index", ["out=none", f"model={model}"]))
    return model_facts(config, load_model(config), decoder="fast", sheet_mask=False)


def _specimen(number: int, species: int, left: bool) -> Specimen:
    return Specimen(
        id=f"s{number}",
        taxon=_taxon(species),
        descriptions=(_text(species),),
        metadata={"half": "left" if left else "right"},
        licence="CC0",
    )


@functools.cache
def _taxon(species: int) -> Taxon:
    above = f"Order{species // 500}ales", f"Family{species // 100}aceae", f"Genus{species // 10}"
    return Taxon("Plantae", "Tracheophyta", "Magnoliopsida", *above, f"species{species}")


@functools.cache
def _text(species: int) -> str:
    return f"Leaves of form {species % 97}, margin of form {species % 89}. Flowers of form {species % 83}."


@functools.cache
def _centres(count: int) -> Array:
    return _unit(rng("search", "centres").standard_normal((count, DIM), dtype=np.float32))


def _left(first: int, count: int) -> Array:
    return rng("search", "half", first).random(count) < 0.5


def _drawn(world: World, species_B: Array, random: np.random.Generator) -> Array:
    noise_BD = random.standard_normal((len(species_B), DIM), dtype=np.float32)
    noise_BD *= np.float32(np.sqrt((1 / world.spread**2 - 1) / DIM))
    return _unit(_centres(world.species)[species_B] + noise_BD)


def _unit(vectors_BD: Array) -> Array:
    unit_BD: Array = vectors_BD / np.linalg.norm(vectors_BD, axis=1, keepdims=True)
    return unit_BD
