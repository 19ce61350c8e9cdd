"""A search as a URL tells it: read from parameters and written as a link, for the HTTP interface and the page alike.

q=leaves opposite&f.family=Rosaceae&f.family=Fagaceae&f.year=1900..1950&engine=fused&page=2
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from clipbio.errors import ClipbioError, nearest
from clipbio.search.query import Engine, Part, Query, Show
from clipbio.serving.limits import Limits
from clipbio.serving.vectors import unpacked

__all__ = ["FILTER", "Key", "Question", "check_name", "read"]

Key = Literal["image", "dna"]
"""Which vectors are searched."""

FILTER = "f."
"""What begins the name of a parameter that filters by the column after it."""

_WEIGHT = "weight_"
# Parameter: the kind of part that it gives.
_PARTS: dict[str, Literal["text", "dna", "specimen", "vector"]] = {
    "q": "text",
    "dna": "dna",
    "specimen": "specimen",
    "vector": "vector",
}
_CHOICES = {"engine": get_args(Engine), "show": get_args(Show), "key": get_args(Key)}
_WEIGHTS = tuple(f"{_WEIGHT}{kind}" for kind in _PARTS.values())
_NAMES = (*_PARTS, *_WEIGHTS, *_CHOICES, "page", "size")
_DIGITS = 9


@dataclass(frozen=True)
class Question:
    """One search: its parts, filters and the page that is shown.

    `where` has for each column the values of which any may hold; `weights` those of parts by kind (`text`, `dna`,
    `specimen`, `vector`) that are not 1. `vector` is text that `vectors.packed` wrote.
    """

    q: str = ""
    dna: str = ""
    specimen: str = ""
    vector: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    engine: Engine = "fused"
    show: Show = "specimens"
    key: Key | None = None
    page: int = 1
    size: int = 20

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is asked, whatever the filters."""
        return not any(getattr(self, name) for name in _PARTS)

    def query(self, dim: int) -> Query:
        """Return what is asked.

        Args:
            dim: Dimensions of the index.

        Raises:
            ClipbioError: Nothing is, or the vector does not fit.
        """
        given = {name: getattr(self, name) for name in _PARTS if getattr(self, name)}
        values: dict[str, Any] = given | ({"vector": unpacked(self.vector, dim)} if self.vector else {})
        return Query(
            tuple(Part(_PARTS[name], value, self.weights.get(_PARTS[name], 1.0)) for name, value in values.items())
        )

    @property
    def conditions(self) -> dict[str, str | list[str]]:
        """Return the filters as `Index` takes them."""
        return {name: values[0] if len(values) == 1 else list(values) for name, values in self.where.items()}

    def options(self) -> dict[str, Any]:
        """Return the further arguments of `Index.search`."""
        return {
            "k": self.size,
            "offset": (self.page - 1) * self.size,
            "where": self.conditions,
            "engine": self.engine,
            "show": self.show,
            "key": self.key,
        }

    def pairs(self) -> list[tuple[str, str]]:
        """Return the parameters that say this, without those that have their default; `read` is the inverse."""
        found = [(name, getattr(self, name)) for name in _PARTS]
        found += [(f"{_WEIGHT}{kind}", f"{weight:g}") for kind, weight in self.weights.items()]
        found += [(f"{FILTER}{name}", value) for name in sorted(self.where) for value in self.where[name]]
        found += [(name, str(getattr(self, name) or "")) for name in (*_CHOICES, "page", "size")]
        default = Question()
        return [(name, value) for name, value in found if value and value != str(getattr(default, name, ""))]

    def link(self, path: str = "/", **changes: Any) -> str:
        """Return a URL below the server's root that asks this, with some fields changed."""
        question = replace(self, **changes) if changes else self
        pairs = question.pairs()
        return f"{path}?{urlencode(pairs)}" if pairs else path


