"""Hits out of the numbers of rows, descriptions and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clipbio.data.specimen import PART, VIEW_OF
from clipbio.search.folder import IndexFolder
from clipbio.search.highlight import highlight
from clipbio.search.new_rows import META
from clipbio.search.results import DescriptionHit, Passage, SpeciesHit, SpecimenHit, View
from clipbio.search.words import Words
from clipbio.taxonomy import RANKS, Taxon
from clipbio.traits import Trait

__all__ = ["Hits"]

# What a hit tells in fields of its own.
_FIELDS = ("id", *RANKS, "name", "common_name", "licence", "rights_holder")
# A sheet with hundreds of crops is told by some of them.
_MOST_VIEWS = 24


class Hits:
    """Makes the hits of one query of words, which are highlighted; none for queries without words."""

    def __init__(self, folder: IndexFolder, words: Sequence[Words] = ()) -> None:
        self._folder = folder
        phrases = tuple(phrase for part in words for phrase in part.phrases)
        self._words = Words(" ".join(part.positive for part in words).strip(), phrases)
        # Many hits of a page have the same sentence.
        self._known: dict[str, tuple[tuple[int, int], ...]] = {}

    def specimen(
        self,
        row: int,
        rank: int = 1,
        score: float = 0.0,
        lists: Mapping[str, int] | None = None,
        passage: Passage | None = None,
    ) -> SpecimenHit:
        """Return a row as a hit."""
        rows = self._folder.rows
        record = rows.record(row)
        others = {name: value for name, value in record.items() if name not in _FIELDS}
        return SpecimenHit(
            rank=rank,
            score=score,
            row=row,
            id=record["id"],
            taxon=rows.taxon(row),
            name=record.get("name", ""),
            common_name=record.get("common_name", ""),
            licence=record.get("licence", ""),
            rights_holder=record.get("rights_holder", ""),
            has_picture=self._has_picture(row),
            values=_plain(others),
            lists=lists or {},
            passage=passage,
            view_of=str(record.get(META + VIEW_OF, "")),
            part=str(record.get(META + PART, "")),
            views=self._views(row),
        )

    def species(self, rank: int, count: int, sheets: Sequence[SpecimenHit]) -> SpeciesHit:
        """Return a species as a hit: its score, lists and passage are those of its best sheet, the first."""
        best = sheets[0]
        common_name = next((sheet.common_name for sheet in sheets if sheet.common_name), "")
        return SpeciesHit(
            rank, best.score, best.taxon, best.name, common_name, count, tuple(sheets), best.lists, best.passage
        )

    def description(
        self,
        description: int,
        rank: int,
        score: float,
        *,
        count: int,
        lists: Mapping[str, int],
        sentence: int | None,
    ) -> DescriptionHit:
        """Return a description as a hit; `sentence` is its best."""
        record = self._folder.texts.descriptions.record(description)
        return DescriptionHit(
            rank=rank,
            score=score,
            description=description,
            taxon=Taxon(*(record[name] for name in RANKS)),
            name=record["name"],
            text=record["text"],
            spans=self._spans(record["text"]),
            best=self.passage(sentence),
            source=record["source"],
            licence=record["licence"],
            language=record["language"],
            count=count,
            lists=lists,
            traits=self._folder.texts.traits_of(description),
        )

    def passage(self, sentence: int | None) -> Passage | None:
        """Return a sentence with the places of the words of the query; None stays None."""
        if sentence is None:
            return None
        sentences = self._folder.texts.sentences
        text = self._folder.texts.sentence(sentence)
        description, start, end = (
            int(column[sentence]) for column in (sentences.description_S, sentences.start_S, sentences.end_S)
        )
        traits = self._folder.texts.traits_of(description)
        within = tuple(_moved(trait, start) for trait in traits if start <= trait.start and trait.end <= end)
        return Passage(text, description, start, end, self._spans(text), within)

    def _views(self, row: int) -> tuple[View, ...]:
        sheets = self._folder.sheets
        if sheets is None:
            return ()
        others = [other for other in sheets.rows_of(row).tolist() if other != row][:_MOST_VIEWS]
        records = [(other, self._folder.rows.record(other)) for other in others]
        return tuple(View(other, record["id"], str(record.get(META + PART, ""))) for other, record in records)

    def _spans(self, text: str) -> tuple[tuple[int, int], ...]:
        if text not in self._known:
            language = self._folder.manifest.language
            self._known[text] = highlight(text, self._words, language) if self._words.positive else ()
        return self._known[text]

    def _has_picture(self, row: int) -> bool:
        small, folder = (self._value(name, row) for name in ("picture_length", "image_folder"))
        return bool(small > 0 or folder >= 0)

    def _value(self, column: str, row: int) -> Any:
        return self._folder.rows.column(column)[row].as_py()


def _moved(trait: Trait, start: int) -> Trait:
    """Return a trait with its places in the sentence that begins there."""
    organ = (-1, -1) if trait.organ_start < start else (trait.organ_start - start, trait.organ_end - start)
    return replace(trait, start=trait.start - start, end=trait.end - start, organ_start=organ[0], organ_end=organ[1])


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with metadata under its own keys, unless a column has that name."""
    taken = {*_FIELDS, *values}
    keys = {name: name.removeprefix(META) for name in values}
    return {name if keys[name] in taken else keys[name]: value for name, value in values.items()}
