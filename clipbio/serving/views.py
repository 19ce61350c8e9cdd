"""What templates need to show values: text with marks, numbers, names of columns, choices of pages and of facets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from clipbio.search.facets import Facet
from clipbio.search.results import Results
from clipbio.serving.question import Question
from clipbio.taxonomy import RANKS

__all__ = [
    "FILTERS",
    "LISTS",
    "FacetView",
    "ValueView",
    "facet_views",
    "facts_of",
    "marked",
    "noun",
    "page_numbers",
    "weighed",
]

LISTS = {"image": "picture", "dna": "barcode", "words": "words to picture"}
"""What ranked lists are called where their own name would not tell."""

_NAMED = {"dna": "DNA", "id": "Id", "class_": "Class", "common_name": "Common name", "text": "Text"}
_NOUNS = {
    "specimens": ("specimen", "specimens"),
    "species": ("species", "species"),
    "descriptions": ("description", "descriptions"),
}
_KINDS = {"text": "words", "dna": "barcode", "specimen": "specimen", "vector": "picture"}
# The facets that are open at first, if they have more than one value.
_OPEN = ("family", "genus", "order")
# More values of a column are found by their names alone.
_VALUES = 400
_FIRST = ("family", "genus", "species", "order", "class", "phylum", "kingdom")
# Columns of a record that the page shows in places of their own, or that are no matter of readers.
_SHOWN = {*RANKS, "id", "name", "common_name", "licence", "rights_holder", "group"}


def marked(text: str, spans: Iterable[tuple[int, int]]) -> Markup:
    """Return escaped text with each span (start, end) in a `<mark>`; spans may overlap and come in any order."""
    parts, place = [], 0
    for start, end in sorted(spans):
        start, end = max(start, place), min(end, len(text))
        if start < end:
            parts += [escape(text[place:start]), Markup("<mark>"), escape(text[start:end]), Markup("</mark>")]
            place = end
    return Markup("").join([*parts, escape(text[place:])])


def label(name: str) -> str:
    """Return the name of a column or modality as people write it."""
    return _NAMED.get(name) or name.replace("_", " ").strip().capitalize()


def sentence(text: str) -> str:
    """Return a note with a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def seconds(value: float) -> str:
    """Return a time as people read it."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "marked": marked,
    "label": label,
    "sentence": sentence,
    "seconds": seconds,
    "count": lambda value: f"{value:,}",
    "number": lambda value: f"{value:g}",
    "score": lambda value: f"{value:.3f}",
}
"""Filters of the templates."""


def noun(results: Results) -> str:
    """Return what hits are, in the right number."""
    return _NOUNS[results.show][results.total != 1]


def weighed(question: Question) -> list[tuple[str, str]]:
    """Return the kinds of parts with what the page calls them, if there are several to weigh."""
    given = {"text": question.q, "dna": question.dna, "specimen": question.specimen, "vector": question.vector}
    kinds = [kind for kind, value in given.items() if value]
    return [(kind, _KINDS[kind]) for kind in kinds] if len(kinds) > 1 else []


def page_numbers(page: int, total: int, size: int, reach: int) -> list[int | None]:
    """Return the pages to link, None where some are left out: the first, the last, and those around this one."""
    last = max(1, -(-min(total, reach) // size))
    wanted = sorted({1, last, *range(max(1, page - 2), min(last, page + 2) + 1)})
    found: list[int | None] = []
    for number in wanted:
        before = found[-1] if found else None
        if before is not None and number - before > 1:
            found.append(None)
        found.append(number)
    return found


def facts_of(values: Mapping[str, Any]) -> list[tuple[str, str | float]]:
    """Return what a record says beyond its name: text, which others may share, and numbers."""
    known = [(name, value) for name, value in values.items() if name not in _SHOWN and value not in ("", None)]
    return [(name, value if isinstance(value, int | float) else str(value)) for name, value in known]


@dataclass(frozen=True)
class ValueView:
    """One value of a facet."""

    name: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class FacetView:
    """A column to narrow by: the most frequent of its `total` values, chosen ones first, or its range of numbers."""

    column: str
    values: Sequence[ValueView]
    total: int
    range: tuple[str, str] | None
    low: str
    high: str
    open: bool
    chosen: int


def facet_views(facets: Iterable[Facet], question: Question) -> list[FacetView]:
    """Return what can be narrowed by: ranks first, without columns that part nothing."""
    order = {name: place for place, name in enumerate(_FIRST)}
    views = [_facet_view(facet, question.where.get(facet.column, ())) for facet in facets]
    useful = [view for view in views if view.chosen or view.range or view.total > 1]
    useful.sort(key=lambda view: order.get(view.column, len(order)))
    return useful


def _facet_view(facet: Facet, chosen: Sequence[str]) -> FacetView:
    wanted = {value.casefold() for value in chosen}
    first = [one for one in facet.values if one[0].casefold() in wanted] if wanted else []
    values = [ValueView(*one, True) for one in first]
    values += [ValueView(*one, False) for one in facet.values[:_VALUES] if one not in first]
    span = facet.range
    low, _, high = chosen[0].partition("..") if span and chosen else ("", "", "")
    is_open = bool(chosen) or (facet.column in _OPEN and len(values) > 1)
    shown = (f"{span[0]:g}", f"{span[1]:g}") if span else None
    return FacetView(facet.column, values, len(facet.values), shown, low, high, is_open, len(chosen))
