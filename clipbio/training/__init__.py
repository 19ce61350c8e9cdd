"""The training shell: LightningModule, optimiser, callbacks and the run folder."""

from clipbio.training.averaging import WeightAverage
from clipbio.training.callbacks import SampleLog
from clipbio.training.loggers import JsonLinesLogger, wandb_logger
from clipbio.training.module import ContrastiveModule
from clipbio.training.monitors import Monitors
from clipbio.training.optimizer import AdamWRecipe
from clipbio.training.watch import Watch

__all__ = [
    "AdamWRecipe",
    "ContrastiveModule",
    "JsonLinesLogger",
    "Monitors",
    "SampleLog",
    "Watch",
    "WeightAverage",
    "wandb_logger",
]
