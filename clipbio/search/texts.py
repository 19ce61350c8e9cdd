"""What is written about the specimens of an index: groups, descriptions and their sentences.

A group is a taxon with its descriptions, shared by all specimens that have just these; a specimen with neither is a
group of its own.

Shape suffixes: S sentences, T descriptions, G groups, X distinct taxa, D dimensions; G1 is one more than G.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipbio.search.arrow import numpy_of, read_table
from clipbio.search.query import Array
from clipbio.search.trait_table import TRAITS, TraitTable
from clipbio.taxonomy import RANKS, Taxon
from clipbio.tensor_files import map_tensors
from clipbio.traits import Trait

__all__ = ["DAMAGED", "Descriptions", "Groups", "Sentences", "Texts", "ragged"]

GROUPS, DESCRIPTIONS, SENTENCES = "groups.parquet", "descriptions.parquet", "sentences.parquet"
SENTENCE_VECTORS, LEXICAL = "sentences.safetensors", "lexical"
DAMAGED = "make the index again"


@dataclass(frozen=True)
class Groups:
    """Groups: the descriptions of group g are `descriptions[offsets_G1[g]:offsets_G1[g + 1]]`."""

    table: pa.Table
    offsets_G1: Array
    descriptions: Array

    def __len__(self) -> int:
        return len(self.offsets_G1) - 1

    def of(self, group: int) -> Array:
        """Return the numbers of the descriptions of a group, int32."""
        return self.descriptions[self.offsets_G1[group] : self.offsets_G1[group + 1]]

    @cached_property
    def _taxa(self) -> tuple[Array, tuple[Taxon, ...]]:
        return _distinct_taxa(self.table)

    @property
    def taxon_G(self) -> Array:
        """Return for each group the place of its taxon in `taxa`, int32."""
        return self._taxa[0]

    @property
    def taxa(self) -> tuple[Taxon, ...]:
        """Return the X distinct taxa; one of them may be empty."""
        return self._taxa[1]


@dataclass(frozen=True)
class Descriptions:
    """Descriptions: `text`, the seven ranks, `name`, `language`, `type`, `source` and `licence`."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def text(self, description: int) -> str:
        """Return the text of one."""
        return str(self.table["text"][description].as_py())

    def record(self, description: int) -> dict[str, str]:
        """Return all that is known of one."""
        return {name: self.table[name][description].as_py() for name in self.table.column_names}


@dataclass(frozen=True)
class Sentences:
    """Sentences, those of one description behind each other: sentence s is `text[start_S[s]:end_S[s]]` of its own.

    The sentences of description t are those from `offsets_T1[t]` to `offsets_T1[t + 1]`.
    """

    description_S: Array
    start_S: Array
    end_S: Array
    offsets_T1: Array

    def __len__(self) -> int:
        return len(self.description_S)


@dataclass(frozen=True)
class Texts:
    """All texts of an index.

    `sentence_SD` are the vectors of sentences, None where no text tower made them; `traits` those of descriptions, None
    where none were extracted.
    """

    groups: Groups
    descriptions: Descriptions
    sentences: Sentences
    sentence_SD: Array | None
    lexical_path: Path | None
    traits: TraitTable | None = None

    @classmethod
    def read(cls, folder: Path) -> Texts:
        """Open a folder of texts."""
        groups, descriptions, sentences = (read_table(folder / name) for name in (GROUPS, DESCRIPTIONS, SENTENCES))
        offsets, numbers = ragged(groups["descriptions"])
        description_S, start_S, end_S = (numpy_of(sentences[name]) for name in ("description", "start", "end"))
        offsets_T1 = np.searchsorted(description_S, np.arange(descriptions.num_rows + 1)).astype(np.int64)
        vectors = folder / SENTENCE_VECTORS
        return cls(
            Groups(groups, offsets, numbers),
            Descriptions(descriptions),
            Sentences(description_S, start_S, end_S, offsets_T1),
            map_tensors(vectors, DAMAGED)["vectors"] if vectors.is_file() else None,
            folder / LEXICAL if (folder / LEXICAL).is_dir() else None,
            TraitTable.read(folder / TRAITS, descriptions.num_rows) if (folder / TRAITS).is_file() else None,
        )

    @classmethod
    def empty(cls) -> Texts:
        """Return those of an index without rows."""
        groups, descriptions = (schema.empty_table() for schema in SCHEMAS[:2])
        none = np.zeros(0, np.int32)
        no_sentences = Sentences(none, none, none, np.zeros(1, np.int64))
        return cls(Groups(groups, np.zeros(1, np.int64), none), Descriptions(descriptions), no_sentences, None, None)

    def traits_of(self, description: int) -> tuple[Trait, ...]:
        """Return the traits of a description, none where none were extracted."""
        return () if self.traits is None else self.traits.traits(description)

    def all_sentences(self) -> Iterator[str]:
        """Yield the texts of all sentences in their order."""
        texts = self.descriptions.table["text"].to_pylist()
        places = (self.sentences.description_S, self.sentences.start_S, self.sentences.end_S)
        for description, start, end in zip(*(place.tolist() for place in places), strict=True):
            yield texts[description][start:end]

    def sentence(self, sentence: int) -> str:
        """Return the text of a sentence, as it stands in its description."""
        text = self.descriptions.text(int(self.sentences.description_S[sentence]))
        return text[self.sentences.start_S[sentence] : self.sentences.end_S[sentence]]


_TEXT_COLUMNS = ("text", *RANKS, "name", "language", "type", "source", "licence")
SCHEMAS = (
    pa.schema(
        [(rank, pa.string()) for rank in RANKS]
        + [("common_names", pa.list_(pa.string())), ("descriptions", pa.list_(pa.int32()))]
    ),
    pa.schema([(name, pa.string()) for name in _TEXT_COLUMNS]),
    pa.schema([(name, pa.int32()) for name in ("description", "start", "end")]),
)
"""Of groups, descriptions and sentences."""


def ragged(column: pa.ChunkedArray) -> tuple[Array, Array]:
    """Return a column of lists as offsets, one more than there are lists (int64), and all their values."""
    lengths = numpy_of(pc.list_value_length(column))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return offsets, numpy_of(pc.list_flatten(column))


def _distinct_taxa(table: pa.Table) -> tuple[Array, tuple[Taxon, ...]]:
    lineages = pc.binary_join_element_wise(*(table[rank] for rank in RANKS), "\x1f").combine_chunks()
    encoded = lineages.dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    taxa = tuple(Taxon(*lineage.split("\x1f")) for lineage in encoded.dictionary.to_pylist())
    return numpy_of(encoded.indices).astype(np.int32, copy=False), taxa
