"""The JSON-lines log that every run keeps."""

from __future__ import annotations

import json
import math
import secrets
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from clipbio.distributed import world_rank
from clipbio.errors import ClipbioError
from clipbio.files import write_text

__all__ = ["JsonLinesLogger", "read_history", "wandb_logger"]


class JsonLinesLogger(Logger):
    """Append one JSON object per logged step.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "jsonl"

    @property
    def version(self) -> str:
        """Version of the logger."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one line; numbers that JSON does not know are written as null."""
        values = {name: float(value) for name, value in metrics.items() if name != "epoch"}
        line = {"step": step, **{name: value if math.isfinite(value) else None for name, value in values.items()}}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the config stands in the run folder."""


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, without a half-written last one."""
    history = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                history.append(json.loads(line))
            except ValueError:
                continue
    return history


def wandb_logger(*, project: str, name: str, mode: str, folder: str, group: str | None = None) -> Logger:
    """Return wandb's logger; a continued run joins the wandb run that it began with.

    Args:
        project: Project on wandb.
        name: Name of the run.
        mode: `offline` or `online`.
        folder: Run folder, where wandb's files and the run's id are kept.
        group: Group of runs, such as a sweep.
    """
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    if mode not in ("offline", "online"):
        raise ClipbioError(f"logger.wandb.mode='{mode}' must be offline or online")
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    id_file = path / "wandb_id"
    id_ = id_file.read_text(encoding="utf-8").strip() if id_file.exists() else secrets.token_hex(4)
    if world_rank() == 0:
        write_text(id_file, id_)
    # Quiet: the run's own table and report are what a person should read.
    settings = wandb.Settings(silent=True, console="off")
    return WandbLogger(
        settings=settings,
        project=project,
        name=name,
        id=id_,
        save_dir=str(path),
        offline=mode == "offline",
        group=group,
        resume="allow",
    )
