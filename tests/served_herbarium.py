"""A small virtual herbarium as an index, with a model that needs no weights: pictures by their colours, words by a hash."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from clipbio.data.sources.virtual import VirtualSource
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.search.folder import IndexFolder
from clipbio.search.index import Index
from clipbio.search.manifest import About
from clipbio.search.new_rows import NewRows
from clipbio.search.query import Array
from clipbio.search.writing import IndexWriter

__all__ = ["ColourEncoder", "LookingEncoder", "open_herbarium", "write_herbarium"]

SIDE = 8
DIM = SIDE * SIDE * 3


class ColourEncoder:
    """Vectors of 8 x 8 colours, of hashed words, and of hashed pieces of barcodes."""

    modalities = frozenset({"text", "image", "dna"})

    def text(self, texts: Sequence[str]) -> Array:
        return np.stack([_hashed(re.findall(r"\w+", text.lower())) for text in texts])

    def image(self, data: bytes) -> Array:
        try:
            with Image.open(io.BytesIO(data)) as image:
                pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
        except OSError as error:
            raise ClipbioError("the picture cannot be decoded") from error
        return _unit((pixels - pixels.mean((0, 1)) + 0.01).ravel())

    def dna(self, barcode: str) -> Array:
        bases = "".join(line for line in barcode.upper().splitlines() if not line.startswith(">"))
        if not bases or set(bases) - set("ACGTNRYSWKMBDHV-"):
            raise ClipbioError("the barcode has letters that stand for no base")
        return _hashed([bases[start : start + 6] for start in range(max(1, len(bases) - 5))])


class LookingEncoder(ColourEncoder):
    """Also tells where words are: what is darker than paper, the upper half of it for flowers, the lower one for others."""

    grounds = True
    is_ready = True
    has_failed = False

    def heat(self, data: bytes, texts: Sequence[str]) -> Array:
        with Image.open(io.BytesIO(data)) as image:
            dark_YX = 255 - np.asarray(image.convert("L").resize((32, 48)), np.float32)
        upper_YX = np.arange(48)[:, None] < 24
        return np.stack([dark_YX * (upper_YX == ("flower" in text)) for text in texts])


def write_herbarium(
    folder: Path, *, image_size: int = 96, name: str = "Virtual herbarium", traits: bool = True, **settings: int
) -> Path:
    """Write an index of a virtual herbarium; `settings` are those of `VirtualSource`."""
    small: dict[str, int] = {"num_species": 30, "num_unseen": 6, "specimens_per_species": 4}
    source = VirtualSource(image_size=image_size, **(small | settings))
    encoder = ColourEncoder()
    texts: dict[str, list[str]] = {}
    for text in source.species_texts():
        texts.setdefault(text.scientific_name, []).append(text.text)
    specimens = [one.with_texts((), tuple(texts[one.species])) for one in source]
    pictures = [bytes(_drawn(one)) for one in specimens]
    vectors = {
        "image": (np.ones(len(specimens), bool), np.stack([encoder.image(picture) for picture in pictures])),
        "dna": (
            np.array([bool(one.dna) for one in specimens]),
            np.stack([encoder.dna(one.dna) for one in specimens if one.dna]),
        ),
    }
    about = About(
        name,
        {"name": "colours", "weights": {"image": "a1" * 32, "text": "b2" * 32}},
        picture_size=image_size,
        traits=traits,
    )
    with IndexWriter.create(folder, about) as writer:
        writer.append([NewRows(specimens, vectors, pictures)], encoder.text, texts=list(source.species_texts()))
    return folder


def open_herbarium(folder: Path) -> Index:
    """Open what `write_herbarium` wrote."""
    return Index(IndexFolder.open(folder), LookingEncoder())


def _drawn(specimen: Specimen) -> bytes:
    image = specimen.image
    assert image is not None
    assert not isinstance(image, Path)
    return image if isinstance(image, bytes) else image()


def _hashed(parts: Sequence[str]) -> Array:
    places = np.array([zlib.crc32(part.encode()) % DIM for part in parts], int)
    return _unit(np.bincount(places, minlength=DIM).astype(np.float32) + 1e-3)


def _unit(vector: Array) -> Array:
    unit: Array = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit
