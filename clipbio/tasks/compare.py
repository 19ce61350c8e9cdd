"""`python -m clipbio compare`: a leaderboard of evaluations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.console import Console

from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.comparison import chosen_keys, compared
from clipbio.evaluation.leaderboard_console import leaderboard_table
from clipbio.evaluation.leaderboard_files import write_files
from clipbio.evaluation.leaderboard_page import write_page
from clipbio.evaluation.run_results import RunResults, read_runs
from clipbio.evaluation.sweep_table import sweep_table
from clipbio.tasks.asked import report_folder, whole_number
from clipbio.tasks.sweep import write_sweep
from clipbio.tasks.sweep_points import is_sweep, read_sweep, run_folders
from clipbio.training.run import RunFolder

__all__ = ["compare"]

_CHOICES = {"unit": ("specimens", "species"), "other_data": ("refuse", "mark")}

log = logging.getLogger(__name__)


def compare(config: Mapping[str, Any]) -> None:
    """Print runs side by side, and write the page and the files of a leaderboard if asked.

    Args:
        config: Plain config of `conf/compare.yaml`.
    """
    _check(config)
    folders = [Path(one).expanduser() for one in _listed(config["runs"], "runs")]
    if len(folders) == 1 and is_sweep(folders[0]):
        return _compare_points(folders[0], config)
    runs = read_runs([run for folder in folders for run in _runs_of(folder)])
    patterns = config["metrics"]
    keys = chosen_keys(runs, None if patterns is None else _listed(patterns, "metrics"))
    if not keys:
        raise ClipbioError("these runs have no figures: evaluate them")
    board = compared(
        runs,
        keys,
        baseline=_baseline(config["baseline"], runs),
        expected=config["expected"],
        other_data=config["other_data"],
        unit=config["unit"],
        alpha=float(config["alpha"]),
        resamples=config["resamples"],
        seed=whole_number(config["seed"], "seed"),
    )
    out = report_folder(config["out"])
    console = Console()
    console.print(leaderboard_table(board))
    if out is not None:
        write_files(out, board)
        finder = _thumbnails(runs) if config["pictures"] else None
        page = write_page(out, board, title="Leaderboard", thumbnail=finder, pictures=config["pictures"])
        console.print(f"leaderboard: {page}", markup=False, soft_wrap=True)


def _compare_points(folder: Path, config: Mapping[str, Any]) -> None:
    """Print the points of a sweep, finished or not, and write their table and plot if asked."""
    patterns = config["metrics"]
    sweep = read_sweep(folder)
    if patterns is not None:
        known = list(dict.fromkeys(key for point in sweep.points for key in point.figures))
        found = [key for one in _listed(patterns, "metrics") for key in known if fnmatchcase(key, one)]
        if not found:
            raise ClipbioError(f"no figure of these runs is called {', '.join(_listed(patterns, 'metrics'))}")
        sweep = read_sweep(folder, found)
    console = Console()
    console.print(sweep_table(sweep))
    out = report_folder(config["out"])
    if out is not None:
        page = write_sweep(out, sweep, title=folder.resolve().name)
        console.print(f"table and plot: {page}", markup=False, soft_wrap=True)


def _runs_of(folder: Path) -> list[Path]:
    """Return a run itself, and of a sweep the runs that have figures."""
    if not is_sweep(folder):
        return [folder]
    return [run for run in run_folders(folder) if (run / "metrics.json").exists()]


def _check(config: Mapping[str, Any]) -> None:
    for key, known in _CHOICES.items():
        if config[key] not in known:
            raise ClipbioError(f"{key}={config[key]} is unknown; valid are: {', '.join(known)}")
    alpha = config["alpha"]
    if not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise ClipbioError(f"alpha={alpha} must lie between 0 and 1")
    for key in ("resamples", "pictures"):
        if whole_number(config[key], key) < 0:
            raise ClipbioError(f"{key}={config[key]} must not be negative")


def _listed(value: Any, key: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ClipbioError(f"{key} is empty: give at least one")
    return [str(one) for one in values]


def _baseline(asked: Any, runs: list[RunResults]) -> str | None:
    """Return the name of the run that is meant: its folder, or the name by which it is shown."""
    if asked is None:
        return None
    path = Path(str(asked)).expanduser().resolve()
    name = next((run.name for run in runs if run.folder == path or run.name == str(asked)), None)
    if name is None:
        names = [run.name for run in runs]
        raise ClipbioError(f"baseline={asked} is none of the runs ({', '.join(names)}){nearest(str(asked), names)}")
    return name


def _thumbnails(runs: list[RunResults]) -> Callable[[str], bytes | None] | None:
    """Return what finds the picture of a specimen through the first run whose data are still there."""
    from clipbio.distributed import World
    from clipbio.tasks.parts import build_data, thumbnails

    for run in runs:
        try:
            data = build_data(RunFolder(run.folder).config(), World())
            return thumbnails(data, list(data.splits))
        except (ClipbioError, KeyError) as error:
            log.info("no pictures through %s: %s", run.name, error)
    return None
