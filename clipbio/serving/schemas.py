"""What the HTTP interface answers, described for its page; a test holds the answers against it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

__all__ = [
    "About",
    "Error",
    "Facets",
    "Found",
    "Health",
    "PictureCharacters",
    "Specimen",
    "TraitFacets",
    "Vector",
    "Verdicts",
]

_RANKS = {
    "kingdom": "Plantae",
    "phylum": "Tracheophyta",
    "class": "Magnoliopsida",
    "order": "Rosales",
    "family": "Rosaceae",
    "genus": "Rosa",
    "species": "canina",
}


class Error(BaseModel):
    """What went wrong."""

    error: str = Field(description="One sentence: what, where, what to do.", examples=["the query is empty"])


class Health(BaseModel):
    """That the server answers."""

    status: str = Field(examples=["ok"])


class Trait(BaseModel):
    """What a text tells: a character has a state."""

    character: str = Field(description="Organ, part and property.", examples=["leaf shape"])
    organ: str
    part: str
    property: str
    value: str = Field(examples=["ovate"])
    low: float | None = Field(description="Of a count, or of a measure in mm.")
    high: float | None
    minimum: float | None = Field(description="The extreme in brackets before a range.")
    maximum: float | None
    unit: str
    shade: str
    sex: str
    stage: str
    side: str
    negated: bool = Field(description="The text says that it is not so.")
    phrase: str
    start: int = Field(description="Where the phrase begins in the text.")
    end: int
    organ_start: int = Field(description="Where the organ is named, -1 where it is left out.")
    organ_end: int


class View(BaseModel):
    """Another row of a sheet."""

    row: int
    id: str
    part: str = Field(description="What of the sheet it shows, empty for the whole.")


class Passage(BaseModel):
    """A sentence of a description that fits."""

    text: str
    description: int = Field(description="Number of the description.")
    start: int = Field(description="Where the sentence begins in the description.")
    end: int
    spans: list[tuple[int, int]] = Field(description="Start and end of matched words in `text`.")
    traits: list[Trait] = Field(description="What it tells, with places in `text`.")


class Specimen(BaseModel):
    """A specimen."""

    row: int
    id: str
    taxon: dict[str, str] = Field(description="The seven ranks; species is the epithet.", examples=[_RANKS])
    name: str
    common_name: str
    licence: str
    rights_holder: str
    has_picture: bool
    picture: str = Field(description="Path of a small picture, empty without one.")
    full_picture: str
    self: str = Field(description="Path of the whole record.")
    values: dict[str, Any] = Field(description="The other columns of its record.")
    view_of: str = Field(description="Id of the sheet, where it is a view of a part of one.")
    part: str
    views: list[View] = Field(description="The other rows of its sheet.")
    descriptions: list[dict[str, Any]] | None = Field(None, description="With /api/specimens alone.")


class SpecimenFound(Specimen):
    """A specimen as a hit."""

    rank: int
    score: float = Field(description="Higher fits better; says nothing across searches.")
    lists: dict[str, int] = Field(description="Place in each ranked list that took part; 1 is best.")
    passage: Passage | None


class SpeciesFound(BaseModel):
    """A species as a hit, with its best sheets."""

    rank: int
    score: float
    taxon: dict[str, str]
    name: str
    common_name: str
    count: int = Field(description="Specimens that pass the filters.")
    sheets: list[SpecimenFound]
    lists: dict[str, int]
    passage: Passage | None


class DescriptionFound(BaseModel):
    """A description as a hit."""

    rank: int
    score: float
    description: int
    taxon: dict[str, str]
    name: str
    text: str
    spans: list[tuple[int, int]]
    best: Passage | None
    source: str
    licence: str
    language: str
    count: int = Field(description="Specimens that bear it.")
    lists: dict[str, int]
    traits: list[Trait] = Field(description="What it tells, with places in `text`.")


class Found(BaseModel):
    """A page of hits."""

    link: str = Field(description="Asks the same on the server's page, also where a picture was posted.")
    next: str = Field(description="Path of the next page of hits, empty on the last.")
    page: int
    size: int
    show: str
    engine: str
    offset: int
    total: int
    seconds: float
    notes: list[str] = Field(description="What a user should know, such as that a text engine was left out.")
    hits: list[SpecimenFound | SpeciesFound | DescriptionFound]


class Vector(BaseModel):
    """A picture or barcode as a parameter."""

    vector: str = Field(description="The value of the parameter `vector`.")
    link: str = Field(description="Searches by it on the server's page.")


class Facet(BaseModel):
    """A column that may be filtered by."""

    column: str
    values: list[tuple[str, int]] = Field(description="Values and how many rows have them, most first.")
    range: tuple[float, float] | None = Field(description="Least and largest of a column of numbers, else null.")


class Facets(BaseModel):
    """The values that filters may have."""

    facets: list[Facet]


class TraitFacet(BaseModel):
    """A character that descriptions tell."""

    character: str = Field(examples=["leaf shape"])
    organ: str
    part: str
    property: str
    specimens: int = Field(description="How many have any state of it.")
    values: list[tuple[str, int]] = Field(description="States and how many specimens have them, most first.")
    range: tuple[float, float] | None = Field(description="Of a measure, in mm.")


class TraitFacets(BaseModel):
    """The characters that filters may ask for."""

    traits: list[TraitFacet]


class Prediction(BaseModel):
    """A character of a picture."""

    character: str = Field(examples=["leaf shape"])
    state: str
    confidence: float = Field(description="How probable the state is, calibrated on validation.")
    alternatives: list[tuple[str, float]]
    answered: bool = Field(description="Whether it is sure enough to be told.")


class PictureCharacters(BaseModel):
    """What a picture shows."""

    characters: list[Prediction]
    sentence: str
    descriptions: list[DescriptionFound] = Field(description="Those of the index that are nearest.")


class Verdict(BaseModel):
    """What sheets say about a statement."""

    character: str
    value: str
    negated: bool
    verdict: str = Field(description="supported, contradicted, or not visible.")
    score: float | None = Field(description="Evidence in nats: positive speaks for it. Null where nothing is known.")
    spread: float
    probability: float | None
    prior: float | None = Field(description="How probable it is without looking.")
    reason: str = Field(description="Why nothing can be said.")


class Verdicts(BaseModel):
    """The evidence of sheets for the descriptions of a species."""

    sheets: int
    evidence: list[Verdict]


class About(BaseModel):
    """Which index and model answer."""

    name: str
    rows: int
    alive: int = Field(description="Rows that are not deleted.")
    created: str
    updated: str
    dim: int
    metric: str
    modalities: list[str] = Field(description="What the index has vectors of.")
    asked_by: list[str] = Field(description="What the server's model encodes, of text, image and dna.")
    language: str
    descriptions: int
    sentences: int
    traits: int | None = Field(description="Characters told by descriptions; null where the index was made without.")
    model: str
    weights: dict[str, str] = Field(description="A hash of the weights of each tower.")
    ann: dict[str, Any] | None = Field(description="The approximate search of the index, with its measured recall.")
    exact: bool = Field(description="Whether every vector is compared.")
    versions: dict[str, str]
    limits: dict[str, float]
