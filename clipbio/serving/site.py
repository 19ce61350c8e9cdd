"""What the page tells about an index and its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipbio import __version__
from clipbio.search.highlight import highlight
from clipbio.search.index import Index
from clipbio.search.words import parse
from clipbio.serving.descriptions import Piece, pieces
from clipbio.serving.examples import example_queries
from clipbio.traits import Trait

__all__ = ["Site", "Text", "texts_of"]

_TEXTS = 3_000
"""About how many descriptions, spread evenly, are read for examples."""
_TOWERS = {"image": "picture", "dna": "DNA barcode"}


@dataclass(frozen=True)
class Text:
    """A description of a specimen in pieces; `fits` counts the places where words of the question stand."""

    parts: Sequence[Piece]
    traits: Sequence[Trait]
    fits: int
    origin: str


@dataclass(frozen=True)
class Site:
    """An index as the page tells of it.

    `weights` are the hashes of its model's towers, `encodes` what can be searched by.
    """

    name: str
    alive: int
    taxa: int
    updated: str
    model: str
    weights: Sequence[tuple[str, str]]
    encodes: frozenset[str]
    examples: Sequence[str]
    version: str = __version__

    @classmethod
    def of(cls, index: Index) -> Site:
        """Read what is told of an index."""
        manifest, texts = index.folder.manifest, index.folder.texts.descriptions.table["text"]
        spread = texts.take(pa.array(range(0, len(texts), max(1, len(texts) // _TEXTS)), pa.int64())).to_pylist()
        return cls(
            name=manifest.name,
            alive=manifest.alive,
            taxa=sum(not taxon.is_empty for taxon in index.folder.taxa),
            updated=manifest.updated[:10],
            model=str(manifest.model.get("name", "")),
            weights=sorted(manifest.model.get("weights", {}).items()),
            encodes=frozenset(index.encoder.modalities) if index.encoder else frozenset(),
            examples=example_queries(spread, manifest.language),
        )

    @property
    def ways(self) -> str:
        """Name what can be searched by."""
        ways = ["words", *(name for tower, name in _TOWERS.items() if tower in self.encodes)]
        return " or ".join(filter(None, (", ".join(ways[:-1]), ways[-1])))


def texts_of(index: Index, row: int, question: str) -> list[Text]:
    """Return what is written about a specimen, with the words of a question marked, the best fitting first."""
    words = parse(question) if question else None
    found = []
    for record in index.descriptions_of(row):
        spans = highlight(record["text"], words, index.folder.manifest.language) if words else ()
        origin = ", ".join(filter(None, (record["type"], record["source"], record["licence"], record["language"])))
        traits = record["traits"]
        found.append(Text(pieces(record["text"], spans, traits), traits, len(spans), origin))
    return sorted(found, key=lambda text: -text.fits)
