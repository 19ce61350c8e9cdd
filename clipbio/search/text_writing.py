"""Writing what is said about specimens: old groups and descriptions keep their numbers, old sentences their vectors.

Shape suffixes: S sentences, U sentences that are new, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.search.lexical import Lexicon
from clipbio.search.metadata import text_of
from clipbio.search.new_rows import EncodeText
from clipbio.search.sentence_vectors import flat, write_sentence_vectors
from clipbio.search.texts import DESCRIPTIONS, GROUPS, LEXICAL, SCHEMAS, SENTENCE_VECTORS, SENTENCES, Texts
from clipbio.search.trait_table import TRAITS
from clipbio.search.trait_writing import write_traits
from clipbio.sentences import sentence_spans
from clipbio.taxonomy import RANKS, Taxon, class_name

__all__ = ["TextBook"]


_Key = tuple[tuple[str, ...], tuple[int, ...]]


class TextBook:
    """Groups and descriptions that grow.

    Args:
        old: Those of the index so far.
        about: Language, type, source and licence of descriptions, found by name and text.
    """

    def __init__(self, old: Texts, about: Iterable[SpeciesText] = ()) -> None:
        self._old = old
        self._about = {(one.scientific_name, one.text): one for one in about if one.kind == "description"}
        self._descriptions = old.descriptions.table.to_pylist()
        self._numbers = {_identity(record): number for number, record in enumerate(self._descriptions)}
        self._groups = old.groups.table.to_pylist()
        self._keys = {_key(group): number for number, group in enumerate(self._groups) if not _is_bare(_key(group))}
        self.changed = False
        """Whether there are new groups or names; a new description makes a group."""

    def group(self, specimen: Specimen) -> int:
        """Return the number of the group of a specimen, a new one if none fits; its names are those of all in it."""
        ranks = tuple(map(text_of, specimen.taxon.ranks))
        texts = dict.fromkeys(text_of(text) for text in specimen.descriptions if text.strip())
        # Without a taxon the label is all that it is called.
        names = specimen.common_names if any(ranks) else (*specimen.common_names, specimen.label)
        return self._group(ranks, tuple(self._description(ranks, text) for text in texts), names)

    def take_over(self, old: Texts, groups: Sequence[int]) -> list[int]:
        """Take over groups of other texts with their descriptions, and return their numbers here."""
        descriptions, records = old.descriptions.table.to_pylist(), old.groups.table.to_pylist()
        taken = []
        for group in groups:
            record = records[group]
            numbers = tuple(self._add(descriptions[number]) for number in record["descriptions"])
            taken.append(self._group(tuple(record[rank] for rank in RANKS), numbers, record["common_names"]))
        return taken

    def write(
        self, folder: Path, encode_text: EncodeText | None, language: str, known: Texts, dim: int, *, traits: bool
    ) -> dict[str, int]:
        """Write a folder of texts, and return how many there are and, as `dim`, the length of vectors of the index.

        Vectors of sentences are taken from `known` where it has them; see `write_sentence_vectors`. If it has none and
        `encode_text` is None, there are none. With `traits` those of `known` are taken over, others extracted.
        """
        tables = [self._groups, self._descriptions, spans := self._sentences()]
        for name, rows, schema in zip((GROUPS, DESCRIPTIONS, SENTENCES), tables, SCHEMAS, strict=True):
            pq.write_table(pa.Table.from_pylist(rows, schema), folder / name, compression="zstd")
        texts = [flat(self._descriptions[one["description"]]["text"][one["start"] : one["end"]]) for one in spans]
        has_vectors = bool(texts) and (encode_text is not None or known.sentence_SD is not None)
        if has_vectors:
            dim = write_sentence_vectors(folder / SENTENCE_VECTORS, texts, encode_text, known, dim)
        Lexicon.build(folder / LEXICAL, map(self._document, self._groups), texts, language)
        facts = {"groups": len(self._groups), "descriptions": len(self._descriptions), "sentences": len(texts)}
        if traits:
            facts["traits"] = self._write_traits(folder / TRAITS, language, known)
        return {**facts, "dim": dim}

    def _write_traits(self, path: Path, language: str, known: Texts) -> int:
        places = {_identity(one): place for place, one in enumerate(known.descriptions.table.to_pylist())}
        at = [places.get(_identity(record)) for record in self._descriptions]
        return write_traits(path, self._descriptions, language, known.traits, at)

    def _group(self, ranks: tuple[str, ...], descriptions: tuple[int, ...], names: Iterable[str]) -> int:
        key = (ranks, descriptions)
        number = None if _is_bare(key) else self._keys.get(key)
        if number is None:
            number = self._keys[key] = len(self._groups)
            record = dict(zip(RANKS, ranks, strict=True))
            self._groups.append({**record, "common_names": [], "descriptions": list(descriptions)})
            self.changed = True
        known = self._groups[number]["common_names"]
        if new := [name for name in dict.fromkeys(map(text_of, names)) if name and name not in known]:
            known += new
            self.changed = True
        return number

    def _description(self, ranks: tuple[str, ...], text: str) -> int:
        taxon = Taxon(*ranks)
        record = {"text": text, **dict(zip(RANKS, ranks, strict=True)), "name": class_name(taxon)}
        told = self._about.get((record["name"], text))
        for name in ("language", "type", "source", "licence"):
            record[name] = text_of(getattr(told, name)) if told else ""
        return self._add(record)

    def _add(self, record: dict[str, str]) -> int:
        identity = _identity(record)
        if identity not in self._numbers:
            self._numbers[identity] = len(self._descriptions)
            self._descriptions.append(record)
        return self._numbers[identity]

    def _sentences(self) -> list[dict[str, int]]:
        old = self._old.sentences
        known = zip(old.description_S.tolist(), old.start_S.tolist(), old.end_S.tolist(), strict=True)
        new = (
            (number, start, end)
            for number, record in enumerate(
                self._descriptions[len(self._old.descriptions) :], len(self._old.descriptions)
            )
            for start, end in sentence_spans(record["text"])
        )
        return [{"description": number, "start": start, "end": end} for number, start, end in chain(known, new)]

    def _document(self, group: dict[str, Any]) -> str:
        """Return what words are looked for in: the names of a group, and all that is said of it."""
        ranks = " ".join(group[rank] for rank in RANKS if group[rank])
        texts = (flat(self._descriptions[number]["text"]) for number in group["descriptions"])
        return "\n".join(filter(None, (ranks, *group["common_names"], *texts)))


def _key(group: dict[str, Any]) -> _Key:
    return tuple(group[rank] for rank in RANKS), tuple(group["descriptions"])


def _is_bare(key: _Key) -> bool:
    ranks, descriptions = key
    return not any(ranks) and not descriptions


def _identity(record: dict[str, str]) -> tuple[str, str, str]:
    # The plant and the animal of one name stay apart.
    return record["kingdom"], record["name"], record["text"]
