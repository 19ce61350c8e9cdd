"""The points of a sweep while it runs: what became of each before, and one table of all."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from rich.console import Console

from clipbio.errors import ClipbioError
from clipbio.evaluation.sweep import Sweep
from clipbio.evaluation.sweep_table import sweep_table, write_sweep_tables
from clipbio.tasks.sweep_points import objective, read_sweep, run_folders, score
from clipbio.tasks.sweep_start import CurrentSweep, current_sweep
from clipbio.training.run import RunFolder

__all__ = ["evaluated_before", "met_before", "sum_up", "tell_how_far", "told", "write_sweep"]

_BEFORE = {"finished": "finished before", "pruned": "pruned before"}


def met_before(config: Mapping[str, Any]) -> dict[str, float] | None:
    """Say what becomes of a point; return the figures of one that is done, None if there is something to do.

    A pruned point is done for the search that pruned it, and is whole work for any other sweep.
    """
    folder = RunFolder(Path(config["run_dir"]).expanduser())
    state = str(folder.status.get("state", ""))
    if state == "finished" or (state == "pruned" and config.get("pruning")):
        value = score(folder.path, config)
        told(f"{_BEFORE[state]}{_valued(config, value)}")
        return {} if value is None else {objective(config): value}
    if not state:
        told("starts")
    elif folder.last.exists():
        told(f"{state} before: goes on from its checkpoint")
    else:
        told(f"{state} before: starts anew")
    return None


def evaluated_before(config: Mapping[str, Any]) -> bool:
    """Tell, and say, whether the evaluation is finished that has given the folder its name."""
    if RunFolder(Path(config["run_dir"]).expanduser()).status.get("state") != "finished":
        return False
    told(_BEFORE["finished"])
    return True


def told(what: str, config: Mapping[str, Any] | None = None) -> None:
    """Print one line about the point of this job; `config` adds how well it did."""
    job = HydraConfig.get()
    overrides = [str(one) for one in job.overrides.task]
    sweep = current_sweep()
    keys = () if sweep is None else sweep.keys
    varied = [one for one in overrides if one.partition("=")[0].lstrip("+") in keys]
    count = "" if sweep is None or sweep.points is None else f" of {sweep.points}"
    value = "" if config is None else _valued(config, score(Path(config["run_dir"]).expanduser(), config))
    sys.stdout.write(f"{job.job.num + 1}{count} · {' '.join(varied or overrides)}: {what}{value}\n")
    sys.stdout.flush()


def _valued(config: Mapping[str, Any], value: float | None) -> str:
    return "" if value is None else f", {objective(config)} {value:.4g}"


def tell_how_far(sweep: CurrentSweep) -> None:
    """Print how many points of a sweep that is stopped are finished."""
    folders = run_folders(sweep.folder)
    if folders:
        states = [RunFolder(path).status.get("state") for path in folders]
        many = f" of {sweep.points}" if sweep.points is not None else ""
        sys.stdout.write(
            f"{states.count('finished')}{many} points are finished in {sweep.folder}; the same command goes on\n"
        )


def sum_up(sweep: CurrentSweep) -> None:
    """Write and print the table of a sweep; one without points has none."""
    if not run_folders(sweep.folder):
        return
    try:
        points = read_sweep(sweep.folder)
        Console().print(sweep_table(points))
        sys.stdout.write(f"written to {write_sweep(sweep.folder, points, title=sweep.folder.name)}\n")
    except ClipbioError as error:
        sys.stderr.write(f"clipbio: there is no table of the sweep: {error}\n")


def write_sweep(folder: Path, sweep: Sweep, *, title: str) -> Path:
    """Write table and plot of a sweep into a folder; return the path of `sweep.md`."""
    from clipbio.evaluation.sweep_plot import sweep_plot  # late: it loads Matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    picture = sweep_plot(sweep)
    if picture is not None:
        (folder / "sweep.png").write_bytes(picture)
    return write_sweep_tables(folder, sweep, title=title, picture="" if picture is None else "sweep.png")
