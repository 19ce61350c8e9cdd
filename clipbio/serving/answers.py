"""What the HTTP interface answers, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from clipbio.search.export import plain as _plain
from clipbio.search.results import Results, SpecimenHit
from clipbio.serving.question import Question

__all__ = ["plain", "search_answer", "specimen_answer", "specimen_path"]


def plain(value: Any) -> Any:
    """Return a value as JSON has it, specimens with the paths of their pictures and records."""
    return _plain(value, _paths)


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


def _paths(hit: SpecimenHit) -> dict[str, str]:
    picture = f"/pictures/{hit.row}" if hit.has_picture else ""
    full = f"{picture}/full" if picture else ""
    return {"picture": picture, "full_picture": full, "self": specimen_path(hit.id)}
