"""From the details of benchmarks to the sections of the report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.evaluation.pictures import Album, Picture
from clipbio.evaluation.plots import accuracy_plot, confusion_plot, curve_plot, finite_points
from clipbio.evaluation.retrieval import RetrievalDetail
from clipbio.evaluation.table import label
from clipbio.evaluation.zero_shot import ZeroShotDetail

__all__ = [
    "QuerySection",
    "TypeSection",
    "class_accuracy",
    "curves",
    "family_confusion",
    "query_section",
    "type_section",
]

_EXAMPLES = 6
_QUERIES = 4
_FAMILIES = 30
_LISTED = 10
_POINTS = 2000
OTHER, UNKNOWN = "other families", "family unknown"

# One panel each: title, unit, whether the axis starts at 0, and which logged keys belong to it.
_PANELS = (
    ("Loss", "", False, r".*loss"),
    ("Validation", "%", False, r"[a-z_]+/val[^/]*/[^/]+(?<!_permuted)/(top1|mAP|mean)"),
    ("Logit scale", "1 / temperature", False, r".*logit_scale"),
    ("Temperature", "", False, r".*temperature"),
    ("Learning rate", "", False, r"(.*[/_-])?(lr|learning_rate)([/_-].*)?"),
    ("Samples per second", "samples / s", True, r".*samples_per_second"),
    ("Waiting for data", "% of the time", True, r".*data_wait[a-z_]*"),
    ("Loss by type of text", "", False, r"monitor/loss/.*"),
    ("Repeated in a batch", "% of the rows", True, r"monitor/duplicates/.*"),
    ("Effective rank", "dimensions", True, r"monitor/effective_rank/.*"),
    ("Gap between modalities", "distance of the means", True, r"monitor/gap/.*"),
    ("Length before normalising", "", True, r"monitor/norm/.*"),
)


@dataclass(frozen=True, slots=True)
class Example:
    """One image with its right class, the given answer and the cosine of both."""

    id: str
    picture: Picture | None
    true: str
    predicted: str
    true_score: float
    score: float
    correct: bool


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class with its share of right answers."""

    name: str
    accuracy: float
    n: int


@dataclass(frozen=True)
class TypeSection:
    """Everything about one split and text type of zero-shot classification."""

    title: str
    num_classes: int
    accuracy: Picture
    easiest: list[ClassRow]
    hardest: list[ClassRow]
    confusion: Picture | None
    best: list[Example]
    worst: list[Example]


@dataclass(frozen=True)
class QuerySection:
    """Some text queries with the first images found."""

    split: str
    text_type: str
    queries: list[tuple[str, str, float, list[Example]]]


