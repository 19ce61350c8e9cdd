"""What is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clipbio.search.query import Engine, Show
from clipbio.taxonomy import Taxon
from clipbio.traits import Trait

__all__ = ["DescriptionHit", "Hit", "Passage", "Results", "SpeciesHit", "SpecimenHit", "View"]


@dataclass(frozen=True)
class Passage:
    """A sentence of a description that fits the query, and where in it the words stand.

    `spans` are (start, end) in `text`, and so are the places of `traits`; `start` and `end` are the place of the
    sentence in the description.
    """

    text: str
    description: int
    start: int
    end: int
    spans: tuple[tuple[int, int], ...] = ()
    traits: tuple[Trait, ...] = ()


@dataclass(frozen=True)
class View:
    """Another row of a sheet: the sheet itself, or a view of a part of it."""

    row: int
    id: str
    part: str = ""


@dataclass(frozen=True)
class SpecimenHit:
    """One specimen.

    `score` is higher for what fits better; it orders the hits of one query and says nothing across queries. `lists`
    gives the place in each ranked list that took part (`description`, `sentence`, `meaning`, `image` ...), 1 is best:
    the reason of the score. `values` are the other columns of its record. Where it is a view of a sheet, `view_of` is
    the id of that, and `part` what it shows; `views` are the other rows of the sheet, itself first.
    """

    rank: int
    score: float
    row: int
    id: str
    taxon: Taxon
    name: str
    common_name: str = ""
    licence: str = ""
    rights_holder: str = ""
    has_picture: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    lists: Mapping[str, int] = field(default_factory=dict)
    passage: Passage | None = None
    view_of: str = ""
    part: str = ""
    views: tuple[View, ...] = ()


@dataclass(frozen=True)
class SpeciesHit:
    """One species with its best sheets; `count` of its specimens pass the filters."""

    rank: int
    score: float
    taxon: Taxon
    name: str
    common_name: str
    count: int
    sheets: tuple[SpecimenHit, ...]
    lists: Mapping[str, int] = field(default_factory=dict)
    passage: Passage | None = None


@dataclass(frozen=True)
class DescriptionHit:
    """One description; `spans` (start, end) are what fits, `best` its best sentence; `count` specimens bear it.

    `traits` are the characters that it tells, with their places in `text`.
    """

    rank: int
    score: float
    description: int
    taxon: Taxon
    name: str
    text: str
    spans: tuple[tuple[int, int], ...] = ()
    best: Passage | None = None
    source: str = ""
    licence: str = ""
    language: str = ""
    count: int = 0
    lists: Mapping[str, int] = field(default_factory=dict)
    traits: tuple[Trait, ...] = ()


Hit = SpecimenHit | SpeciesHit | DescriptionHit


@dataclass(frozen=True)
class Results:
    """A page of hits.

    `total` is how many there are in all; `notes` tell in sentences what a user should know, such as that a text engine
    was left out.
    """

    hits: tuple[Hit, ...]
    show: Show
    engine: Engine
    offset: int
    total: int
    seconds: float
    notes: tuple[str, ...] = ()
