"""The progress bar of long work."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from clipbio.pulse import PULSE

__all__ = ["progress_bar"]


class _LivingBar(Progress):
    """A bar that gives a sign of life when it moves, whether it is drawn or not."""

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        PULSE.beat()
        super().advance(task_id, advance)

    def update(self, task_id: TaskID, **fields: Any) -> None:
        PULSE.beat()
        super().update(task_id, **fields)


def progress_bar(*, enabled: bool = True) -> Progress:
    """Return a bar on standard error; nothing is drawn where it is disabled or no person looks."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    return _LivingBar(*columns, *times, console=console, disable=not (enabled and console.is_terminal))
