"""The end of a run: numbers, report, and what a person sees on the console."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from clipbio.data.datamodule import SpecimenData
from clipbio.data.roots import shown
from clipbio.evaluation.console import console_table
from clipbio.evaluation.report import write_report
from clipbio.files import write_json
from clipbio.models import MultiTower
from clipbio.tasks.parts import describe_streams, thumbnails
from clipbio.training.loggers import read_history
from clipbio.training.run import RunFolder
from clipbio.training.validation import Validation

__all__ = ["finish_run"]


def finish_run(
    folder: RunFolder,
    *,
    title: str,
    config: Mapping[str, Any],
    data: SpecimenData,
    model: MultiTower,
    validation: Validation,
    checkpoint: Path | None,
    facts: Mapping[str, object],
    console: Console,
) -> None:
    """Write `metrics.json` and the report, and print the result table and the path of the page."""
    metrics = dict(sorted(validation.result.metrics.items()))
    write_json(folder.path / "metrics.json", metrics)
    skipped = {f"skipped in {name}": len(ids) for name, ids in validation.skipped.items()}
    page = write_report(
        folder.path,
        title=title,
        summary={
            "Run": {"checkpoint": checkpoint.name if checkpoint else "none: the pretrained model", **facts},
            "Settings": _settings(config),
            "Data": {
                "folder": shown(data.root or "the virtual herbarium"),
                **{f"specimens in {name}": len(split) for name, split in data.splits.items()},
                **skipped,
            },
            "Streams": {
                name: f"{share} rows, {specimens} specimens, {regime}; projection {projection}, {sampling} sampling"
                for name, (share, specimens, regime, projection, sampling) in describe_streams(data).items()
            },
            "Model": {
                f"{count.tower} tower": f"{count.total:,} parameters, {count.trainable:,} trained"
                for count in model.summary()
            },
        },
        metrics=metrics,
        history=read_history(folder.metrics_log),
        results=[validation.result],
        thumbnail=thumbnails(data, [split.name for split in validation.splits]),
    )
    console.print(console_table(metrics))
    for name, ids in validation.skipped.items():
        for id_, reason in list(ids.items())[:10]:
            console.print(f"skipped in {name}: {id_}: {reason}", markup=False)
    console.print(f"report: {page}", markup=False, soft_wrap=True)


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
