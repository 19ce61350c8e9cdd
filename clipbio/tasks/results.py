"""The end of a run: numbers, report, and what a person sees on the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from clipbio.data.datamodule import SpecimenData
from clipbio.data.roots import shown
from clipbio.evaluation.answer_files import ANSWERS, write_answers
from clipbio.evaluation.clip_benchmark_results import FOLDER, clip_benchmark_results, write_clip_benchmark
from clipbio.evaluation.console import console_table
from clipbio.evaluation.expected import expected_name
from clipbio.evaluation.figures import write_metrics
from clipbio.evaluation.given import GivenEmbeddings
from clipbio.evaluation.pictures import Thumbnail
from clipbio.evaluation.report import write_report
from clipbio.evaluation.run_results import EVALUATION
from clipbio.evaluation.species_intervals import with_species_intervals
from clipbio.files import write_json, write_text
from clipbio.models import MultiTower
from clipbio.tasks.asked import flag
from clipbio.tasks.embeddings import Measured
from clipbio.tasks.identity import evaluation_identity, hashes, measured
from clipbio.tasks.parts import describe_streams, thumbnails
from clipbio.tasks.suite_runs import OpenSuite
from clipbio.training.loggers import read_history
from clipbio.training.run import RunFolder

__all__ = ["finish_run"]


def finish_run(
    folder: RunFolder,
    *,
    title: str,
    config: Mapping[str, Any],
    data: SpecimenData | None,
    model: MultiTower | None,
    validation: Measured,
    checkpoint: Path | None,
    facts: Mapping[str, object],
    console: Console,
    suites: Sequence[OpenSuite] = (),
    given: GivenEmbeddings | None = None,
) -> None:
    """Write `metrics.json`, what stands behind it and the report; print the result table and the path of the page."""
    metrics = _metrics(config, validation)
    identity = evaluation_identity(
        config, data=data, model=model, validation=validation, checkpoint=checkpoint, suites=suites, given=given
    )
    _write_numbers(folder.path, metrics, identity, validation)
    skipped = {f"skipped in {name}": len(ids) for name, ids in validation.skipped.items()}
    page = write_report(
        folder.path,
        title=title,
        summary={
            "Run": {"checkpoint": checkpoint.name if checkpoint else "none: the pretrained model", **facts}
            | ({} if given is None else {"embeddings": f"given: {given.name}"}),
            "Settings": _settings(config),
            "Data": {**_data(data), **skipped},
            **{one.name: one.summary for one in suites},
            "Streams": {} if data is None else _streams(data),
            "Model": {
                f"{count.tower} tower": f"{count.total:,} parameters, {count.trainable:,} trained"
                for count in (() if model is None else model.summary())
            },
            "What was measured": measured(identity),
        },
        metrics=metrics,
        history=read_history(folder.metrics_log),
        results=[validation.result],
        thumbnail=_thumbnails(data, suites, validation),
        expected=expected_name(identity["model"], config.get("expected")),
    )
    console.print(console_table(metrics))
    for name, ids in validation.skipped.items():
        for id_, reason in list(ids.items())[:10]:
            console.print(f"skipped in {name}: {id_}: {reason}", markup=False)
    console.print(f"report: {page}", markup=False, soft_wrap=True)


def _data(data: SpecimenData | None) -> dict[str, object]:
    if data is None:
        return {}
    counts = {f"specimens in {name}": len(split) for name, split in data.splits.items()}
    return {"folder": shown(data.root or "the virtual herbarium"), **counts}


def _streams(data: SpecimenData) -> dict[str, str]:
    return {
        name: f"{share} rows, {specimens} specimens, {regime}; projection {projection}, {sampling} sampling"
        for name, (share, specimens, regime, projection, sampling) in describe_streams(data).items()
    }


def _thumbnails(data: SpecimenData | None, suites: Sequence[OpenSuite], validation: Measured) -> Thumbnail:
    """Return a function from a specimen's id to its image, whichever set it stands in."""
    found = [] if data is None else [thumbnails(data, [name for name in validation.splits if name in data.splits])]
    found += [thumbnails(one.data, one.splits) for one in suites]
    return lambda id_: next(filter(None, (find(id_) for find in found)), None)


def _metrics(config: Mapping[str, Any], validation: Measured) -> dict[str, float]:
    """Return the numbers of the benchmarks with intervals over species, which training always computes."""
    metrics, answers = validation.result.metrics, validation.result.answers
    if flag(config.get("species_intervals", True), "species_intervals"):
        metrics = with_species_intervals(metrics, answers, seed=int(config["seed"]))
    return dict(sorted(metrics.items()))


def _write_numbers(
    folder: Path, metrics: Mapping[str, float], identity: Mapping[str, Any], validation: Measured
) -> None:
    """Write all that other programs read, and the files of benchmarks."""
    write_metrics(folder / "metrics.json", metrics)
    write_json(folder / EVALUATION, identity)
    write_answers(folder / ANSWERS, validation.result.answers)
    for name, text in validation.result.files.items():
        write_text(folder / name, text)
    model = identity["model"]
    results = clip_benchmark_results(
        metrics,
        data=identity["data"]["root"] or "virtual",
        model=model["name"],
        pretrained=str(model["checkpoint"] or model["pretrained"] or "none"),
        about={key: identity[key] for key in ("seeds", "precision", "device", "protocol", "versions")}
        | {"hashes": hashes(identity)},
        sets=identity["suites"],
    )
    write_clip_benchmark(folder / FOLDER, results)


def _settings(config: Mapping[str, Any]) -> dict[str, object]:
    """Return the handful of settings that a reader asks for first."""
    wanted = ("name", "seed", "duration", "data.batch_size", "model.name", "loss.targets", "optim.lr")
    found: dict[str, object] = {}
    for key in wanted:
        node: Any = config
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        if node is not None:
            found[key] = node
    return found
