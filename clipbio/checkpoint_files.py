"""Checkpoint files of ours: where they lie, and how they are read without unpickling objects."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipbio.checkpoint_upgrades import CHECKPOINT_FORMAT, upgraded
from clipbio.errors import ClipbioError, DamagedError, RunError, nearest
from clipbio.sealed_files import check_seal

__all__ = ["BEST", "CHECKPOINT_FORMAT", "LAST", "PREVIOUS", "checkpoint_path", "chosen_weights", "read_checkpoint"]

# Inside a run folder. The previous one is what the last one replaced.
BEST, LAST, PREVIOUS = (Path("checkpoints", f"{name}.ckpt") for name in ("best", "last", "previous"))
WEIGHTS = ("auto", "averaged", "trained")
Checkpoint = dict[str, Any]


def checkpoint_path(path: str | Path) -> Path:
    """Return the file that `checkpoint=` or `init=` means: a file, or the best, else the last, of a run folder."""
    given = Path(path).expanduser()
    if given.is_dir():
        for candidate in (given / BEST, given / LAST):
            if candidate.exists():
                return candidate
        raise ClipbioError(f"{given} holds no checkpoints/best.ckpt or checkpoints/last.ckpt: is it a run folder?")
    if not given.exists():
        raise ClipbioError(f"checkpoint {given} does not exist")
    return given


def read_checkpoint(path: Path, *, verify: bool = True) -> Checkpoint:
    """Read a checkpoint of ours, in today's format.

    Args:
        path: The file.
        verify: Whether its bytes are compared with their hash, which reads the whole file.

    Raises:
        DamagedError: The file is missing, cut or altered.
        RunError: It cannot be read just now: no permission, a disk that fails, no memory to map it.
        ClipbioError: It is none of ours, or comes from a later version.
    """
    whole = False
    try:
        if verify:
            whole = check_seal(path) is not None
        # Mapped, so that a large optimiser state is not copied when only weights are wanted.
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError as error:
        raise DamagedError(f"{path} does not exist") from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        # With the right hash its bytes are sound, whatever else fails. torch reports a failed mapping as RuntimeError,
        # and a file that was cut as an invalid argument.
        refused = isinstance(error, OSError) and error.errno != errno.EINVAL
        if whole or refused or "unable to mmap" in reason or "unable to open" in reason:
            raise RunError(
                f"{path} cannot be read just now: {reason}; it was left as it is: "
                "check its permissions, its disk and the free memory, and try again"
            ) from error
        raise DamagedError(f"{path} cannot be read as a checkpoint: {reason}") from error
    if not isinstance(checkpoint, dict) or "clipbio" not in checkpoint:
        raise ClipbioError(f"{path} is no checkpoint of clipbio; weights of other programs go to model.pretrained")
    return upgraded(checkpoint, path)


def chosen_weights(checkpoint: Mapping[str, Any], weights: str, path: Path) -> dict[str, Tensor]:
    """Return weights by their name in the training module.

    Args:
        checkpoint: A checkpoint of ours.
        weights: `trained`, `averaged` (those of callbacks=ema), or `auto`: those with which the run was validated.
        path: Where it comes from, for messages.
    """
    if weights not in WEIGHTS:
        raise ClipbioError(f"weights='{weights}' is unknown{nearest(weights, WEIGHTS)}")
    averaged = checkpoint.get("averaged")
    if weights == "averaged" and averaged is None:
        raise ClipbioError(f"weights=averaged, but {path} holds no averages: the run had no callbacks=ema, or not yet")
    if averaged is None or weights == "trained" or (weights == "auto" and not averaged["validated"]):
        return dict(checkpoint["state_dict"])
    return {**checkpoint["state_dict"], **averaged["weights"]}
