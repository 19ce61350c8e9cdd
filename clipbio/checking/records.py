"""What a check remembers of each specimen: some 700 bytes, and no picture."""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from clipbio.checking.barcodes import BarcodeCounts
from clipbio.checking.looks import FINGERPRINT_BYTES, Look
from clipbio.data.specimen import Specimen
from clipbio.taxonomy import Taxon, stable_hash

__all__ = ["MODALITIES", "Codes", "Records"]

T = TypeVar("T", bound=Hashable)
Integers = npt.NDArray[np.int64]

MODALITIES = ("image", "dna", "description", "common_name")
"""What a specimen may have, in the order of the bits of `Records.has_N`."""


class Codes(Generic[T]):
    """Numbers for repeated values, in the order in which they came, and the number of each row."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}
        self._rows = array("i")

    def add(self, value: T) -> int:
        """Append a row and return its number."""
        number = self._numbers.setdefault(value, len(self._numbers))
        self._rows.append(number)
        return number

    @property
    def values(self) -> list[T]:
        """Give the distinct values."""
        return list(self._numbers)

    @property
    def code_N(self) -> Integers:
        """Give the number of each row."""
        return _integers(self._rows)

    def counts(self) -> dict[T, int]:
        """Count the rows of each value, the most frequent first."""
        counts = np.bincount(self.code_N, minlength=len(self._numbers)).tolist()
        return dict(sorted(zip(self._numbers, counts, strict=True), key=lambda item: -item[1]))


class Records:
    """Columns of all specimens, and of those whose image was opened."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.kinds: Codes[tuple[Taxon, str]] = Codes()
        self.splits: Codes[str] = Codes()
        self.licences: Codes[str] = Codes()
        self.barcodes = BarcodeCounts()
        self.without_holder = self.masks = 0
        self._group, self._has = array("q"), array("b")
        self._image, self._width, self._height, self._bytes = array("i"), array("i"), array("i"), array("q")
        self._blank = array("b")
        self.formats: Codes[str] = Codes()
        self.modes: Codes[str] = Codes()
        self._digests, self._fingerprints = bytearray(), bytearray()
        self._hashed = array("b")

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, specimen: Specimen, look: Look | None, *, mask: bool) -> str:
        """Append a specimen; return what is wrong with a barcode that is none."""
        present = (specimen.image is not None, specimen.dna, specimen.descriptions, specimen.common_names)
        self._has.append(sum(bool(value) << bit for bit, value in enumerate(present)))
        if look is not None:
            self._add_look(len(self.ids), look)
        self.ids.append(specimen.id)
        self.kinds.add((specimen.taxon, specimen.label))
        self.splits.add(specimen.split)
        self.licences.add(specimen.licence)
        self.without_holder += not specimen.rights_holder
        self.masks += mask
        self._group.append(stable_hash(specimen.group))
        return self.barcodes.add(specimen.dna) if specimen.dna else ""

    def _add_look(self, row: int, look: Look) -> None:
        self._image.append(row)
        self._width.append(look.width)
        self._height.append(look.height)
        self._bytes.append(look.num_bytes)
        self._blank.append(look.blank)
        self.formats.add(look.format)
        self.modes.add(look.mode)
        self._digests += look.digest
        self._hashed.append(bool(look.fingerprint))
        self._fingerprints += look.fingerprint.ljust(FINGERPRINT_BYTES, b"\0")

    def has_N(self, texts_K: npt.NDArray[np.int8]) -> Integers:
        """Return the modalities of each specimen as bits; `texts_K` has those that each kind of specimen brings."""
        return _integers(self._has) | texts_K[self.kinds.code_N]

    @property
    def group_N(self) -> Integers:
        """Give a hash of the group of each specimen."""
        return _integers(self._group)

    @property
    def image_M(self) -> Integers:
        """Give the rows of the specimens whose image was opened."""
        return _integers(self._image)

    @property
    def size_M2(self) -> Integers:
        """Give width and height of each opened image in pixels."""
        return np.stack([_integers(self._width), _integers(self._height)], axis=1)

    @property
    def bytes_M(self) -> Integers:
        """Give the encoded size of each opened image."""
        return _integers(self._bytes)

    @property
    def blank_M(self) -> npt.NDArray[np.bool_]:
        """Tell which opened images have one colour only."""
        return _integers(self._blank).astype(bool)

    @property
    def hashed_M(self) -> npt.NDArray[np.bool_]:
        """Tell which opened images have perceptual hashes."""
        return _integers(self._hashed).astype(bool)

    @property
    def digest_M(self) -> npt.NDArray[np.bytes_]:
        """Give the digest of the bytes of each opened image."""
        return np.frombuffer(bytes(self._digests), np.dtype("S16"))

    @property
    def fingerprint_MB(self) -> npt.NDArray[np.uint8]:
        """Give the fingerprint of each opened image, all zero where it has none."""
        return np.frombuffer(bytes(self._fingerprints), np.uint8).reshape(-1, FINGERPRINT_BYTES)


def _integers(values: array[Any]) -> Integers:
    return np.array(values, np.int64)
