"""What the page of one specimen tells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.search.index import Index
from clipbio.search.results import Hit
from clipbio.search.words import parse
from clipbio.serving.descriptions import stated
from clipbio.serving.question import Question
from clipbio.serving.service import Service
from clipbio.serving.shown_views import verdict_views
from clipbio.serving.site import texts_of
from clipbio.serving.views import facts_of
from clipbio.taxonomy import RANKS

__all__ = ["sought", "specimen_values"]

_SIMILAR = 6


async def specimen_values(service: Service, id: str, question: Question, looked: str) -> dict[str, Any]:
    """Return what the template shows of a specimen.

    Args:
        service: The index.
        id: Of the specimen.
        question: What led to it: its words are marked.
        looked: Words whose places in the picture are shown.
    """
    hit = await service.specimen(id)
    texts = await service.run(partial(texts_of, service.index, hit.row, question.q))
    traits = [trait for text in texts for trait in text.traits]
    judged = None
    if traits and service.characters.is_there:
        judged = await service.run(partial(service.characters.judged, hit.row, traits))
    lineage = [(rank, name) for rank, name in zip(RANKS[:-1], hit.taxon.ranks) if name]
    if hit.taxon.scientific_name:
        lineage.append(("species", hit.taxon.scientific_name))
    return {
        "hit": hit,
        "texts": texts,
        "told": stated(traits),
        "judged": judged,
        "verdicts": verdict_views(judged) if judged else {},
        "lineage": lineage,
        "facts": facts_of(hit.values),
        "similar": await _similar(service, id),
        "looked": looked,
        "sought": sought(service.index, question),
        "heat_told": _heat_told(service) if looked else "",
    }


def sought(index: Index, question: Question) -> str:
    """Return what a question looks for in pictures: its words without what is negated."""
    return parse(question.q, index.folder.manifest.language).positive if question.q else ""


def _heat_told(service: Service) -> str:
    """Return why an overlay cannot be shown, nothing if it can."""
    if service.heat_maps.model is None:
        return "this server cannot show where words are: its model does not join words and pictures"
    if not getattr(service.index.encoder, "is_ready", True):
        return "the model is still being loaded: the places are shown in a moment, or when this page is loaded again"
    return ""


async def _similar(service: Service, id: str) -> Sequence[Hit]:
    try:
        return (await service.search(Question(specimen=id, size=_SIMILAR))).hits
    except ClipbioError:
        # A specimen without any vector is like no other.
        return ()
