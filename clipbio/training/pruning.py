"""Early ends of the runs of a search: each validation is told to its study, which may give the run up."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from clipbio.distributed import broadcast
from clipbio.errors import Pruned
from clipbio.studies import open_study

__all__ = ["TrialReport"]


class TrialReport(Callback):
    """Tell a study the figure of each validation, by how many percent of the run are done; end the run if it says so.

    Args:
        study: Path of the study's journal.
        trial: Number of this run in it.
        monitor: Name of the figure.
        pruner: What decides: `{kind: median, runs: 4, percent: 25}`, see `clipbio.studies.open_study`.
        mode: `max` or `min`.
    """

    def __init__(self, *, study: str, trial: int, monitor: str, pruner: dict[str, Any], mode: str) -> None:
        self.study = study
        self.trial = trial
        self.monitor = monitor
        self.pruner = pruner
        self.mode = mode

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report, and stop on all processes together.

        Raises:
            Pruned: Runs before this one were better at this point.
        """
        value = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or value is None:
            return
        percent = round(100 * trainer.global_step / trainer.max_steps)
        gives_up = trainer.is_global_zero and percent < 100 and self._is_poor(float(value), percent)
        if broadcast(gives_up):
            raise Pruned(f"worse than others at step {trainer.global_step} of {trainer.max_steps}")

    def _is_poor(self, value: float, percent: int) -> bool:
        import optuna

        study = open_study(self.study, mode=self.mode, pruner=self.pruner)
        known = study.get_trials(deepcopy=False)[self.trial]
        trial = optuna.trial.Trial(study, known._trial_id)
        # A continued run comes by the same validation again.
        if percent not in known.intermediate_values:
            trial.report(value, percent)
        return trial.should_prune()
