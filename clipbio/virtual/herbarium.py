"""The virtual herbarium: a flora, its collected specimens and their sheets, all pure functions of the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from clipbio.errors import ClipbioError, nearest
from clipbio.seeding import rng
from clipbio.virtual.barcodes import PRESETS, BarcodeMode, Barcodes
from clipbio.virtual.characters import MEASURES
from clipbio.virtual.names import NameBook
from clipbio.virtual.plant import pose
from clipbio.virtual.sheet import draw_sheet
from clipbio.virtual.tree import Species, grow
from clipbio.virtual.words import Description, describe

__all__ = ["LabelMode", "Picture", "Sheet", "VirtualHerbarium"]

LabelMode = Literal["none", "random", "name"]
_HEADING = "HERBARIUM VIRTUALE"
_NUM_DECOYS = 500
_NUM_COLLECTORS = 40
_TWIN_SHARE = 0.12  # individuals that fill two sheets
_VAL_SHARE, _TEST_SHARE = 0.08, 0.2


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet before it is drawn: which species and individual it shows, and in which split it lies."""

    number: int
    species: Species
    individual: int
    duplicate: int
    split: str

    @property
    def id(self) -> str:
        """Return the catalogue number, which tells nothing about the taxon."""
        return f"VH{self.number:06d}"

    @property
    def group_id(self) -> str:
        """Name the individual."""
        return f"plant-{self.species.index:04d}-{self.individual:03d}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn sheet: JPEG bytes, the exact truth about what they show, and with masks what each pixel shows.

    `numbers_HW` is uint8: 0 for bare paper, else the place of a part in `clipbio.virtual.PARTS`, counted from 1.
    """

    image: bytes
    truth: Mapping[str, str | int | float]
    numbers_HW: np.ndarray | None = field(default=None, compare=False)


class VirtualHerbarium:
    """Grow `num_species + num_unseen` species and collect `specimens_per_species` sheets of each.

    Sheets of the first kind are split by individual into `train`, `val` and `test`; the sheets of `num_unseen` species
    drawn from all over the tree form `unseen`. `label` says what is printed on the sheets: `none` leaves them without a
    label, `random` prints a name that has nothing to do with the taxon, `name` prints the true one.

    `barcodes` names the rates of the DNA barcodes (`PRESETS`), or `none`. `num_keys` individuals of each species lie in
    `key`, those of unseen species in `key_unseen`; they come out of `train` and `unseen`. `masks` tells what each pixel
    of a sheet shows; the pictures stay what they are.
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
        for key, choice, choices in (
            ("label", label, get_args(LabelMode)),
            ("barcodes", barcodes, get_args(BarcodeMode)),
        ):
            if choice not in choices:
                raise ClipbioError(f"virtual herbarium: unknown {key} '{choice}'{nearest(choice, choices)}")
        for name, value, least in (
            ("num_species", num_species, 1),
            ("num_unseen", num_unseen, 0),
            ("specimens_per_species", specimens_per_species, 4),
            ("descriptions_per_species", descriptions_per_species, 1),
            ("image_size", image_size, 32),
            ("num_keys", num_keys, 0),
        ):
            if value < least:
                raise ClipbioError(f"virtual herbarium: {name} is {value}; it must be at least {least}")
        self.image_size, self.label, self.seed = image_size, label, seed
        self.masks = masks
        self.descriptions_per_species = descriptions_per_species
        self.species = grow(num_species + num_unseen, seed=seed)
        unseen = rng(seed, "virtual", "unseen").permutation(len(self.species))[:num_unseen]
        self.unseen = frozenset(int(index) for index in unseen)
        self.sheets = self._collect(specimens_per_species, num_keys)
        self._barcodes = None if barcodes == "none" else Barcodes(self.species, PRESETS[barcodes], seed=seed)
        names = NameBook(rng(seed, "virtual", "decoys"))
        self._decoys = [f"{names.genus()} {names.epithet()}" for _ in range(_NUM_DECOYS)]
        self._collectors = [names.place() for _ in range(_NUM_COLLECTORS)]

    def describe(self, species: Species) -> tuple[Description, ...]:
        """Write all descriptions of a species."""
        return tuple(describe(species, number, seed=self.seed) for number in range(self.descriptions_per_species))

    def barcode(self, sheet: Sheet) -> str:
        """Return the barcode of the individual on a sheet, `""` where none was read."""
        return self._barcodes.read(sheet.species, sheet.individual) if self._barcodes else ""

    def draw(self, sheet: Sheet) -> Picture:
        """Draw one sheet."""
        random = rng(self.seed, "virtual", "sheet", sheet.species.index, sheet.individual, sheet.duplicate)
        sizes = self._measure(sheet, random)
        plant = pose(sheet.species.states, sizes, random)
        printed = self._label(sheet)
        image, numbers_HW = draw_sheet(
            plant,
            sheet.species.states,
            sizes,
            printed=printed,
            image_size=self.image_size,
            random=random,
            masked=self.masks,
        )
        truth: dict[str, str | int | float] = {**sheet.species.states}
        truth["petal_number"] = int(sheet.species.states["petal_number"])
        truth |= {name: round(value, 2) for name, value in sizes.items()}
        truth |= {f"species_{name}": round(value, 2) for name, value in sheet.species.means.items()}
        truth |= {"num_leaves": len(plant.leaves), "num_flowers": len(plant.flowers)}
        truth |= {"printed_name": printed[1] if printed else ""}
        return Picture(image, truth, numbers_HW)

    def _measure(self, sheet: Sheet, random: np.random.Generator) -> dict[str, float]:
        """Vary the means of the species: most by individual, a little by sheet, never beyond the stated range."""
        own = rng(self.seed, "virtual", "individual", sheet.species.index, sheet.individual)
        shares = 0.8 * own.uniform(-1, 1, size=len(MEASURES)) + 0.2 * random.uniform(-1, 1, size=len(MEASURES))
        return {
            measure.name: sheet.species.means[measure.name] * (1 + measure.spread * float(share))
            for measure, share in zip(MEASURES, shares, strict=True)
        }

    def _label(self, sheet: Sheet) -> tuple[str, ...]:
        if self.label == "none":
            return ()
        # A stream of its own, so that all label modes show the very same plants.
        random = rng(self.seed, "virtual", "label", sheet.number)
        decoy = self._decoys[int(random.integers(_NUM_DECOYS))]
        name = sheet.species.scientific_name if self.label == "name" else decoy
        collector = self._collectors[int(random.integers(_NUM_COLLECTORS))]
        return _HEADING, name, f"leg. {collector} {random.integers(1, 999)}", f"{random.integers(1850, 1990)}"

    def _collect(self, sheets_each: int, num_keys: int) -> tuple[Sheet, ...]:
        plans: list[tuple[Species, int, int, str]] = []
        for species in self.species:
            individuals = self._individuals(species, sheets_each)
            splits = ["unseen"] * len(individuals) if species.index in self.unseen else _splits(individuals)
            splits = _with_keys(splits, num_keys)
            for individual, (num_sheets, split) in enumerate(zip(individuals, splits, strict=True)):
                plans.extend((species, individual, duplicate, split) for duplicate in range(num_sheets))
        order = rng(self.seed, "virtual", "catalogue").permutation(len(plans))
        return tuple(Sheet(number, *plans[index]) for number, index in enumerate(order))

    def _individuals(self, species: Species, sheets_each: int) -> list[int]:
        """Return the number of sheets, one or two, of each individual."""
        random = rng(self.seed, "virtual", "individuals", species.index)
        counts: list[int] = []
        while (left := sheets_each - sum(counts)) > 0:
            counts.append(2 if left > 1 and random.random() < _TWIN_SHARE else 1)
        return counts


def _splits(individuals: list[int]) -> list[str]:
    """Give whole individuals to `val` and `test` until each has its share of the sheets, the rest to `train`."""
    num_sheets = sum(individuals)
    wanted = {"val": max(1, round(_VAL_SHARE * num_sheets)), "test": max(1, round(_TEST_SHARE * num_sheets))}
    splits = []
    for count in individuals:
        split = next((name for name, left in wanted.items() if left > 0), "train")
        wanted[split] = wanted.get(split, 0) - count
        splits.append(split)
    return splits


def _with_keys(splits: list[str], num_keys: int) -> list[str]:
    """Make keys of the last individuals that train or ask; at least one of these stays."""
    source, target = ("unseen", "key_unseen") if "unseen" in splits else ("train", "key")
    places = [place for place, split in enumerate(splits) if split == source]
    if num_keys >= max(len(places), 1):
        raise ClipbioError(
            f"virtual herbarium: num_keys is {num_keys}, but a species has only {len(places)} individuals in "
            f"'{source}'; take fewer keys or more specimens_per_species"
        )
    return [target if place in places[len(places) - num_keys :] else split for place, split in enumerate(splits)]
