"""The virtual herbarium as a source: specimens that are grown and drawn instead of read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

import numpy as np
import PIL

from clipbio.data.defects import Defects
from clipbio.data.masks import LABELS_KEY, encode_numbers
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.taxonomy import RANKS, Taxon
from clipbio.virtual import PARTS, Sheet, VirtualHerbarium
from clipbio.virtual.barcodes import BarcodeMode
from clipbio.virtual.herbarium import LabelMode

__all__ = ["VirtualSource"]


class VirtualSource:
    """Yield the sheets of a virtual herbarium, which needs no download.

    Args:
        num_species: Number of species with the splits `train`, `val` and `test`.
        num_unseen: Number of further species of the same tree, whose sheets all lie in `unseen`.
        specimens_per_species: Number of sheets of each species.
        descriptions_per_species: Number of descriptions written for each species.
        image_size: Side of the square sheets in pixels.
        label: What is printed on the sheets: `none`, a `random` name unrelated to the taxon, or the true `name`.
        barcodes: How different and how well read the DNA barcodes are: `clean`, `typical`, `noisy`, or `none` at all.
            Nothing else depends on it. There are no BINs.
        num_keys: Number of individuals of each species that lie in the split `key`, for unseen species in `key_unseen`,
            instead of in `train` and `unseen`.
        masks: Whether sheets come with masks that tell organs, label, ruler and the like; pictures stay the same.
        seed: The flora, its specimens and their sheets follow from it.
    """

    def __init__(
        self,
        num_species: int = 320,
        num_unseen: int = 48,
        *,
        specimens_per_species: int = 12,
        descriptions_per_species: int = 4,
        image_size: int = 128,
        label: LabelMode = "random",
        barcodes: BarcodeMode = "typical",
        num_keys: int = 0,
        masks: bool = False,
        seed: int = 0,
    ) -> None:
        self._parameters: dict[str, Any] = {
            "num_species": num_species,
            "num_unseen": num_unseen,
            "specimens_per_species": specimens_per_species,
            "descriptions_per_species": descriptions_per_species,
            "image_size": image_size,
            "label": label,
            "barcodes": barcodes,
            "num_keys": num_keys,
            "masks": masks,
            "seed": seed,
        }
        self.herbarium = VirtualHerbarium(**self._parameters)
        self.defects = Defects()

    def __len__(self) -> int:
        return len(self.herbarium.sheets)

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        for sheet in self.herbarium.sheets:
            yield self._specimen(sheet)

    def species_texts(self) -> Iterable[SpeciesText]:
        """Give the descriptions of all species."""
        for species in self.herbarium.species:
            for description in self.herbarium.describe(species):
                yield SpeciesText(
                    kingdom=species.ranks[0],
                    scientific_name=species.scientific_name,
                    kind="description",
                    text=description.text,
                    language="en",
                    source="virtual herbarium",
                    licence="CC0-1.0",
                )

    def fingerprint(self) -> str:
        """Hash all that decides the sheets: the parameters, the generator's code and the libraries it draws with."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((sorted(self._parameters.items()), PIL.__version__, np.__version__)).encode())
        for module in sorted(resources.files("clipbio.virtual").iterdir(), key=lambda entry: entry.name):
            if module.name.endswith(".py"):
                digest.update(module.name.encode() + module.read_bytes())
        return digest.hexdigest()

    def _specimen(self, sheet: Sheet) -> Specimen:
        picture = self.herbarium.draw(sheet)
        metadata: dict[str, Any] = dict(picture.truth)
        if picture.numbers_HW is not None:
            metadata[LABELS_KEY] = {str(number): part for number, part in enumerate(PARTS, 1)}
        return Specimen(
            id=sheet.id,
            taxon=Taxon.from_mapping(dict(zip(RANKS, sheet.species.ranks, strict=True))),
            image=picture.image,
            mask=None if picture.numbers_HW is None else encode_numbers(picture.numbers_HW),
            common_names=(sheet.species.common_name,),
            dna=self.herbarium.barcode(sheet),
            split=sheet.split,
            group_id=sheet.group_id,
            licence="CC0-1.0",
            metadata=metadata,
        )
