"""An index with all that a search meets: shared and missing descriptions, taxa and vectors, ties, deleted rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from small_indexes import encode, vector

from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.search.folder import IndexFolder
from clipbio.search.manifest import About
from clipbio.search.new_rows import NewRows
from clipbio.search.writing import IndexWriter
from clipbio.taxonomy import Taxon

ROSE, FAGUS = (
    ("Plantae", "", "Magnoliopsida", "Rosales", "Rosaceae"),
    ("Plantae", "", "Magnoliopsida", "Fagales", "Fagaceae"),
)
TAXA = (
    Taxon(*ROSE, "Rosa", "canina"),
    Taxon(*ROSE, "Rubus", "idaeus"),
    Taxon(*FAGUS, "Quercus", "robur"),
    Taxon(*FAGUS, "Quercus", "petraea"),
    Taxon(*FAGUS, "Quercus"),
    Taxon(),
)
TEXTS = {
    "Rosa canina": ("Leaves alternate, margins serrate. Flowers white or pink.", "A shrub with hooked prickles."),
    "Rubus idaeus": ("Leaves alternate, hairy below. Flowers white. Fruits red.",),
    "Quercus robur": ("Leaves alternate, lobed, not hairy. Acorns on stalks.",),
    "Quercus petraea": ("Leaves alternate, lobed, not hairy. Acorns on stalks.", "Leaves with long stalks."),
}
COUNT = 40
LONE_TEXT = "Leaves white and hairy. Nobody knows what this is."


class HashEncoder:
    """Vectors that a hash of what is encoded decides."""

    modalities = frozenset({"text", "image", "dna"})

    def text(self, texts: Sequence[str]) -> np.ndarray:
        return encode(texts)

    def image(self, data: bytes) -> np.ndarray:
        return vector(data.decode())

    def dna(self, barcode: str) -> np.ndarray:
        if set(barcode) - set("ACGT"):
            raise ClipbioError("no barcode")
        return vector(barcode)


def specimen(number: int) -> Specimen:
    taxon = TAXA[number % len(TAXA)]
    descriptions = TEXTS.get(taxon.scientific_name, ())
    if number % 5 == 4:
        descriptions = descriptions[:1]
    if taxon.is_empty and number % 4 == 1:
        descriptions = (LONE_TEXT,)
    label = "unknown herb" if taxon.is_empty and number % 5 == 0 and not descriptions else ""
    metadata = {"year": 1900 + number} if number % 7 else {}
    metadata |= {"country": ("France", "Österreich", "Peru")[number // 6 % 3]}
    return Specimen(
        id=f"s{number}",
        taxon=taxon,
        label=label,
        descriptions=descriptions,
        common_names=("rose",) if taxon.genus == "Rosa" else (),
        licence=("CC0", "CC BY")[number % 2],
        metadata=metadata,
    )


def picture(number: int) -> np.ndarray:
    """Those of 1 and 23 are the same."""
    return vector(f"picture {1 if number == 23 else number}")


def barcode(number: int) -> np.ndarray:
    return vector(f"barcode {number}")


def rows(specimens: Sequence[Specimen]) -> NewRows:
    """Two in three have an image, one in three a barcode."""
    numbers = np.array([int(one.id[1:]) for one in specimens])
    vectors = {}
    for name, has_N, of in (("image", numbers % 3 > 0, picture), ("dna", numbers % 3 == 0, barcode)):
        if has_N.any():
            vectors[name] = (has_N, np.stack([of(number) for number in numbers[has_N]]))
    return NewRows(specimens, vectors)


def write_rows(path: Path, numbers: Sequence[int]) -> IndexFolder:
    """One part of some specimens."""
    with IndexWriter.create(path, About("a part of the world")) as writer:
        writer.append([rows([specimen(number) for number in numbers])], encode)
    return IndexFolder.open(path)


def write_world(path: Path) -> IndexFolder:
    """Two parts, of which the last two rows of the first and the last one of the second are deleted."""
    specimens = [specimen(number) for number in range(COUNT)]
    half = COUNT // 2
    with IndexWriter.create(path, About("a world of searches")) as writer:
        writer.append([rows(specimens[:half])], encode)
        writer.append([rows(specimens[half:])], encode)
        writer.delete([f"s{number}" for number in (half - 1, half - 2, COUNT - 1)])
    return IndexFolder.open(path)
