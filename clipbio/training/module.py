"""Contrastive training: a thin shell around towers and heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clipbio.data.batch import Batch
from clipbio.losses import Head, HeadOutput
from clipbio.training.base import TrainingModule
from clipbio.training.microbatches import encode

__all__ = ["ContrastiveModule", "labels_of"]


class ContrastiveModule(TrainingModule):
    """Train a model by what its heads say of the embeddings of a batch; see `TrainingModule`."""

    def training_step(self, batch: dict[str, Batch], batch_idx: int) -> dict[str, Any]:
        """Return the loss of this process's share of a global batch: the weighted sum over projections."""
        self.seed_step(batch)
        embeddings: dict[str, dict[str, Tensor]] = {}
        outputs: dict[str, HeadOutput] = {}
        for projection, part in batch.items():
            head = self.heads[projection]
            assert isinstance(head, Head)
            embeddings[projection], outputs[projection] = self._judged(part, head, projection)
        loss = torch.stack([self.loss_weights[name] * output.loss for name, output in outputs.items()]).sum()
        if not self.logs_now:
            return {"loss": loss, "embeddings": {}, "row_loss": {}}
        rows = sum(len(part["ids"]) for part in batch.values())
        self.log("train/loss", loss.detach(), prog_bar=True, sync_dist=True, batch_size=rows)
        self.log_dict(_report(outputs), prog_bar=len(outputs) == 1, sync_dist=True, batch_size=rows)
        detached = {name: {key: one.detach() for key, one in parts.items()} for name, parts in embeddings.items()}
        row_loss = {name: output.row_loss_b for name, output in outputs.items() if output.row_loss_b is not None}
        return {"loss": loss, "embeddings": detached, "row_loss": row_loss}

    def _judged(self, part: Batch, head: Head, projection: str) -> tuple[dict[str, Tensor], HeadOutput]:
        """Return unit vectors of the rows of a projection, and what its head says of them."""
        embeddings = self._embeddings(part, head, projection)
        return embeddings, head(embeddings, part["present"], labels_of(part))

    def _embeddings(self, part: Batch, head: Head, projection: str) -> dict[str, Tensor]:
        inputs = {name: value for name, value in part["inputs"].items() if name in head.modalities}
        size = self.config["micro_batch_size"]
        return encode(self.model, inputs, part["present"], projection=projection, size=size)


def labels_of(part: Batch) -> dict[str, Tensor]:
    """Return what a head is told of the rows of a batch."""
    return {name: part[name] for name in ("taxon_BR", "bin_B", "text_B", "group_B")}


def _report(outputs: Mapping[str, HeadOutput]) -> dict[str, Tensor]:
    """Name what is logged; where there are several projections, theirs are told apart by a suffix."""
    values: dict[str, Tensor] = {}
    for projection, output in outputs.items():
        suffix = "" if projection == "default" else f"/{projection}"
        values |= {f"train/{key}{suffix}": value for key, value in output.report.items()}
        if len(outputs) > 1:
            values[f"train/loss/{projection}"] = output.loss.detach()
    return values
