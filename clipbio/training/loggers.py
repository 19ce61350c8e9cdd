"""The JSON-lines log that every run keeps."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

__all__ = ["JsonLinesLogger", "read_history"]


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
