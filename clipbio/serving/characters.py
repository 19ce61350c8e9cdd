"""What pictures show, and what the sheets of a species say for or against its descriptions, by a describer.

Shape suffixes: N specimen rows, n some of them, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.search.index import Index
from clipbio.search.query import Array, Part, Query
from clipbio.search.results import DescriptionHit
from clipbio.serving.errors import RefusalError
from clipbio.traits import Trait

if TYPE_CHECKING:
    # What a describer needs takes seconds to import: a server without one does not wait for it.
    from clipbio.characters.describer import Describer, Prediction
    from clipbio.characters.evidence import Evidence

__all__ = ["Characters", "Judged", "Shown", "evidence_answer"]

_NEAREST = 3
# More sheets of a species would tell the same.
_SHEETS = 200


@dataclass(frozen=True)
class Shown:
    """What a picture shows: characters, the surest one first, as a sentence too, and the nearest descriptions."""

    predictions: tuple[Prediction, ...]
    sentence: str
    descriptions: tuple[DescriptionHit, ...]


@dataclass(frozen=True)
class Judged:
    """What `sheets` pictures of a species say about each trait of a description."""

    sheets: int
    evidence: tuple[tuple[Trait, Evidence], ...]


class Characters:
    """Reads characters off the vectors of pictures.

    Args:
        index: Where descriptions and sheets are.
        describer: Of its model; None if there is none.
    """

    def __init__(self, index: Index, describer: Describer | None) -> None:
        self._index, self._describer = index, describer

    @property
    def is_there(self) -> bool:
        """Tell whether there is a describer."""
        return self._describer is not None

    def shown(self, vector_D: Array) -> Shown:
        """Return what the picture of a vector shows.

        Raises:
            RefusalError: There is no describer.
        """
        from clipbio.characters.sentence import sentence

        predictions = tuple(self._needed().predict(vector_D[None])[0])
        query = Query((Part("vector", vector_D),))
        has_sentences = self._index.folder.texts.sentence_SD is not None
        near = self._index.search(query, show="descriptions", k=_NEAREST).hits if has_sentences else ()
        return Shown(predictions, sentence(predictions), tuple(hit for hit in near if isinstance(hit, DescriptionHit)))

    def vector_of(self, row: int) -> Array:
        """Return the vector of the picture of a row; `ClipbioError` if it has none."""
        vectors = self._index.folder.vectors("image")
        if vectors is None or not vectors.has_N[row]:
            raise ClipbioError("the specimen has no picture in the index: nothing can be read off it")
        return vectors.of(row)

    def judged(self, row: int, traits: Sequence[Trait]) -> Judged:
        """Return what the sheets of the taxon of a row say about traits.

        Raises:
            RefusalError: There is no describer.
        """
        from clipbio.characters.evidence import evidence

        describer, rows_n = self._needed(), self._sheets(row)
        vectors = self._index.folder.vectors("image")
        if vectors is None or not len(rows_n):
            return Judged(0, ())
        found = evidence(describer, traits, vectors.take(rows_n))
        return Judged(len(rows_n), tuple(zip(traits, found, strict=True)))

    def _sheets(self, row: int) -> Array:
        """Return rows with a picture of the taxon of a row, of each sheet one; without a taxon the row itself."""
        folder = self._index.folder
        vectors, taxon = folder.vectors("image"), int(folder.taxon_N[row])
        if vectors is None:
            return np.zeros(0, np.int64)
        same_N = np.arange(len(folder)) == row if folder.taxa[taxon].is_empty else folder.taxon_N == taxon
        rows_n = np.flatnonzero(folder.once(same_N & folder.alive_N & vectors.has_N))
        return rows_n[:: -(-len(rows_n) // _SHEETS) or 1]

    def _needed(self) -> Describer:
        if self._describer is None:
            raise RefusalError(
                404,
                "this server reads no characters off pictures: start it with characters=FOLDER, a describer made with "
                "'python -m clipbio describe checkpoint=RUN save=FOLDER'",
            )
        return self._describer


def evidence_answer(judged: Judged) -> dict[str, Any]:
    """Return evidence as plain values."""
    told = ("verdict", "score", "spread", "probability", "prior", "reason")
    return {
        "sheets": judged.sheets,
        "evidence": [
            {
                "character": trait.character,
                "value": trait.value,
                "negated": trait.negated,
                **{name: value for name, value in asdict(found).items() if name in told},
            }
            for trait, found in judged.evidence
        ],
    }
