"""Writing what is said about specimens: old groups and descriptions keep their numbers, old sentences their vectors.

Shape suffixes: S sentences, U sentences that are new, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.search.lexical import Lexicon
from clipbio.search.new_rows import EncodeText, text_of
from clipbio.search.query import Array
from clipbio.search.texts import DESCRIPTIONS, GROUPS, LEXICAL, SCHEMAS, SENTENCE_VECTORS, SENTENCES, Texts
from clipbio.search.vectors import unit
from clipbio.taxonomy import RANKS, Taxon, class_name
from clipbio.tensor_files import VectorFile
from clipbio.text import sentence_spans

__all__ = ["TextBook"]


_AT_ONCE = 4_096
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
        self._before = len(self._groups)

    @property
    def changed(self) -> bool:
        """Tell whether there are new groups; a new description makes one."""
        return len(self._groups) > self._before

    def group(self, specimen: Specimen) -> int:
        """Return the number of the group of a specimen, a new one if none fits."""
        ranks = tuple(map(text_of, specimen.taxon.ranks))
        texts = dict.fromkeys(text_of(text) for text in specimen.descriptions if text.strip())
        return self._group(ranks, tuple(self._description(ranks, text) for text in texts), specimen.common_names)

    def take_over(self, old: Texts, groups: Sequence[int]) -> list[int]:
        """Take over groups of other texts with their descriptions, and return their numbers here."""
        descriptions, records = old.descriptions.table.to_pylist(), old.groups.table.to_pylist()
        taken = []
        for group in groups:
            record = records[group]
            numbers = tuple(self._add(descriptions[number]) for number in record["descriptions"])
            taken.append(self._group(tuple(record[rank] for rank in RANKS), numbers, record["common_names"]))
        return taken

    def write(self, folder: Path, encode_text: EncodeText | None, language: str, known: Texts) -> dict[str, int]:
        """Write a folder of texts, and return how many there are and, as `dim`, the length of their vectors.

        Vectors of sentences are taken from `known` where it has them. If it has none and `encode_text` is None, there
        are none.

        Raises:
            ClipbioError: A sentence is new, and there are vectors of others but no `encode_text`.
        """
        tables = [self._groups, self._descriptions, spans := self._sentences()]
        for name, rows, schema in zip((GROUPS, DESCRIPTIONS, SENTENCES), tables, SCHEMAS, strict=True):
            pq.write_table(pa.Table.from_pylist(rows, schema), folder / name, compression="zstd")
        texts = [_flat(self._descriptions[one["description"]]["text"][one["start"] : one["end"]]) for one in spans]
        has_vectors = bool(texts) and (encode_text is not None or known.sentence_SD is not None)
        dim = _write_vectors(folder / SENTENCE_VECTORS, texts, encode_text, known) if has_vectors else 0
        Lexicon.build(folder / LEXICAL, map(self._document, self._groups), texts, language)
        return {
            "groups": len(self._groups),
            "descriptions": len(self._descriptions),
            "sentences": len(texts),
            "dim": dim,
        }

    def _group(self, ranks: tuple[str, ...], descriptions: tuple[int, ...], common_names: Iterable[str]) -> int:
        key = (ranks, descriptions)
        bare = _is_bare(key)
        if not bare and key in self._keys:
            return self._keys[key]
        record = dict(zip(RANKS, ranks, strict=True))
        names = [] if bare else [text_of(name) for name in common_names]
        self._groups.append({**record, "common_names": names, "descriptions": list(descriptions)})
        if not bare:
            self._keys[key] = len(self._groups) - 1
        return len(self._groups) - 1

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
        texts = (_flat(self._descriptions[number]["text"]) for number in group["descriptions"])
        return "\n".join(filter(None, (ranks, *group["common_names"], *texts)))


def _key(group: dict[str, Any]) -> _Key:
    return tuple(group[rank] for rank in RANKS), tuple(group["descriptions"])


def _flat(text: str) -> str:
    # Line breaks within a text are of the page, not of the sentence.
    return " ".join(text.split())


def _is_bare(key: _Key) -> bool:
    ranks, descriptions = key
    return not any(ranks) and not descriptions


def _identity(record: dict[str, str]) -> tuple[str, str, str]:
    # The plant and the animal of one name stay apart.
    return record["kingdom"], record["name"], record["text"]


def _write_vectors(path: Path, texts: Sequence[str], encode_text: EncodeText | None, known: Texts) -> int:
    """Write the vector of each sentence; equal ones are encoded once."""
    have: dict[str, int] = {}
    if known.sentence_SD is not None:
        have = {_flat(text): number for number, text in enumerate(known.all_sentences())}
    new = {text: number for number, text in enumerate(dict.fromkeys(text for text in texts if text not in have))}
    new_UD = _encoded(list(new), encode_text)
    with VectorFile(path) as file:
        for start in range(0, len(texts), _AT_ONCE):
            part = texts[start : start + _AT_ONCE]
            vectors = [known.sentence_SD[have[text]] if text in have else new_UD[new[text]] for text in part]  # type: ignore[index]
            file.add(np.stack(vectors))
    return file.dim


def _encoded(texts: Sequence[str], encode_text: EncodeText | None) -> Array:
    if texts and encode_text is None:
        raise ClipbioError(f"{len(texts)} sentences are new to the index: give the model that encoded its others")
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        assert encode_text is not None
        part = texts[start : start + _AT_ONCE]
        parts.append(unit(np.asarray(encode_text(part)), [f"the text '{text[:60]}'" for text in part]))
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
