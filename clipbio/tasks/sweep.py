"""After a sweep: one table of all its runs."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from clipbio.text import TEXT_TYPES

__all__ = ["SweepSummary", "summarise"]

log = logging.getLogger(__name__)


class SweepSummary(Callback):
    """Write `matrix.md` and `matrix.csv` into the parent folder of a sweep of training runs."""

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Summarise what the jobs left."""
        if config.hydra.job.config_name == "train":
            summarise(Path(str(config.hydra.sweep.dir)))


def summarise(folder: Path) -> Path | None:
    """Write how each run of a sweep does on each text type; return the table, None if no run is finished."""
    from clipbio.evaluation.matrix import write_matrix
    from clipbio.files import read_json
    from clipbio.training.run import RunFolder, config_difference

    runs = [
        RunFolder(path.parent)
        for path in sorted(folder.glob("*/metrics.json"))
        if (path.parent / "config.yaml").exists()
    ]
    if not runs:
        return None
    configs = [run.config() for run in runs]
    varied = {line.partition(":")[0] for config in configs[1:] for line in config_difference(configs[0], config)}
    metrics = [read_json(run.path / "metrics.json") for run in runs]
    rows = sorted(zip([_name(config, varied) for config in configs], metrics, strict=True), key=_place)
    splits = sorted({key.split("/")[1] for one in metrics for key in one if key.startswith("zero_shot/")})
    table, data = write_matrix(folder, rows, splits=splits)
    sys.stdout.write(table.read_text(encoding="utf-8") + f"\nwritten to {table} and {data}\n")
    return table


def _place(row: tuple[str, Any]) -> tuple[int, str]:
    """Order rows as text types are listed, mixtures last."""
    regime = row[0].partition(",")[0]
    return (TEXT_TYPES.index(regime) if regime in TEXT_TYPES else len(TEXT_TYPES), row[0])


def _name(config: Any, varied: set[str]) -> str:
    """Name a run by its text regime and by what else was varied; runs that differ in the seed alone are repeats."""
    name, stream = next(iter(config["data"]["streams"].items()))
    text = stream["text"]
    weights = {name: weight for name, weight in text["weights"].items() if weight}
    regime = next(iter(weights)) if len(weights) == 1 else "mixed"
    others = sorted(
        key
        for key in varied
        if not key.startswith(("text.", f"data.streams.{name}.text.")) and key.rpartition(".")[2] != "seed"
    )
    return ", ".join([regime, *(f"{key}={_at(config, key)}" for key in others)])


def _at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return config
