"""The progress bar of a run: loss, temperature, samples per second and the share of time spent waiting for data."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar

__all__ = ["RunProgressBar"]

_SHOWN = {
    "train/loss": "loss",
    "train/logit_scale": "1/temperature",
    "train/samples_per_second": "samples/s",
    "train/data_wait": "data wait",
}


class RunProgressBar(RichProgressBar):
    """One bar over all steps of the run."""

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return what is shown beside the bar."""
        values = super().get_metrics(trainer, pl_module)
        return {short: f"{float(values[name]):.4g}" for name, short in _SHOWN.items() if name in values}  # type: ignore[arg-type]

    def _get_train_description(self, current_epoch: int) -> str:
        # Steps are the clock of a run; Lightning's epoch is the whole of it.
        del current_epoch
        return "train"
