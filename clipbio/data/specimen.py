"""The one record of the house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clipbio.taxonomy import RANKS, Taxon, class_name

__all__ = ["PART", "VIEW_OF", "WHOLE", "Picture", "SpeciesText", "Specimen"]

VIEW_OF, PART = "view_of", "part"
"""Keys of metadata: the id of the specimen that a row is a view of, and what of it is shown."""

WHOLE = "specimen"
"""The part that is the whole."""

Picture = bytes | Path | Callable[[], bytes]
"""Encoded bytes, a path to them, or what reads them when they are wanted: out of a tar, an HDF5 or a parquet file."""

_STRINGS = ("dna", "bin", "label", "split", "group_id", "licence", "rights_holder", "source")


@dataclass(frozen=True, slots=True)
class Specimen:
    """One image or one barcode, or both, with what it is called.

    Text is never baked in: `clipbio.text` renders it from the taxon, names and descriptions when the record is read.
    `descriptions` and `common_names` hold the record's own texts first, then those of its species. `source` names where
    a record came from when several sources were merged.
    """

    id: str
    taxon: Taxon
    image: Picture | None = None
    mask: Picture | None = None
    common_names: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    dna: str = ""
    bin: str = ""
    label: str = ""
    split: str = "train"
    group_id: str = ""
    licence: str = ""
    rights_holder: str = ""
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def species(self) -> str:
        """Name the class of this specimen: its binomial, else its label, else its deepest known taxon."""
        return class_name(self.taxon, self.label)

    @property
    def group(self) -> str:
        """Name what splits never part: the individual or occurrence, by default the specimen itself."""
        return self.group_id or self.id

    @property
    def part(self) -> str:
        """Name the organ that this view of another specimen shows; empty where it shows the whole."""
        part = str(self.metadata.get(PART) or "") if self.metadata.get(VIEW_OF) else ""
        return "" if part == WHOLE else part

    @property
    def has_name(self) -> bool:
        """Tell whether there is anything to call this specimen by."""
        return bool(self.common_names or self.label or self.descriptions or not self.taxon.is_empty)

    def with_texts(self, common_names: tuple[str, ...], descriptions: tuple[str, ...]) -> Specimen:
        """Return a copy whose own texts are followed by those of its species, without repeats."""
        return replace(
            self,
            common_names=tuple(dict.fromkeys((*self.common_names, *common_names))),
            descriptions=tuple(dict.fromkeys((*self.descriptions, *descriptions))),
        )

    def record(self) -> dict[str, Any]:
        """Return the JSON form, without image and mask bytes and without empty values."""
        values: dict[str, Any] = {"specimen_id": self.id}
        values |= dict(zip(RANKS, self.taxon.ranks, strict=True))
        values |= {"common_names": list(self.common_names), "descriptions": list(self.descriptions)}
        for name in _STRINGS:
            values[name] = getattr(self, name)
        values["metadata"] = dict(self.metadata)
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_record(
        cls, record: Mapping[str, Any], *, image: bytes | None = None, mask: bytes | None = None
    ) -> Specimen:
        """Read the JSON form; `KeyError` names a missing `specimen_id`, `TypeError` a value of a wrong type."""
        for name, kind in (("common_names", list), ("descriptions", list), ("metadata", dict)):
            if not isinstance(record.get(name, kind()), kind):
                raise TypeError(f"{name} is not a {kind.__name__}")
        values = {name: str(record.get(name, "")) for name in _STRINGS}
        values["split"] = values["split"] or "train"
        return cls(
            id=str(record["specimen_id"]),
            taxon=Taxon(*(str(record.get(rank, "")) for rank in RANKS)),
            image=image,
            mask=mask,
            common_names=tuple(map(str, record.get("common_names", ()))),
            descriptions=tuple(map(str, record.get("descriptions", ()))),
            metadata=record.get("metadata", {}),
            **values,
        )


@dataclass(frozen=True, slots=True)
class SpeciesText:
    """A text that belongs to a species instead of to one specimen."""

    kingdom: str
    scientific_name: str
    kind: str
    text: str
    language: str = ""
    type: str = ""
    source: str = ""
    licence: str = ""
