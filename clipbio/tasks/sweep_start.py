"""A sweep of this process: what it varies, and one table of all its points at the end.

Every command comes through here, so that what reads points is imported only where there are some.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback

from clipbio.errors import ClipbioError

__all__ = ["CurrentSweep", "SweepStart", "check_swept", "current_sweep", "summed_up"]


@dataclass(frozen=True)
class CurrentSweep:
    """What this process sweeps over; `points` is None where nobody can count them."""

    folder: Path
    keys: tuple[str, ...]
    points: int | None


_current: CurrentSweep | None = None


def current_sweep() -> CurrentSweep | None:
    """Return the sweep of this process; None in a run alone, and in a process that a launcher started elsewhere."""
    return _current


def check_swept(overrides: Sequence[str]) -> None:
    """Refuse several values of a setting that decides how a run is computed, not what: its points would be one folder.

    Raises:
        ClipbioError: There is such a setting.
    """
    for one in OverridesParser.create().parse_overrides(list(overrides)):
        if one.is_sweep_override():
            from clipbio.training.run import is_volatile  # late: it loads torch, of which a lone run's help has no need

            if is_volatile(key := one.get_key_element()):
                raise ClipbioError(
                    f"{key} has several values, but does not decide what is computed: all points would be one run, "
                    "done once. Give one value, or each its own run_dir, without -m"
                )


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
        _current = CurrentSweep(Path(str(config.hydra.sweep.dir)), tuple(dict.fromkeys(keys)), points)


@contextmanager
def summed_up() -> Iterator[None]:
    """Write the table of a sweep at its end; one that is stopped tells how far it is."""
    global _current
    try:
        try:
            yield
        except (Exception, SystemExit):
            if _current is not None:
                _points().sum_up(_current)
            raise
        except BaseException:
            if _current is not None:
                _points().tell_how_far(_current)
            raise
        if _current is not None:
            _points().sum_up(_current)
    finally:
        _current = None


def _points() -> Any:
    from clipbio.tasks import sweep

    return sweep