def curves(history: Sequence[Mapping[str, object]], album: Album) -> list[tuple[str, Picture]]:
    """Return one plot per kind of logged number that occurs."""
    keys = list(dict.fromkeys(key for entry in history for key in entry if key != "step"))
    plots = []
    for title, unit, from_zero, pattern in _PANELS:
        chosen = {key: finite_points(history, key) for key in keys if re.fullmatch(pattern, key)}
        scale = 100.0 if unit.startswith("%") else 1.0
        lines = {
            _curve_name(key): [(step, scale * value) for step, value in points[:: 1 + len(points) // _POINTS]]
            for key, points in chosen.items()
            if points
        }
        if lines:
            content = curve_plot(lines, unit=unit, from_zero=from_zero)
            plots.append((title, album.plot(f"curve-{title.lower()}", content, f"{title} over optimiser steps")))
    return plots


def _curve_name(key: str) -> str:
    parts = key.split("/")
    if parts[0] == "monitor":
        return "/".join(parts[2:])
    return f"{parts[1]}: {label(parts[2])}" if len(parts) >= 4 else key


def class_accuracy(detail: ZeroShotDetail) -> list[ClassRow]:
    """Return the accuracy of each class that has images, in class order."""
    count_C = torch.bincount(detail.class_N, minlength=len(detail.candidates))
    hits_C = torch.bincount(detail.class_N[detail.correct_N], minlength=len(detail.candidates))
    names = detail.candidates.names
    return [ClassRow(names[c], float(hits_C[c]) / int(n), int(n)) for c, n in enumerate(count_C.tolist()) if n]


def family_confusion(detail: ZeroShotDetail) -> tuple[list[str], NDArray[np.float64]]:
    """Return family names and counts_FF (true down, predicted across) of the answered images.

    Beyond the thirty families with most images, the rest is taken together.
    """
    families = [family or UNKNOWN for family in detail.candidates.families]
    answered = detail.predicted_N >= 0
    true = [families[c] for c in detail.class_N[answered].tolist()]
    predicted = [families[c] for c in detail.predicted_N[answered].tolist()]
    common = Counter(true) + Counter(dict.fromkeys(predicted, 0))
    kept = [name for name, _ in common.most_common(_FAMILIES)]
    names = sorted(kept) + ([OTHER] if set(true) | set(predicted) > set(kept) else [])
    place = {name: row for row, name in enumerate(names)}
    counts_FF = np.zeros((len(names), len(names)))
    for truth, answer in zip(true, predicted):
        counts_FF[place.get(truth, len(names) - 1), place.get(answer, len(names) - 1)] += 1
    return names, counts_FF


def _chosen(order: Tensor, class_N: Tensor, limit: int) -> list[int]:
    """Return the first rows in order, at most one per class, so that one class does not fill the gallery."""
    rows: dict[int, int] = {}
    for row in order.tolist():
        rows.setdefault(int(class_N[row]), row)
        if len(rows) == limit:
            break
    return list(rows.values())


def _example(detail: ZeroShotDetail, row: int, album: Album) -> Example:
    names = detail.candidates.names
    answer = int(detail.predicted_N[row])
    return Example(
        id=detail.ids[row],
        picture=album.specimen(detail.ids[row]),
        true=names[int(detail.class_N[row])],
        predicted=names[answer] if answer >= 0 else "no single best answer",
        true_score=float(detail.target_score_N[row]),
        score=float(detail.top_score_NK[row, 0]),
        correct=bool(detail.correct_N[row]),
    )


def _examples(detail: ZeroShotDetail, album: Album) -> tuple[list[Example], list[Example]]:
    """Return the right answers with the widest lead, and the wrong ones furthest ahead of the right class."""
    top = detail.top_score_NK
    lead_N = top[:, 0] - top[:, 1] if top.shape[1] > 1 else top[:, 0]
    miss_N = top[:, 0] - detail.target_score_N
    best_order = lead_N.masked_fill(~detail.correct_N, -torch.inf).argsort(descending=True, stable=True)
    worst_order = miss_N.masked_fill(detail.correct_N, -torch.inf).argsort(descending=True, stable=True)
    hits = int(detail.correct_N.sum())
    best = _chosen(best_order[:hits], detail.class_N, _EXAMPLES)
    worst = _chosen(worst_order[: len(worst_order) - hits], detail.class_N, _EXAMPLES)
    return [_example(detail, row, album) for row in best], [_example(detail, row, album) for row in worst]


def type_section(detail: ZeroShotDetail, album: Album) -> TypeSection:
    """Return accuracy by class, confusion by family and examples of one split and text type."""
    name = f"{detail.split}-{detail.text_type}"
    where = f"{detail.split}, {label(detail.text_type)}"
    rows = class_accuracy(detail)
    ranked = sorted(rows, key=lambda row: (-row.accuracy, row.name))
    accuracies = np.array([row.accuracy for row in rows])
    plot = accuracy_plot([row.name for row in rows], accuracies, chance=1 / len(detail.candidates))
    families, counts = family_confusion(detail)
    confusion = None
    if len(families) > 1:
        alt = f"Confusion by family: {where}"
        confusion = album.plot(f"confusion-{name}", confusion_plot(families, counts), alt)
    best, worst = _examples(detail, album)
    return TypeSection(
        title=label(detail.text_type),
        num_classes=len(rows),
        accuracy=album.plot(f"accuracy-{name}", plot, f"Accuracy by class: {where}"),
        easiest=ranked[:_LISTED] if len(ranked) >= 2 * _LISTED else [],
        hardest=ranked[: -_LISTED - 1 : -1] if len(ranked) >= 2 * _LISTED else [],
        confusion=confusion,
        best=best,
        worst=worst,
    )


def query_section(detail: RetrievalDetail, album: Album) -> QuerySection:
    """Return text queries evenly spaced from the best to the worst answered, with the first images found."""
    ranking, names = detail.ranking, detail.candidates.names
    order = ranking.precision_Q.argsort(descending=True, stable=True).tolist()
    places = np.linspace(0, len(order) - 1, min(_QUERIES, len(order))).round().astype(int)
    queries = []
    for query in (order[place] for place in places):
        wanted = int(detail.texts.class_T[query])
        found = [
            Example(
                id=detail.ids[item],
                picture=album.specimen(detail.ids[item]),
                true=names[int(detail.class_N[item])],
                predicted="",
                true_score=score,
                score=score,
                correct=int(detail.class_N[item]) == wanted,
            )
            for item, score in zip(ranking.top_QK[query].tolist(), ranking.top_score_QK[query].tolist())
        ]
        queries.append((detail.texts.texts[query], names[wanted], float(ranking.precision_Q[query]), found))
    return QuerySection(detail.split, label(detail.text_type), queries)


def shown_details(details: Iterable[object]) -> list[ZeroShotDetail]:
    """Return the zero-shot details worth a section: `SPLIT@all` only where `SPLIT` itself was not evaluated."""
    found = [detail for detail in details if isinstance(detail, ZeroShotDetail)]
    splits = {detail.split for detail in found}
    return [one for one in found if not one.split.endswith("@all") or one.split.removesuffix("@all") not in splits]
