"""From which checkpoint a run continues: the last, or the one before where the last is damaged."""

from __future__ import annotations

import logging
from pathlib import Path

from clipbio.checkpoint_files import BEST, LAST, PREVIOUS
from clipbio.errors import ClipbioError, DamagedError
from clipbio.sealed_files import sync_folder
from clipbio.training.atomic_checkpoints import link
from clipbio.training.checkpoints import read_checkpoint

__all__ = ["DAMAGED", "recover_last"]

log = logging.getLogger(__name__)

# Where a last checkpoint is left that could not be read.
DAMAGED = Path("checkpoints", "damaged.ckpt")


def recover_last(folder: Path) -> str:
    """Make `last.ckpt` of a run folder one that is whole; the main process does so, before any reads it.

    Returns:
        What a person should know: empty where nothing was wrong.

    Raises:
        ClipbioError: No checkpoint from which the run could continue is whole; or one cannot be read just now, or comes
            from a later version, and nothing was moved.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    for left in last.parent.glob(".*.ckpt.*"):
        # What a killed process was writing.
        left.unlink(missing_ok=True)
    problem = _problem(last)
    if not problem:
        return ""
    other = _problem(previous)
    if other:
        raise ClipbioError(
            f"{problem}; {other}: the run cannot be continued. Start it again in another run_dir, from its best "
            f"weights with init={folder / BEST} where that file is whole, or from the beginning"
        )
    if last.exists():
        last.replace(folder / DAMAGED)
    link(previous, last)
    sync_folder(last.parent)
    told = f"{problem}; continuing from the checkpoint before it, step {read_checkpoint(last)['global_step']}"
    log.warning("%s", told)
    return told


def _problem(path: Path) -> str:
    """Return how a file is damaged; other problems are raised, since an older checkpoint is no answer to them."""
    try:
        read_checkpoint(path)
    except DamagedError as error:
        return str(error)
    return ""
