"""The LightningModule: a thin shell around towers, a contrastive head and an optimiser recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from clipbio.checkpoint_files import CHECKPOINT_FORMAT
from clipbio.data.batch import Batch, EvaluationBatch
from clipbio.errors import ClipbioError, nearest
from clipbio.losses import Head, HeadOutput
from clipbio.models import MultiTower
from clipbio.models.sharding import shard
from clipbio.seeding import derive_seed
from clipbio.training.durations import RunLength
from clipbio.training.microbatches import encode
from clipbio.training.optimizer import AdamWRecipe
from clipbio.training.validation import Validation

__all__ = ["ContrastiveModule"]


class ContrastiveModule(pl.LightningModule):
    """Train a multi-tower model.

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

    def training_step(self, batch: dict[str, Batch], batch_idx: int) -> dict[str, Any]:
        """Return the loss of this process's share of a global batch: the weighted sum over projections."""
        # Dropout belongs to the step and the process, so that seeds differ and a continued run draws the same.
        number = next(iter(batch.values()))["step"]
        torch.manual_seed(derive_seed(int(self.config["seed"]), "step", number, self.global_rank))
        size = self.config["micro_batch_size"]
        embeddings: dict[str, dict[str, Tensor]] = {}
        outputs: dict[str, HeadOutput] = {}
        for projection, part in batch.items():
            head = self.heads[projection]
            assert isinstance(head, Head)
            inputs = {name: value for name, value in part["inputs"].items() if name in head.modalities}
            embeddings[projection] = encode(self.model, inputs, projection=projection, size=size)
            labels = {name: part[name] for name in ("taxon_BR", "bin_B", "text_B", "group_B")}
            outputs[projection] = head(embeddings[projection], part["present"], labels)
        loss = torch.stack([self.loss_weights[name] * output.loss for name, output in outputs.items()]).sum()
        if not self.logs_now:
            return {"loss": loss, "embeddings": {}, "row_loss": {}}
        rows = sum(len(part["ids"]) for part in batch.values())
        self.log("train/loss", loss.detach(), prog_bar=True, sync_dist=True, batch_size=rows)
        self.log_dict(_report(outputs), prog_bar=len(outputs) == 1, sync_dist=True, batch_size=rows)
        detached = {name: {key: one.detach() for key, one in parts.items()} for name, parts in embeddings.items()}
        row_loss = {name: output.row_loss_b for name, output in outputs.items() if output.row_loss_b is not None}
        return {"loss": loss, "embeddings": detached, "row_loss": row_loss}

    @property
    def logs_now(self) -> bool:
        """Whether this step is one that is logged."""
        return (self.global_step + 1) % self.trainer.log_every_n_steps == 0 or self.global_step == 0  # type: ignore[attr-defined]

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Keep the temperature in its bounds, as CLIP does after each step, and before a checkpoint is written."""
        super().optimizer_step(*args, **kwargs)
        for head in self.heads.values():
            assert isinstance(head, Head)
            head.clamp()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and a schedule that is stepped once per optimiser step."""
        parts = [(name, tower, tower.lr) for name, tower in self.model.towers.items()]
        optimizer, scheduler = self.recipe.build([*parts, ("head", self.heads, None)], self.length)  # type: ignore[list-item]
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # -- validation ------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Begin with empty collectors."""
        if self.validation is not None:
            self.validation.begin()

    def validation_step(self, batch: EvaluationBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Embed the images of one batch, without a collective: ranks may hold unequal numbers of batches."""
        if self.validation is not None:
            vectors = self.model.towers["image"](batch["image"]) if len(batch["rows_B"]) else None
            self.validation.add(dataloader_idx, batch, vectors)

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
        """Add the format's version and the config, as plain containers."""
        checkpoint["clipbio"] = {"format": CHECKPOINT_FORMAT, "config": dict(self.config)}


def _report(outputs: Mapping[str, HeadOutput]) -> dict[str, Tensor]:
    """Name what is logged; where there are several projections, theirs are told apart by a suffix."""
    values: dict[str, Tensor] = {}
    for projection, output in outputs.items():
        suffix = "" if projection == "default" else f"/{projection}"
        values |= {f"train/{key}{suffix}": value for key, value in output.report.items()}
        if len(outputs) > 1:
            values[f"train/loss/{projection}"] = output.loss.detach()
    return values
