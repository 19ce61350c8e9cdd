"""A small world of species whose texts and images are known vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from clipbio.evaluation.embeddings import SplitData
from clipbio.taxonomy import Taxon


@dataclass(frozen=True)
class Thing:
    taxon: Taxon = field(default_factory=Taxon)
    common_names: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    label: str = ""


def make_thing(number: int, *, family: str | None = None, described: bool = True) -> Thing:
    taxon = Taxon("Plantae", "P", "C", "O", family or f"Family{number // 2}", "Genus", f"species{number:02d}")
    texts = (f"description {number} a", f"description {number} b") if described else ()
    return Thing(taxon, (f"plant{number:02d}",), texts)


def direction(text: str) -> int:
    """Return the number that stands in a text: texts of class number k point along axis k."""
    return int("".join(letter for letter in text if letter.isdigit()) or 0) % 64


@dataclass
class World:
    """`classes` species, `per_class` images each; image and text of a class are the same axis."""

    classes: int = 6
    per_class: int = 3
    undescribed: int = 0

    @property
    def things(self) -> list[Thing]:
        return [make_thing(k, described=k >= self.undescribed) for k in range(self.classes)]

    def split(self, vectors: Tensor | None = None, *, name: str = "test", table: Sequence[Thing] = ()) -> SplitData:
        named = [thing for thing in self.things for _ in range(self.per_class)]
        perfect = torch.eye(64)[: self.classes].repeat_interleave(self.per_class, dim=0)
        ids = [f"id-{row}" for row in range(len(named))]
        return SplitData.build(
            name, ids, vectors_ND=perfect if vectors is None else vectors, named=named, table=table or None
        )

    @staticmethod
    def encode(texts: Sequence[str]) -> Tensor:
        return torch.eye(64)[[direction(text) for text in texts]]


@pytest.fixture
def world() -> Callable[..., World]:
    return World


@pytest.fixture
def thing() -> Callable[..., Thing]:
    def make(number: int | None = None, **fields: object) -> Thing:
        return Thing(**fields) if number is None else make_thing(number, **fields)  # type: ignore[arg-type]

    return make
