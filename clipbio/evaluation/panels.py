"""Sections of the report for benchmarks that compare queries with keys: a note and some plots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipbio.evaluation.characters_detail import DescribeDetail, VerifyDetail
from clipbio.evaluation.characters_panel import describe_panels, verify_panels
from clipbio.evaluation.grounding_detail import GroundingDetail
from clipbio.evaluation.grounding_panel import grounding_panels
from clipbio.evaluation.hierarchy_detail import HierarchyDetail
from clipbio.evaluation.hierarchy_panel import hierarchy_panels
from clipbio.evaluation.key_query import KeyQueryDetail
from clipbio.evaluation.key_query_plot import error_plot
from clipbio.evaluation.line_plots import Line, line_plot
from clipbio.evaluation.newt import NewtDetail
from clipbio.evaluation.open_set import OpenSetDetail
from clipbio.evaluation.panel import Panel
from clipbio.evaluation.pictures import Album
from clipbio.evaluation.rejection import rates
from clipbio.evaluation.table import label
from clipbio.evaluation.taxon_consistent import TaxonConsistentDetail
from clipbio.evaluation.traits import TraitsDetail
from clipbio.evaluation.traits_panel import newt_panels, traits_panels
from clipbio.taxonomy import RANKS

__all__ = ["panels"]


def panels(details: Sequence[object], album: Album) -> list[Panel]:
    """Return the sections of all benchmarks that have curves."""
    return [
        *_key_query([one for one in details if isinstance(one, KeyQueryDetail)], album),
        *_open_set([one for one in details if isinstance(one, OpenSetDetail)], album),
        *_taxon_consistent([one for one in details if isinstance(one, TaxonConsistentDetail)], album),
        *hierarchy_panels([one for one in details if isinstance(one, HierarchyDetail)], album),
        *newt_panels([one for one in details if isinstance(one, NewtDetail)], album),
        *traits_panels([one for one in details if isinstance(one, TraitsDetail)], album),
        *describe_panels([one for one in details if isinstance(one, DescribeDetail)], album),
        *verify_panels([one for one in details if isinstance(one, VerifyDetail)], album),
        *grounding_panels([one for one in details if isinstance(one, GroundingDetail)], album),
    ]


def _key_query(details: Sequence[KeyQueryDetail], album: Album) -> list[Panel]:
    """Return one plot per split of how far up the tree the first answers are wrong."""
    plots = []
    for task, split in dict.fromkeys((one.task, one.split) for one in details):
        shown = [one for one in details if (one.task, one.split) == (task, split) and len(one.correct_QR)]
        if shown:
            caption = f"{split}: deepest rank that is right"
            plots.append((caption, album.plot(f"{task}-{split}", error_plot(shown), f"{label(task)}, {caption}")))
    note = "The nearest keys of queries with a label at the deepest rank: how much of their names is right."
    return [Panel("Nearest keys: how much is right", note, plots, wide=True)] if plots else []


def _open_set(details: Sequence[OpenSetDetail], album: Album) -> list[Panel]:
    found = []
    for split in dict.fromkeys(one.split for one in details):
        plots = []
        for score in dict.fromkeys(one.score for one in details if one.split == split):
            shown = [one for one in details if (one.split, one.score) == (split, score)]
            for name, accepted in (("ROC", 0), ("OSCR", 1)):
                y_label = "known accepted, %" if name == "ROC" else "known accepted and right, %"
                content = line_plot(
                    [_rate_line(one, accepted) for one in shown],
                    x_label="unknown accepted, %",
                    y_label=y_label,
                    diagonal=name == "ROC",
                )
                caption = f"{name}, score: {score}"
                alt = f"{caption}, open set on {split}"
                plots.append((caption, album.plot(f"open-set-{split}-{name.lower()}-{score}", content, alt)))
        rules = "; ".join(dict.fromkeys(one.rule for one in details if one.split == split))
        note = f"Known queries have a key of their taxon, unknown ones have none. Dot: the threshold ({rules})."
        found.append(Panel(f"Open set: {split}", f"{note} Queries of one score are accepted together.", plots))
    return found


def _rate_line(detail: OpenSetDetail, which: int) -> Line:
    accepted = rates(detail.counts)
    chosen = None
    if detail.threshold is not None:
        place = int(np.count_nonzero(detail.counts.score_U >= detail.threshold))
        chosen = (float(accepted[2][place]), float(accepted[which][place]))
    return Line(label(detail.pair), accepted[2], accepted[which], chosen)


def _taxon_consistent(details: Sequence[TaxonConsistentDetail], album: Album) -> list[Panel]:
    if not details:
        return []
    plots = []
    for split in dict.fromkeys(one.split for one in details):
        lines = [
            Line(label(one.pair), one.curve.depth_C.numpy(), one.curve.right_C.numpy(), one.chosen)
            for one in details
            if one.split == split
        ]
        content = line_plot(
            lines,
            x_label="mean depth of the answers",
            y_label="right answers, %",
            x_names=("root", *RANKS),
        )
        caption = f"Accuracy against depth: {split}"
        plots.append((caption, album.plot(f"depth-{split}", content, caption)))
    note = (
        "Each point is a confidence below which answers back off to the taxon above. Dot: the confidence chosen on "
        f"validation, where it goes deepest with {100 * details[0].accuracy:g} % right answers."
    )
    return [Panel("Taxon-consistent prediction", note, plots)]
