"""The training shell: LightningModule, optimiser, callbacks and the run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipbio.lazy import lazily

if TYPE_CHECKING:
    from clipbio.training.averaging import WeightAverage
    from clipbio.training.callbacks import SampleLog
    from clipbio.training.loggers import JsonLinesLogger
    from clipbio.training.module import ContrastiveModule
    from clipbio.training.monitors import Monitors
    from clipbio.training.optimizer import AdamWRecipe
    from clipbio.training.wandb_run import WandbLogger
    from clipbio.training.watch import Watch

__all__ = [
    "AdamWRecipe",
    "ContrastiveModule",
    "JsonLinesLogger",
    "Monitors",
    "SampleLog",
    "WandbLogger",
    "Watch",
    "WeightAverage",
]

# Lightning takes seconds to import, and what reads a checkpoint or encodes a text needs nothing of it.
_LAZY = {
    "AdamWRecipe": "optimizer",
    "ContrastiveModule": "module",
    "JsonLinesLogger": "loggers",
    "Monitors": "monitors",
    "SampleLog": "callbacks",
    "WandbLogger": "wandb_run",
    "Watch": "watch",
    "WeightAverage": "averaging",
}

__getattr__ = lazily(__name__, _LAZY)
