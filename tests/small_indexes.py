"""Small indexes: invented specimens of a few taxa with vectors that a hash of their id decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipbio.data.specimen import Specimen
from clipbio.search.folder import IndexFolder
from clipbio.search.manifest import About
from clipbio.search.new_rows import NewRows
from clipbio.search.writing import IndexWriter
from clipbio.taxonomy import Taxon

DIM = 8
OAK = Taxon("Plantae", "Tracheophyta", "Magnoliopsida", "Fagales", "Fagaceae", "Quercus", "robur")
ELM = Taxon("Plantae", "Tracheophyta", "Magnoliopsida", "Rosales", "Ulmaceae", "Ulmus", "glabra")
OAK_TEXT = "Leaves lobed, almost without a stalk. Acorns on long stalks."
ELM_TEXT = "Leaves rough above, with an oblique base.\n Fruits round and winged."


def vector(name: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:6], "little")
    values_D = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    return values_D / np.linalg.norm(values_D)


def encode(texts: Sequence[str]) -> np.ndarray:
    return np.stack([vector(text) for text in texts])


def specimen(number: int, **more: Any) -> Specimen:
    taxon, text = ((OAK, OAK_TEXT), (ELM, ELM_TEXT), (Taxon(), ""))[number % 3]
    values = {"descriptions": (text,) if text else (), "metadata": {"year": 1900 + number}, "licence": "CC0"}
    return Specimen(**{"id": f"s{number}", "taxon": taxon, **values, **more})


def batch(specimens: Sequence[Specimen], dna: bool = True) -> NewRows:
    """Every specimen has an image and, where its place is even, a barcode."""
    every, even = np.ones(len(specimens), bool), np.arange(len(specimens)) % 2 == 0
    vectors = {"image": (every, np.stack([vector(one.id) for one in specimens]))}
    if dna:
        vectors["dna"] = (even, np.stack([vector(one.id + "dna") for one in specimens[::2]]))
    return NewRows(specimens, vectors, [one.id.encode("utf-8", "replace") for one in specimens])


def make(path: Path, count: int = 6, **more: Any) -> IndexFolder:
    with IndexWriter.create(path, About("a small index", {"name": "m"}, **more)) as writer:
        writer.append([batch([specimen(number) for number in range(count)])], encode)
    return IndexFolder.open(path)


def ids(folder: IndexFolder) -> list[str]:
    """Return the ids that were not deleted, in their order."""
    return [id for id, alive in zip(folder.rows.ids.to_pylist(), folder.alive_N, strict=True) if alive]
