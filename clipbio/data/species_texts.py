"""Texts that belong to species: stored once, joined to taxa by name, hemihomonyms kept apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.defects import Defects
from clipbio.data.specimen import SpeciesText
from clipbio.taxonomy import Taxon, class_name

__all__ = ["SpeciesTexts", "joinable", "save_texts"]

_FIELDS = tuple(field.name for field in fields(SpeciesText))


class SpeciesTexts:
    """Common names and descriptions of species, looked up by taxon.

    A text fits a taxon of the same name whose kingdom is the same or not told on one side. Where the kingdom of a taxon
    is not told and texts of two kingdoms bear its name, none fits.
    """

    def __init__(self, texts: Iterable[SpeciesText] = ()) -> None:
        self._by_name: dict[str, list[SpeciesText]] = {}
        for text in texts:
            self._by_name.setdefault(text.scientific_name, []).append(text)

    @classmethod
    def load(cls, path: Path) -> SpeciesTexts:
        """Read `texts.parquet`."""
        return cls(SpeciesText(**row) for row in pq.read_table(path, columns=list(_FIELDS)).to_pylist())

    def of(self, taxon: Taxon) -> tuple[SpeciesText, ...]:
        """Return the texts of a taxon in their order."""
        texts = self._by_name.get(name_of(taxon), ())
        if not taxon.kingdom and len(_kingdoms(texts)) > 1:
            return ()
        return tuple(text for text in texts if _same_kingdom(text.kingdom, taxon.kingdom))

    def names_and_descriptions(self, taxon: Taxon) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the common names and the descriptions of a taxon, without repeats."""
        texts = self.of(taxon)
        common_names = dict.fromkeys(text.text for text in texts if text.kind == "common_name")
        descriptions = dict.fromkeys(text.text for text in texts if text.kind == "description")
        return tuple(common_names), tuple(descriptions)

    def __iter__(self) -> Iterator[SpeciesText]:
        return chain.from_iterable(self._by_name.values())

    def __len__(self) -> int:
        return sum(map(len, self._by_name.values()))


def name_of(taxon: Taxon) -> str:
    """Return the name that texts are joined by: the binomial, else the deepest known name."""
    return class_name(taxon)


def joinable(texts: Iterable[SpeciesText], taxa: Collection[Taxon], defects: Defects) -> list[SpeciesText]:
    """Leave out texts without kingdom whose name two kingdoms of the table bear, and count texts that nothing bears."""
    kingdoms: dict[str, set[str]] = {}
    for taxon in taxa:
        kingdoms.setdefault(name_of(taxon), set()).add(taxon.kingdom)
    kept = []
    for text in texts:
        borne = kingdoms.get(text.scientific_name, set()) - {""}
        if not text.kingdom and len(borne) > 1:
            message = f"bears a name of {' and '.join(sorted(borne))}; fill its column kingdom"
            defects.add("ambiguous_text", f"{text.kind} of '{text.scientific_name}'", message, skipped=False)
            continue
        if not _is_borne(text, kingdoms):
            where = f"{text.kind} of '{text.scientific_name}'"
            defects.add("text_without_specimen", where, "no specimen of the table bears this name", skipped=False)
        kept.append(text)
    return kept


def save_texts(texts: Iterable[SpeciesText], path: Path) -> None:
    """Write `texts.parquet`."""
    schema = pa.schema([(name, pa.string()) for name in _FIELDS])
    rows = [{name: getattr(text, name) for name in _FIELDS} for text in texts]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def _kingdoms(texts: Iterable[SpeciesText]) -> set[str]:
    return {text.kingdom.casefold() for text in texts if text.kingdom}


def _same_kingdom(one: str, other: str) -> bool:
    return not one or not other or one.casefold() == other.casefold()


def _is_borne(text: SpeciesText, kingdoms: dict[str, set[str]]) -> bool:
    return any(_same_kingdom(text.kingdom, kingdom) for kingdom in kingdoms.get(text.scientific_name, ()))
