"""The checkpoints with the best scores in validation."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from clipbio.checkpoint_files import read_checkpoint
from clipbio.errors import DamagedError
from clipbio.training.atomic_checkpoints import AtomicCheckpoints, link

__all__ = ["BestCheckpoints"]

log = logging.getLogger(__name__)


class BestCheckpoints(ModelCheckpoint):
    """Keep the checkpoints with the best scores; the best of them is always `best.ckpt`.

    Several are called `best-step-0000100.ckpt`; `best.ckpt` is then a second name of one of them.

    Args:
        path: Where the best one is.
        monitor: The metric that chooses.
        mode: Whether more (`max`) or less (`min`) of it is better.
        keep: How many are kept.
    """

    def __init__(self, path: Path, *, monitor: str, mode: str, keep: int = 1) -> None:
        super().__init__(
            path.parent,
            filename=path.stem if keep == 1 else f"{path.stem}-step-{{step:07d}}",
            monitor=monitor,
            mode=mode,
            save_top_k=keep,
            auto_insert_metric_name=False,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        self.path = path
        self._linked = ""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the scores; the run folder and `keep` may have changed since, and files may have gone."""
        folder = Path(self.dirpath or self.path.parent)
        self.best_k_models = {str(folder / Path(one).name): score for one, score in state_dict["best_k_models"].items()}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the main process name and trim the files that were taken over, and tell the others which they are."""
        # Not at the start of the fit: sharded strategies restore later than that.
        super().on_train_start(trainer, pl_module)
        if not self.best_k_models:
            return
        kept = trainer.strategy.broadcast(self._settled() if trainer.is_global_zero else {})
        self.best_k_models = kept
        self.best_model_path, self.kth_best_model_path = next(iter(kept), ""), next(reversed(kept), "")
        if kept:
            self.best_model_score, self.kth_value = kept[self.best_model_path], kept[self.kth_best_model_path]

    def _settled(self) -> dict[str, Any]:
        """Return what is kept, the best first, once each file has the name that it would get now."""
        best = Path(self.dirpath or self.path.parent, self.path.name)
        if self.save_top_k == 1 and list(self.best_k_models) == [str(best)] and best.exists():
            return self.best_k_models
        try:
            step = read_checkpoint(best, verify=False)["global_step"]
        except DamagedError as error:
            step = 0
            if best.exists():
                log.warning("%s; the next validation chooses anew, the file is kept as damaged-%s", error, best.name)
                best.replace(best.with_name(f"damaged-{best.name}"))
        named = best.with_name(f"{best.stem}-step-{step:07d}{best.suffix}")
        # Where a kill came after a file was given its new name, the old one is known by its step.
        found = {named if path == best else path: score for path, score in self._scores() if path.exists()}
        found |= {path: score for path, score in self._scores() if path == named and best.exists()}
        order = sorted(found, key=lambda path: float(found[path]), reverse=self.mode == "max")
        kept = order[: self.save_top_k]
        for path in kept:
            if not path.exists():
                link(best, path)
        if kept and not (best.exists() and best.samefile(kept[0])):
            link(kept[0], best)
        for path in order if self.save_top_k == 1 else order[self.save_top_k :]:
            path.unlink(missing_ok=True)
        if self.save_top_k == 1:
            return {str(best): found[path] for path in kept}
        return {str(path): found[path] for path in kept}

    def _scores(self) -> list[tuple[Path, Any]]:
        return [(Path(path), score) for path, score in self.best_k_models.items()]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save where this score is among the best, and let `best.ckpt` mean the best of all."""
        super().on_validation_end(trainer, pl_module)
        writer = trainer.strategy.checkpoint_io
        if self.save_top_k == 1 or not trainer.is_global_zero or not isinstance(writer, AtomicCheckpoints):
            return
        if self.best_model_path and (self.best_model_path != self._linked or not self.path.exists()):
            self._linked = self.best_model_path
            writer.then(partial(link, Path(self.best_model_path), self.path))
