"""What is found as plain values for JSON: dataclasses become objects, vectors of numpy numbers, pictures their URLs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from clipbio.search.results import Results, SpecimenHit
from clipbio.serving.question import Question
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["plain", "search_answer", "specimen_answer", "specimen_path"]


def plain(value: Any) -> Any:
    """Return a value as JSON has it; numbers that are not finite become null."""
    if isinstance(value, Taxon):
        return dict(zip(RANKS, value.ranks, strict=True))
    if isinstance(value, SpecimenHit):
        return _specimen(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence | np.ndarray):
        return [plain(one) for one in value]
    return str(value)


def search_answer(question: Question, results: Results) -> dict[str, Any]:
    """Return a page of hits, with the links that ask for this page and for the next one on the server's page."""
    last = results.offset + len(results.hits)
    return {
        "link": question.link(),
        "next": question.link("/api/search", page=question.page + 1) if results.hits and last < results.total else "",
        "page": question.page,
        "size": question.size,
        **plain(results),
    }


def specimen_answer(hit: SpecimenHit, descriptions: Sequence[Any]) -> dict[str, Any]:
    """Return everything about one specimen."""
    found: dict[str, Any] = plain(hit)
    return {key: value for key, value in found.items() if key not in ("rank", "score", "lists", "passage")} | {
        "descriptions": plain(descriptions)
    }


def specimen_path(id: str) -> str:
    """Return the path of a specimen in the HTTP interface; ids may hold slashes and colons."""
    return f"/api/specimens/{quote(id, safe='')}"


def _specimen(hit: SpecimenHit) -> dict[str, Any]:
    found = {field.name: plain(getattr(hit, field.name)) for field in fields(hit) if field.name != "has_picture"}
    pictures = {
        "picture": f"/pictures/{hit.row}" if hit.has_picture else "",
        "full_picture": f"/pictures/{hit.row}/full" if hit.has_picture else "",
    }
    return {**found, **pictures, "self": specimen_path(hit.id)}
