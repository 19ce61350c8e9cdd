"""From a query to what is compared: words taken apart, and vectors.

Shape suffixes: D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError, nearest
from clipbio.search.folder import IndexFolder
from clipbio.search.query import Engine, Part, Query, QueryEncoder
from clipbio.search.words import Words, parse

__all__ = ["NEGATED", "Asked", "AskedVector", "AskedWords", "Key", "ask"]

Array = npt.NDArray[Any]
Key = Literal["image", "dna"]
"""Which vectors of the specimens are searched."""

NEGATED = 0.5
"""The share of the cosine with what is negated that is taken off."""
_NO_TEXT = "no text model is at hand, so only words are compared (engine lexical)"
_NO_VECTORS = "the index holds no vectors, so only words are compared (engine lexical)"


@dataclass(frozen=True)
class AskedWords:
    """A text part: its words, and unit vectors of what is sought and (their mean) of what is negated, if there is any.

    Both are None if only words are compared.
    """

    words: Words
    weight: float
    sought_D: Array | None = None
    negated_D: Array | None = None

    @property
    def vector_D(self) -> Array | None:
        """Return the vector whose product is the cosine with what is sought less half of that with what is negated."""
        if self.negated_D is None:
            return self.sought_D
        return (0.0 if self.sought_D is None else self.sought_D) - NEGATED * self.negated_D


@dataclass(frozen=True)
class AskedVector:
    """A part that is a unit vector."""

    vector_D: Array
    weight: float


@dataclass(frozen=True)
class Asked:
    """A query that can be answered.

    `itself` are the rows that it consists of, with other views of their sheets, which are no hits; `exact` is False if
    good guesses will do.
    """

    words: tuple[AskedWords, ...]
    vectors: tuple[AskedVector, ...]
    engine: Engine
    key: Key | None
    itself: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    exact: bool = True

    @property
    def uses_words(self) -> bool:
        """Tell whether lists of words are ranked, and phrases left out or asked for."""
        return self.engine != "vector"

    @property
    def is_negation(self) -> bool:
        """Tell whether it only says what is not wanted."""
        return not self.vectors and not any(part.words.positive for part in self.words)


def ask(folder: IndexFolder, encoder: QueryEncoder | None, query: Query, engine: Engine, key: str | None) -> Asked:
    """Prepare a query.

    Without an encoder of text words are compared only, which a note tells.

    Raises:
        ClipbioError: A part cannot be encoded or found, the engine or the key is none of this index.
    """
    if engine not in get_args(Engine):
        raise ClipbioError(f"engine={engine} is unknown{nearest(engine, get_args(Engine))}")
    used, notes = _engine(folder, encoder, query, engine)
    found = [_found(folder, str(part.value)) for part in query.parts if part.kind == "specimen"]
    chosen = _key(folder, query, found, key)
    vectors = tuple(_vector(folder, encoder, part, chosen) for part in query.parts if part.kind != "text")
    words = _words(folder, encoder, [part for part in query.parts if part.kind == "text"], used)
    itself = [
        view for row in found for view in ([row] if folder.sheets is None else folder.sheets.rows_of(row).tolist())
    ]
    asked = Asked(words, vectors, used, chosen, tuple(itself), tuple(notes))
    return replace(asked, notes=(*notes, *_notes(folder, asked)))


def _engine(
    folder: IndexFolder, encoder: QueryEncoder | None, query: Query, engine: Engine
) -> tuple[Engine, list[str]]:
    if engine == "lexical" or all(part.kind != "text" for part in query.parts):
        return engine, []
    if encoder is None or "text" not in encoder.modalities:
        return "lexical", [_NO_TEXT]
    return (engine, []) if folder.manifest.dim else ("lexical", [_NO_VECTORS])


def _notes(folder: IndexFolder, asked: Asked) -> list[str]:
    if asked.vectors and asked.engine == "lexical":
        return ["engine lexical is about words: the other parts of the query are compared by their vectors"]
    if asked.engine == "lexical" and not len(folder.texts.descriptions):
        return ["the index holds no descriptions: words alone are looked for in names"]
    if asked.is_negation:
        order = "by row" if asked.engine == "lexical" or asked.key is None else "the most unlike it first"
        return [f"the query only tells what is not wanted: all that is left is shown, {order}"]
    return []


def _key(folder: IndexFolder, query: Query, found: Sequence[int], key: str | None) -> Key | None:
    known: list[Key] = [name for name in get_args(Key) if folder.vectors(name) is not None]
    if key is not None:
        if key not in known:
            raise ClipbioError(f"key={key}: the index has no such vectors{nearest(key, known)}")
        return known[known.index(key)]
    kinds = {part.kind for part in query.parts} - {"text"}
    images, barcodes = folder.vectors("image"), folder.vectors("dna")
    has_image = any(images is not None and images.has_N[row] for row in found)
    if barcodes is not None and kinds and kinds <= {"dna", "specimen"} and not has_image:
        return "dna"
    return known[0] if known else None


def _vector(folder: IndexFolder, encoder: QueryEncoder | None, part: Part, key: Key | None) -> AskedVector:
    if part.kind == "vector":
        vector_D = np.asarray(part.value, np.float32).reshape(-1)
    elif part.kind == "specimen":
        vector_D = _own(folder, str(part.value), key)
    elif encoder is None or part.kind not in encoder.modalities:
        raise ClipbioError(f"no model is at hand that reads {part.kind}: open the index with one that does")
    elif part.kind == "image":
        assert isinstance(part.value, bytes)
        vector_D = encoder.image(part.value)
    else:
        vector_D = encoder.dna(str(part.value))
    return AskedVector(_unit(folder, vector_D, part.kind), part.weight)


def _found(folder: IndexFolder, id: str) -> int:
    row = folder.row_of(id)
    if row is None:
        raise ClipbioError(f"no specimen '{id}' in the index {folder.manifest.name}")
    return row


def _own(folder: IndexFolder, id: str, key: Key | None) -> Array:
    """Return a vector of a specimen: that of the key if it has one, else of its image, else of its barcode."""
    row = _found(folder, id)
    for name in dict.fromkeys((*([key] if key else []), *get_args(Key))):
        vectors = folder.vectors(name)
        if vectors is not None and vectors.has_N[row]:
            return vectors.of(row)
    raise ClipbioError(f"specimen '{id}' has neither an image nor a barcode in the index: nothing to compare with")


def _unit(folder: IndexFolder, vector_D: Array, kind: str) -> Array:
    dim = folder.manifest.dim
    if not dim:
        raise ClipbioError("no specimen of the index has a vector: ask with words")
    if vector_D.shape != (dim,):
        raise ClipbioError(f"the {kind} vector has {vector_D.size} numbers, the index {dim}: it is of another model")
    length = float(np.linalg.norm(vector_D.astype(np.float64)))
    if not np.isfinite(length) or length == 0:
        raise ClipbioError(f"the {kind} vector is zero or not finite: nothing can be compared with it")
    return np.asarray(vector_D / length, np.float32)


def _words(
    folder: IndexFolder, encoder: QueryEncoder | None, parts: Sequence[Part], engine: Engine
) -> tuple[AskedWords, ...]:
    parsed = [(parse(str(part.value), folder.manifest.language), part.weight) for part in parts]
    for words, _ in parsed:
        if words.is_empty:
            raise ClipbioError("the query is empty: it has no word")
    if encoder is None or engine == "lexical":
        return tuple(AskedWords(words, weight) for words, weight in parsed)
    return tuple(_encoded(folder, encoder, words, weight) for words, weight in parsed)


def _encoded(folder: IndexFolder, encoder: QueryEncoder, words: Words, weight: float) -> AskedWords:
    texts = [*([words.positive] if words.positive else []), *words.negative]
    vectors = [_unit(folder, vector_D, "text") for vector_D in np.asarray(encoder.text(texts))]
    negated = vectors[len(texts) - len(words.negative) :]
    return AskedWords(
        words,
        weight,
        vectors[0] if words.positive else None,
        np.mean(negated, axis=0) if negated else None,
    )
