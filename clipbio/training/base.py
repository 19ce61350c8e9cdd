"""What every training module of ours shares: optimiser, sharding, validation and what stands in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import nn

from clipbio.checkpoint_files import CHECKPOINT_FORMAT
from clipbio.data.batch import Batch, EvaluationBatch
from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.embed import encode_batch
from clipbio.losses import Head
from clipbio.models import MultiTower
from clipbio.models.projections import Standardise
from clipbio.models.sharding import shard
from clipbio.seeding import derive_seed
from clipbio.training.durations import RunLength
from clipbio.training.finite import check_finite
from clipbio.training.optimizer import AdamWRecipe
from clipbio.training.validation import Validation

__all__ = ["TrainingModule"]


class TrainingModule(pl.LightningModule):
    """Towers, heads and an optimiser recipe; what a step computes is left to those who inherit.

    Args:
        model: Towers by modality.
        heads: By projection, what turns embeddings into a loss.
        loss_weights: Factor of the loss of each projection in their sum; it is not normalised.
        recipe: Makes optimiser and schedule.
        length: Batch arithmetic of the run.
        validation: Evaluates on validation splits, if there are any.
        config: Plain resolved config; stored in each checkpoint, so that a file alone can be evaluated.
    """

    def __init__(
        self,
        model: MultiTower,
        heads: nn.ModuleDict,
        *,
        loss_weights: Mapping[str, float],
        recipe: AdamWRecipe,
        length: RunLength,
        validation: Validation | None,
        config: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.model = model
        self.heads = heads
        self.loss_weights = loss_weights
        self.recipe = recipe
        self.length = length
        self.validation = validation
        self.config = config

    def configure_model(self) -> None:
        """Shard everything over the processes where the strategy asks for it."""
        if self.device_mesh is not None:
            towers = [self.model.tower(name) for name in self.model.modalities]
            shard(towers, self.heads.values(), self.device_mesh["data_parallel"])

    def seed_step(self, batch: Mapping[str, Batch]) -> None:
        """Seed what a step draws, such as dropout: it belongs to the step and the process.

        Seeds then differ, and a continued run draws the same.
        """
        number = next(iter(batch.values()))["step"]
        torch.manual_seed(derive_seed(int(self.config["seed"]), "step", number, self.global_rank))

    @property
    def logs_now(self) -> bool:
        """Whether this step is one that is logged."""
        return (self.global_step + 1) % self.trainer.log_every_n_steps == 0 or self.global_step == 0  # type: ignore[attr-defined]

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Bound the temperature after a step, as CLIP does, and let norms take in what they met."""
        super().optimizer_step(*args, **kwargs)
        for norm in self.model.modules():
            if isinstance(norm, Standardise):
                norm.settle()
        for head in self.heads.values():
            assert isinstance(head, Head)
            head.clamp()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and a schedule that is stepped once per optimiser step."""
        parts: list[tuple[str, nn.Module, Any]] = [(name, one, one.lr) for name, one in self.model.towers.items()]
        if self.model.decoder is not None:
            parts.append(("decoder", self.model.decoder, None))
        optimizer, scheduler = self.recipe.build([*parts, ("head", self.heads, None)], self.length)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # -- validation ------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Begin with empty collectors."""
        if self.validation is not None:
            self.validation.begin()

    def validation_step(self, batch: EvaluationBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Embed one batch, without a collective: ranks may hold unequal numbers of batches."""
        if self.validation is not None:
            encoders = {name: self.model.tower(name) for name in self.model.modalities}
            self.validation.add(dataloader_idx, batch, encode_batch(encoders, batch))

    def on_validation_epoch_end(self) -> None:
        """Evaluate the gathered embeddings, the same on every process."""
        if self.validation is not None:
            metrics = self.validation.finish()
            monitor = str(self.config["checkpoint"]["monitor"])
            if monitor not in metrics:
                raise ClipbioError(
                    f"checkpoint.monitor={monitor} is not measured in validation{nearest(monitor, metrics)}"
                )
            self.log_dict({name: torch.tensor(value, dtype=torch.float64).float() for name, value in metrics.items()})

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights that are not finite; add the format's version and the config, as plain containers."""
        check_finite(checkpoint["state_dict"], int(checkpoint["global_step"]))
        checkpoint["clipbio"] = {"format": CHECKPOINT_FORMAT, "config": dict(self.config)}
