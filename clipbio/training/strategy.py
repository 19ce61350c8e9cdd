"""`trainer=fsdp`: Lightning's strategy for models that shard themselves, with the checkpoints of any other run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.types import _PATH
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import ModelParallelStrategy
from torch.optim import Optimizer

from clipbio.models.sharding import assemble, make_whole, shard_again, split_like

__all__ = ["ShardedStrategy", "WholeValidation"]


class ShardedStrategy(ModelParallelStrategy):
    """Train what `configure_model` sharded over all processes; checkpoints are single files with whole tensors.

    They hold the same as those of one process, parameters of the optimiser in its own order, so that each continues the
    other's run.

    Args:
        processes: Number of processes.
    """

    def __init__(self, processes: int) -> None:
        super().__init__(data_parallel_size=processes, tensor_parallel_size=1, save_distributed_checkpoint=False)

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Let `load_optimizer_state_dict` be called."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return whole weights on rank 0, a collective."""
        assert self.lightning_module is not None
        return dict(assemble(self.lightning_module.state_dict(), keep=self.is_global_zero))

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the whole state of an optimiser on rank 0, a collective."""
        return dict(assemble(optimizer.state_dict(), keep=self.is_global_zero))

    def load_checkpoint(self, checkpoint_path: _PATH, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a file, mapped into memory: a process takes its own part of it."""
        return dict(torch.load(checkpoint_path, map_location="cpu", mmap=True, weights_only=weights_only))

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Take this process's part of the weights."""
        assert self.lightning_module is not None
        own = self.lightning_module.state_dict()
        state = {name: split_like(value, own[name]) for name, value in checkpoint["state_dict"].items()}
        self.lightning_module.load_state_dict(state, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this process's part of the moments."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            moments = {
                number: {name: split_like(value, parameters[number]) for name, value in values.items()}
                for number, values in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": moments})


class WholeValidation(Callback):
    """Keep all weights whole during validation, where processes run unequal numbers of batches and texts."""

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather them."""
        make_whole(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shard them again, before a checkpoint is written."""
        shard_again(pl_module)
