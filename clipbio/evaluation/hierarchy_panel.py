"""Sections of the report on the hierarchy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clipbio.evaluation.clade_maps import clade_maps
from clipbio.evaluation.hierarchy_detail import HierarchyDetail
from clipbio.evaluation.hierarchy_plots import (
    distance_plot,
    frequency_plot,
    height_plot,
    map_plot,
    rank_plot,
    reliability_plot,
)
from clipbio.evaluation.panel import Panel
from clipbio.evaluation.pictures import Album, Picture

__all__ = ["hierarchy_panels"]

_PLURALS = {"genus": "genera", "family": "families", "class": "classes", "phylum": "phyla", "species": "species"}
_ANSWERS = (
    "Classes are named by their text. Rolled up: the probabilities of classes are summed up the tree. By text: taxa of "
    "a rank by a text of their own."
)
_MAPS = (
    "Each map shows the largest taxon of the one before, placed in the plane anew. Near points are alike; distances "
    "across a map say little."
)


def hierarchy_panels(details: Sequence[HierarchyDetail], album: Album) -> Iterator[Panel]:
    """Yield for each split what is answered, and where its images lie."""
    for one in details:
        plots = [
            (caption, album.plot(f"hierarchy-{one.split}-{name}", content, f"{caption}, {one.split}"))
            for name, caption, content in _plots(one)
        ]
        yield Panel(f"Hierarchy: {one.split}", _ANSWERS, plots, wide=True)
        if maps := _maps(one, album):
            yield Panel(f"Maps by rank: {one.split}", _MAPS, maps, wide=True)


def _plots(one: HierarchyDetail) -> Iterator[tuple[str, str, bytes]]:
    yield "accuracy", "Accuracy at each rank", rank_plot(one.figures, one.ranks)
    yield "heights", "How far off the answers are", height_plot(one.found, one.lucky)
    if one.reliability:
        yield "reliability", "Confidence and accuracy", reliability_plot(one.reliability)
    if one.distances:
        yield "distances", "Distance of species by their common ancestor", distance_plot(one.distances)
    if one.count_C is not None and one.count_C.any():
        content = frequency_plot(one.count_C, one.accuracy_C, many=one.many, few=one.few)
        yield "frequency", "Accuracy by training images", content


def _maps(one: HierarchyDetail, album: Album) -> list[tuple[str, Picture]]:
    maps = []
    for clade in clade_maps(one.sample, one.taxa, one.ranks, pictures=one.pictures, seed=one.seed):
        where = f" of {clade.inside}" if clade.inside else ""
        caption = f"{_PLURALS.get(clade.rank, f'{clade.rank}s').capitalize()}{where}, {len(clade.group_M)} images"
        maps.append((caption, album.plot(f"hierarchy-{one.split}-map-{clade.rank}", map_plot(clade), caption)))
    return maps
