"""A sweep while it runs: which point this is, what became of it before, and one table of all at the end."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback

from clipbio.errors import ClipbioError
from clipbio.tasks.sweep_points import objective, read_sweep, run_folders, score
from clipbio.training.run import RunFolder

__all__ = ["SweepStart", "met_before", "summed_up", "told", "write_sweep"]

_BEFORE = {"finished": "finished before", "pruned": "pruned before"}


@dataclass
class _Current:
    """The sweep of this process."""

    folder: Path
    keys: tuple[str, ...]
    points: int | None


_current: _Current | None = None


class SweepStart(Callback):
    """Take note of a sweep of training runs: its folder, what it varies and how many points it has."""

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Look at what was asked for."""
        global _current
        if config.hydra.job.config_name != "train":
            return
        sweeper = config.hydra.sweeper
        given = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
        parsed = OverridesParser.create().parse_overrides([*given, *config.hydra.overrides.task])
        # What stands on the command line counts instead of what the config says of the same setting.
        final = {one.get_key_element(): one for one in parsed}
        varied = {key: one for key, one in final.items() if one.is_sweep_override()}
        keys = (*(str(key) for key in sweeper.get("space") or {}), *varied)
        points = sweeper.get("trials")
        if points is None and all(one.is_discrete_sweep() for one in varied.values()):
            points = math.prod(len(list(one.sweep_string_iterator())) for one in varied.values())
        _current = _Current(Path(str(config.hydra.sweep.dir)), tuple(dict.fromkeys(keys)), points)


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


def told(what: str, config: Mapping[str, Any] | None = None) -> None:
    """Print one line about the point of this job; `config` adds how well it did."""
    job = HydraConfig.get()
    overrides = [str(one) for one in job.overrides.task]
    keys = () if _current is None else _current.keys
    varied = [one for one in overrides if one.partition("=")[0].lstrip("+") in keys]
    count = "" if _current is None or _current.points is None else f" of {_current.points}"
    value = "" if config is None else _valued(config, score(Path(config["run_dir"]).expanduser(), config))
    sys.stdout.write(f"{job.job.num + 1}{count} · {' '.join(varied or overrides)}: {what}{value}\n")
    sys.stdout.flush()


def _valued(config: Mapping[str, Any], value: float | None) -> str:
    return "" if value is None else f", {objective(config)} {value:.4g}"


@contextmanager
def summed_up() -> Iterator[None]:
    """Write the table of a sweep at its end; one that is stopped tells how far it is."""
    global _current
    try:
        yield
        _sum_up()
    except (Exception, SystemExit):
        _sum_up()
        raise
    except BaseException:
        if _current is not None and run_folders(_current.folder):
            states = [RunFolder(path).status.get("state") for path in run_folders(_current.folder)]
            many = f" of {_current.points}" if _current.points is not None else ""
            sys.stdout.write(
                f"{states.count('finished')}{many} points are finished in {_current.folder}; the same command goes on\n"
            )
        raise
    finally:
        _current = None


def _sum_up() -> None:
    if _current is None or not run_folders(_current.folder):
        return
    from rich.console import Console

    from clipbio.evaluation.sweep_table import sweep_table

    try:
        sweep = read_sweep(_current.folder)
        Console().print(sweep_table(sweep))
        sys.stdout.write(f"written to {write_sweep(_current.folder, sweep, title=_current.folder.name)}\n")
    except ClipbioError as error:
        sys.stderr.write(f"clipbio: there is no table of the sweep: {error}\n")


def write_sweep(folder: Path, sweep: Any, *, title: str) -> Path:
    """Write table and plot of a sweep into a folder; return the path of `sweep.md`."""
    from clipbio.evaluation.sweep_plot import sweep_plot
    from clipbio.evaluation.sweep_table import write_sweep_tables

    folder.mkdir(parents=True, exist_ok=True)
    picture = sweep_plot(sweep)
    if picture is not None:
        (folder / "sweep.png").write_bytes(picture)
    return write_sweep_tables(folder, sweep, title=title, picture="" if picture is None else "sweep.png")