def read(pairs: Iterable[tuple[str, str]], limits: Limits) -> Question:
    """Return the search that parameters tell; empty ones, as a form sends them, count as not given.

    Args:
        pairs: Names and values in their order; only filters may be repeated.
        limits: What is allowed.

    Raises:
        ClipbioError: A parameter is unknown, given twice, too long, or no valid value.
    """
    single: dict[str, str] = {}
    where: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        check_name(name)
        value = value.strip()
        if not value:
            continue
        _check_text(name, value, limits)
        if name.startswith(FILTER):
            where[name[len(FILTER) :]] = (*where.get(name[len(FILTER) :], ()), value)
        elif name in single:
            raise ClipbioError(f"{name} is given twice")
        else:
            single[name] = value
    _check_filters(where, limits)
    return _question(single, {name: tuple(dict.fromkeys(values)) for name, values in where.items()}, limits)


def _question(single: Mapping[str, str], where: Mapping[str, tuple[str, ...]], limits: Limits) -> Question:
    parts = {name: single[name] for name in _PARTS if name in single}
    choices = {name: _choice(name, single[name]) for name in _CHOICES if name in single}
    size = _whole("size", single, 20, limits.page_size)
    page = _whole("page", single, 1, 10**_DIGITS)
    if page * size > limits.hits and page > 1:
        raise ClipbioError(
            f"page {page:,} lies beyond the first {limits.hits:,} hits, which are shown: ask more narrowly"
        )
    given: dict[str, Any] = {**parts, **choices, "weights": _weights(single), "where": where}
    return Question(**given, page=page, size=size)


def check_name(name: str) -> None:
    """Refuse a parameter that there is not, naming the nearest one."""
    if name not in _NAMES and not (name.startswith(FILTER) and len(name) > len(FILTER)):
        shown = name[:40]
        raise ClipbioError(f"there is no parameter '{shown}'{nearest(shown, (*_NAMES, f'{FILTER}COLUMN'))}")


def _check_text(name: str, value: str, limits: Limits) -> None:
    if not value.isascii() and value != value.encode("utf-8", "ignore").decode("utf-8"):
        raise ClipbioError(f"{name[:40]} holds half a character: it is no valid Unicode text")
    most = limits.barcode_characters if name == "dna" else limits.query_characters
    if name != "vector" and len(value) > most:
        raise ClipbioError(f"{name[:40]} has {len(value):,} characters, {most:,} are allowed")


def _check_filters(where: Mapping[str, tuple[str, ...]], limits: Limits) -> None:
    count = sum(map(len, where.values()))
    if count > limits.filter_values:
        raise ClipbioError(f"the filters have {count:,} values, {limits.filter_values:,} are allowed")


def _choice(name: str, value: str) -> str:
    if value not in _CHOICES[name]:
        raise ClipbioError(f"{name}={value[:40]}: there is no such choice{nearest(value[:40], _CHOICES[name])}")
    return value


def _weights(single: Mapping[str, str]) -> dict[str, float]:
    """Return the weights of what is given: a form sends all, also those of its empty fields."""
    kinds = [kind for name, kind in _PARTS.items() if name in single and f"{_WEIGHT}{kind}" in single]
    weights = {str(kind): _weight(kind, single[f"{_WEIGHT}{kind}"]) for kind in kinds}
    return {kind: weight for kind, weight in weights.items() if weight != 1}


def _weight(kind: str, value: str) -> float:
    try:
        weight = float(value)
    except ValueError:
        weight = math.nan
    # The bounds keep a link that prints six digits true, and sums of weights finite.
    if not 0.001 <= weight <= 1000:
        raise ClipbioError(f"{_WEIGHT}{kind}={value[:40]} must be a number from 0.001 to 1000")
    return float(f"{weight:g}")


def _whole(name: str, single: Mapping[str, str], default: int, most: int) -> int:
    if name not in single:
        return min(default, most)
    value = single[name]
    if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS and 1 <= int(value) <= most):
        raise ClipbioError(f"{name}={value[:40]} must be a whole number from 1 to {most:,}")
    return int(value)
