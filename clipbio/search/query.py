"""What is asked: words, a picture, a barcode, a specimen or a vector, or several of them with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError

__all__ = ["Array", "Engine", "Grounds", "Part", "PartKind", "Query", "QueryEncoder", "Show"]

Array = npt.NDArray[Any]
PartKind = Literal["text", "image", "dna", "specimen", "vector"]
Engine = Literal["fused", "lexical", "vector"]
"""Which lists are ranked: all, those of words, those of vectors."""
Show = Literal["specimens", "species", "descriptions"]
"""What the hits are."""

_VALUES: dict[str, tuple[type, str]] = {
    "image": (bytes, "the bytes of a picture"),
    "vector": (np.ndarray, "an array of numbers"),
}


class QueryEncoder(Protocol):
    """What turns the parts of a query into unit vectors; its model is the one that made the index.

    Errors that a user can act on are `ClipbioError`; an object may be used by several threads at once.
    """

    @property
    def modalities(self) -> frozenset[str]:
        """Name what it encodes, of `text`, `image` and `dna`."""

    def text(self, texts: Sequence[str]) -> Array:
        """Return unit vectors (T, D), float32."""

    def image(self, data: bytes) -> Array:
        """Return the unit vector (D,) of an encoded picture; `ClipbioError` if it cannot be read."""

    def dna(self, barcode: str) -> Array:
        """Return the unit vector (D,) of a barcode; `ClipbioError` if it is none."""


class Grounds(QueryEncoder, Protocol):
    """A query encoder that also tells where in a picture words are."""

    @property
    def grounds(self) -> bool:
        """Tell whether it can; a model that is still loaded is taken to."""

    def heat(self, data: bytes, texts: Sequence[str]) -> Array:
        """Return maps (T, Y, X) of an encoded upright picture: higher where it fits a text better.

        Raises:
            ClipbioError: The model cannot tell, or the picture cannot be read.
        """


@dataclass(frozen=True)
class Part:
    """One part of a query and its share.

    `value` is a string (text, barcode, id of a specimen of the index), the bytes of a picture, or a vector (D,).
    """

    kind: PartKind
    value: str | bytes | Array
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(PartKind):
            raise ClipbioError(f"a query has no part '{self.kind}': give {', '.join(get_args(PartKind))}")
        due, told = _VALUES.get(self.kind, (str, "a string"))
        if not isinstance(self.value, due):
            raise ClipbioError(f"the {self.kind} of a query is {told}, not of type {type(self.value).__name__}")
        if not np.isfinite(self.weight) or self.weight <= 0:
            raise ClipbioError(f"the weight of {self.kind} is {self.weight}; give a number above 0")


@dataclass(frozen=True)
class Query:
    """What is asked: at least one part.

    Raises:
        ClipbioError: There is none, or a text or id is empty.
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ClipbioError("the query is empty: give words, a picture, a barcode or the id of a specimen")
        for part in self.parts:
            if isinstance(part.value, str | bytes) and not part.value.strip():
                raise ClipbioError(f"the query is empty: its {part.kind} says nothing")

    @classmethod
    def text(cls, text: str) -> Query:
        """Return a query of words."""
        return cls((Part("text", text),))

    @property
    def is_text(self) -> bool:
        """Tell whether it is words alone."""
        return all(part.kind == "text" for part in self.parts)
