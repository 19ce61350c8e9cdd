"""The table of a report that puts published figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clipbio.evaluation.expected import published, with_means
from clipbio.evaluation.figures import parse
from clipbio.evaluation.table import cell, percent

__all__ = ["PublishedRow", "published_rows"]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One published figure as text: ours with its interval, theirs, their difference, and whether they agree."""

    key: str
    ours: str
    published: str
    difference: str
    tolerance: str
    agrees: bool
    source: str
    certainty: str


def published_rows(metrics: Mapping[str, float], name: str | None) -> list[PublishedRow]:
    """Return a row for each published figure that was measured here, several where papers differ.

    Args:
        metrics: The flat numbers of metrics.json.
        name: Under which the figures of the model were published (`expected_name`); None gives no rows.
    """
    rows = []
    for figure in parse(with_means(metrics)) if name else []:
        for one in published(name, figure.key):
            if figure.value is None:
                continue
            difference = f"{100 * (figure.value - one.value):+.1f}".replace("-", "−")
            rows.append(
                PublishedRow(
                    key=figure.key,
                    ours=cell(figure),
                    published=percent(one.value),
                    difference=difference,
                    tolerance=percent(one.tolerance),
                    agrees=one.agrees(figure.value),
                    source=one.source,
                    certainty=one.certainty,
                )
            )
    return rows
