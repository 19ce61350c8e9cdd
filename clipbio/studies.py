"""Studies of optuna as journal files: many processes of many machines may share one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbio.errors import ClipbioError, nearest
from clipbio.seeding import derive_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study

__all__ = ["distribution", "open_study", "sampler"]

_NAME = "sweep"
SAMPLERS = ("random", "tpe")
_RANGE = {"low", "high", "log", "step", "integer"}


def open_study(path: str | Path, *, mode: str, pruner: Mapping[str, Any] | None = None) -> Study:
    """Open a study, or begin it.

    Args:
        path: Its journal, an append-only file.
        mode: `max` or `min`.
        pruner: `{kind: median, runs: R, percent: P}`: a run is given up where its best figure is below the median of
            the others at that point, once R runs are finished and it is P percent through. None gives up none.

    Raises:
        ClipbioError: optuna is missing, or the pruner is unknown.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise ClipbioError("searches need optuna: pip install 'clipbio[optuna]'") from error
    optuna.logging.set_verbosity(logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(path)))
    with contextlib.suppress(KeyError):
        # Each creation, also of a study that exists, is a line of the journal, which every reader goes through.
        return optuna.load_study(study_name=_NAME, storage=storage, pruner=_pruner(pruner))
    return optuna.create_study(
        storage=storage,
        study_name=_NAME,
        direction="minimize" if mode == "min" else "maximize",
        pruner=_pruner(pruner),
        load_if_exists=True,
    )


def _pruner(settings: Mapping[str, Any] | None) -> BasePruner:
    from optuna.pruners import MedianPruner, NopPruner

    if not settings:
        return NopPruner()
    known = {"kind", "runs", "percent"}
    if unknown := [key for key in settings if key not in known]:
        raise ClipbioError(f"prune.{unknown[0]} is no setting{nearest(unknown[0], known)}")
    if settings.get("kind", "median") != "median":
        raise ClipbioError(f"prune.kind={settings['kind']} is unknown; valid are: median")
    return MedianPruner(n_startup_trials=int(settings.get("runs", 4)), n_warmup_steps=int(settings.get("percent", 25)))


def sampler(kind: str, *, seed: int, number: int, first: int = 8) -> BaseSampler:
    """Return what draws trial `number`: a pure function of the seed, the number and the trials so far.

    A sampler with a state of its own would begin anew, and draw the same points again, when a search is continued.

    Args:
        kind: `tpe` (tree-structured Parzen estimator) or `random`.
        seed: Seed of the search.
        number: Which trial is drawn.
        first: Trials that `tpe` draws at random before it learns.
    """
    from optuna.samplers import RandomSampler, TPESampler

    if kind not in SAMPLERS:
        raise ClipbioError(f"sampler={kind} is unknown{nearest(kind, SAMPLERS)}")
    draw = derive_seed("search", seed, number) % 2**32
    if kind == "random":
        return RandomSampler(seed=draw)
    return TPESampler(seed=draw, n_startup_trials=first, multivariate=True, constant_liar=True)


def distribution(key: str, values: Any) -> BaseDistribution:
    """Return what a setting is drawn from: `[a, b, c]`, or `{low: 1e-4, high: 1e-2, log: true}`.

    `integer: true` draws whole numbers; `step` draws multiples of it above `low`.

    Raises:
        ClipbioError: The space is none of these.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, list) and values:
        return CategoricalDistribution(values)
    if not isinstance(values, Mapping) or not {"low", "high"} <= set(values):
        raise ClipbioError(f"space of {key}: give a list, or {{low: ..., high: ..., log: true}}, not {values}")
    if unknown := sorted(set(values) - _RANGE):
        raise ClipbioError(f"space of {key}: {unknown[0]} is no setting{nearest(unknown[0], _RANGE)}")
    low, high, log = values["low"], values["high"], bool(values.get("log", False))
    try:
        if values.get("integer"):
            return IntDistribution(int(low), int(high), log=log, step=int(values.get("step") or 1))
        step = values.get("step")
        return FloatDistribution(float(low), float(high), log=log, step=None if step is None else float(step))
    except ValueError as error:
        raise ClipbioError(f"space of {key}: {error}") from error
