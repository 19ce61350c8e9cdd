"""Hits by hand."""

from clipbio.search.results import DescriptionHit, Passage, Results, SpeciesHit, SpecimenHit
from clipbio.taxonomy import Taxon

ROSE = Taxon(family="Rosaceae", genus="Rosa", species="canina")
PASSAGE = Passage("Leaves serrate.", 0, 0, 15, ((7, 14),))


def specimen(rank=1, id="a1", **changed):
    facts = {"common_name": "dog rose", "licence": "CC0", "lists": {"sentence": 1, "image": 4}, "passage": PASSAGE}
    return SpecimenHit(rank, 0.5 / rank, 7, id, ROSE, "Rosa canina", **(facts | changed))


def species():
    return SpeciesHit(
        1, 0.5, ROSE, "Rosa canina", "dog rose", 12, (specimen(), specimen(2, "b2")), {"image": 1}, PASSAGE
    )


def description():
    text = "Leaves serrate. Flowers pink."
    return DescriptionHit(1, 0.5, 3, ROSE, "Rosa canina", text, ((0, 6),), PASSAGE, "flora", "CC BY", "en", 12)


def results(*hits, show="specimens", total=None, offset=0, notes=()):
    return Results(hits, show, "fused", offset, len(hits) if total is None else total, 0.01, notes)
