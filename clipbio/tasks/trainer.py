"""The Trainer of a run: its clock, callbacks, loggers and strategy."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from clipbio.config import instantiate
from clipbio.data.datamodule import SpecimenData
from clipbio.tasks.attempt import Attempt
from clipbio.training.atomic_checkpoints import AtomicCheckpoints
from clipbio.training.base import TrainingModule
from clipbio.training.best_checkpoints import BestCheckpoints
from clipbio.training.callbacks import LearningRates, SkippedGuard, Throughput
from clipbio.training.durations import Duration, RunLength
from clipbio.training.finite import FiniteSteps
from clipbio.training.last_checkpoint import LastCheckpoint, wall_seconds
from clipbio.training.loggers import JsonLinesLogger
from clipbio.training.pace import PLAN, Pace
from clipbio.training.progress import RunProgressBar
from clipbio.training.progress_report import ProgressReport
from clipbio.training.pruning import TrialReport
from clipbio.training.stopping import GracefulStop
from clipbio.training.strategy import ShardedStrategy, WholeValidation

__all__ = ["build_trainer", "quieten_lightning", "steps_of", "validation_interval"]

Config = Mapping[str, Any]
# Warnings of Lightning about what is meant: streams deal out their own batches, frozen parts stay in eval mode, and a
# Slurm job without the `srun` it needs is refused by us.
_MEANT = (
    ".*`IterableDataset` has `__len__` defined.*",
    r".*module\(s\) in eval mode.*",
    ".*does not have many workers.*",
    ".*treespec.*is deprecated.*",
    ".*Total length of `list` across ranks is zero.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*resuming from a checkpoint that ended.*",
    ".*The `srun` command is available on your system but is not used.*",
    ".*FSDP2-wrapped module .* returned a view tensor.*",
)


def quieten_lightning() -> None:
    """Leave the console to what a person should read."""
    for message in _MEANT:
        warnings.filterwarnings("ignore", message)
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def build_trainer(
    config: Config, data: SpecimenData, module: TrainingModule, attempt: Attempt, *, sharded: bool
) -> pl.Trainer:
    """Return the Trainer of a planned run.

    Args:
        config: Config of the run.
        data: Its data, with the length of the run.
        module: What is trained.
        attempt: Where the run is written, by which process, and what may stop it.
        sharded: Whether weights are sharded over processes.
    """
    steps, world, folder = data.steps, attempt.world, attempt.folder
    loggers = [JsonLinesLogger(folder.metrics_log)]
    loggers += [instantiate(item, f"logger.{name}") for name, item in (config["logger"] or {}).items()]
    settings = {key: value for key, value in config["trainer"].items() if key != "_target_"}
    devices, strategy = settings.pop("devices"), settings.pop("strategy")
    trainer = pl.Trainer(
        **settings,
        strategy=ShardedStrategy(world.size) if sharded else strategy,
        devices=world.local_size if world.size > 1 else devices,
        num_nodes=max(1, world.size // world.local_size),
        max_steps=steps,
        max_epochs=-1,
        val_check_interval=validation_interval(config, module.length) * data.batches_per_step,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=int(config["log_every"]),
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=bool(config["progress"]),
        callbacks=_callbacks(config, data, module, attempt, sharded=sharded),
        logger=loggers,
        plugins=[AtomicCheckpoints(attempt.saved, asynchronous=bool(config["checkpoint"]["asynchronous"]))],
        default_root_dir=str(folder.path),
    )
    # Lightning's handlers exchange messages between processes from within a signal, which may block for good.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def _callbacks(
    config: Config, data: SpecimenData, module: TrainingModule, attempt: Attempt, *, sharded: bool
) -> list[Callback]:
    folder, kept = attempt.folder, config["checkpoint"]
    seconds = wall_seconds(kept["every"])
    last = LastCheckpoint(
        folder.last,
        every=None if seconds is not None else steps_of("checkpoint.every", kept["every"], module.length),
        seconds=seconds,
        keep_every=steps_of("checkpoint.keep_every", kept["keep_every"], module.length) if kept["keep_every"] else None,
    )
    callbacks: list[Callback] = [
        *([WholeValidation()] if sharded else []),
        Throughput(),
        Pace(folder.path / PLAN),
        LearningRates(),
        ProgressReport(attempt.status),
        SkippedGuard(
            total=sum(map(len, data.train_parts)),
            max_share=data.max_skipped_share,
            path=folder.path / "skipped.jsonl",
        ),
    ]
    if config["max_nonfinite_steps"] is not None:
        callbacks.append(FiniteSteps(int(config["max_nonfinite_steps"])))
    if module.validation is not None:
        callbacks.append(
            BestCheckpoints(
                folder.best,
                monitor=str(kept["monitor"]),
                mode=str(kept["mode"]),
                keep=int(kept["keep"]),
            )
        )
    # After the best one: what continues the run must know the scores so far.
    callbacks += [last, GracefulStop(folder.last, attempt.signals)]
    if config["pruning"]:
        monitor = str(config["optimized_metric"] or config["checkpoint"]["monitor"])
        callbacks.append(TrialReport(**config["pruning"], monitor=monitor, mode=str(config["checkpoint"]["mode"])))
    if config["progress"]:
        callbacks.append(RunProgressBar(leave=True))
    if config["monitors"]:
        callbacks.append(instantiate(config["monitors"], "monitors"))
    extra = config["callbacks"] or {}
    return callbacks + [instantiate(item, f"callbacks.{name}") for name, item in extra.items() if item]


def validation_interval(config: Config, length: RunLength) -> int:
    """Return after how many steps a validation follows: evenly spread, so that the last step has one."""
    total = length.total_steps or 1
    count = -(-total // steps_of("validation.every", config["validation"]["every"], length))
    return max(1, total // count)


def steps_of(key: str, text: str, length: RunLength) -> int:
    """Return a duration in steps, at most the whole run."""
    steps = Duration.parse(text, key).steps(length)
    return min(max(1, steps), length.total_steps or steps)
