"""Results as files of CLIP_benchmark (https://github.com/LAION-AI/CLIP_benchmark), one per data set and task.

Its `build` joins such files to a table. Ours hold more: counts, intervals, hashes, versions; and never NaN.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbio.evaluation.figures import Figure, parse
from clipbio.evaluation.protocols import PROTOCOLS
from clipbio.files import write_json
from clipbio.taxonomy import stable_hash

__all__ = ["FOLDER", "clip_benchmark_results", "write_clip_benchmark"]

FOLDER = "clip_benchmark"
LANGUAGE = "en"
_LONGEST = 180
# Task of ours: task of CLIP_benchmark, and its names of our metrics.
_TASKS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "zero_shot": ("zeroshot_classification", {"top1": "acc1", "top5": "acc5", "macro_top1": "mean_per_class_recall"}),
    "linear_probe": ("linear_probe", {"top1": "lp_acc1", "top5": "lp_acc5", "macro_top1": "lp_mean_per_class_recall"}),
}
_RETRIEVAL = {"text_to_image": "image_retrieval_", "image_to_text": "text_retrieval_"}


def clip_benchmark_results(
    metrics: Mapping[str, float],
    *,
    data: str,
    model: str,
    pretrained: str,
    about: Mapping[str, Any],
    sets: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Return one result per split and variant of zero-shot classification and probes, and per split of retrieval.

    Args:
        metrics: The flat numbers of metrics.json.
        data: Name of the data; that of the split, of the variant and of a protocol follow after slashes.
        model: Name of the model.
        pretrained: Name of its weights.
        about: What every file says beside its figures.
        sets: Published data sets, whose splits carry their names (`nabirds`, `newt_test`) and need no other.
    """
    groups: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in parse(metrics):
        if figure.value is None or figure.n is None or not (place := _place(figure)):
            continue
        task, where, name = place
        is_set = any(figure.split == one or figure.split.startswith(f"{one}_") for one in sets)
        dataset = "/".join(filter(None, ("" if is_set else data, *where)))
        groups.setdefault((task, dataset), {})[name] = figure
    return [
        {
            "dataset": dataset,
            "model": model,
            "pretrained": pretrained,
            "task": task,
            "language": LANGUAGE,
            **_numbers(figures),
            **about,
        }
        for (task, dataset), figures in groups.items()
    ]


def _place(figure: Figure) -> tuple[str, Sequence[str], str] | None:
    """Return CLIP_benchmark's task, what names the data set, and its name of the metric; None if it has none."""
    task, protocol = _protocol(figure.task)
    if task == "retrieval":
        recall = figure.metric.startswith("recall@") and figure.variant in _RETRIEVAL
        name = f"{_RETRIEVAL[figure.variant]}{figure.metric}" if recall else ""
        return ("zeroshot_retrieval", (figure.split, protocol), name) if recall else None
    if task not in _TASKS or figure.variant.endswith("_permuted") or figure.metric not in _TASKS[task][1]:
        return None
    return _TASKS[task][0], (figure.split, figure.variant, protocol), _TASKS[task][1][figure.metric]


def _protocol(task: str) -> tuple[str, str]:
    found = next((name for name in PROTOCOLS if task.endswith(f"_{name}")), "")
    return task.removesuffix(f"_{found}") if found else task, found


def _numbers(figures: Mapping[str, Figure]) -> dict[str, dict[str, Any]]:
    def pairs(low: str, high: str) -> dict[str, list[float]]:
        bounds = {name: [getattr(one, low), getattr(one, high)] for name, one in figures.items()}
        return {name: one for name, one in bounds.items() if None not in one}

    return {
        "metrics": {name: one.value for name, one in figures.items()},
        "n": {name: one.n for name, one in figures.items()},
        "chance": {name: one.chance for name, one in figures.items() if one.chance is not None},
        "intervals": pairs("low", "high"),
        "species_intervals": pairs("low_species", "high_species"),
    }


def write_clip_benchmark(folder: Path, results: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write results under CLIP_benchmark's names `{dataset}_{pretrained}_{model}_{language}_{task}.json`."""
    paths = []
    for one in results:
        parts = (one["dataset"], one["pretrained"], one["model"], one["language"], one["task"])
        stem = "_".join(re.sub(r"[^\w.@=+-]+", "-", str(part)).strip("-") for part in parts)
        if len(stem) > _LONGEST:
            stem = f"{stem[:_LONGEST]}-{stable_hash(stem):016x}"
        paths.append(folder / f"{stem}.json")
        write_json(paths[-1], one)
    return paths
