"""Writing checkpoints whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from clipbio.errors import RunError

__all__ = ["AtomicCheckpoints"]


class AtomicCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its place and rename it: a kill while it is written leaves the one before whole.

    Lightning's own writing goes through the temporary folder, which on clusters is often another file system.

    Args:
        whole: Is told path and step of each checkpoint once it is in its place.
    """

    def __init__(self, whole: Callable[[Path, int], None] | None = None) -> None:
        super().__init__()
        self.whole = whole

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Replace the file at `path` in one step."""
        del storage_options
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            torch.save(checkpoint, temporary)
            temporary.replace(place)
        except (OSError, RuntimeError) as error:
            # PyTorch's own writer raises a RuntimeError where the disk is full.
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise RunError(
                f"the checkpoint {place} cannot be written: {reason}; the one before is whole. Make room, then go on "
                "with resume=auto"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        if self.whole is not None:
            self.whole(place, int(checkpoint["global_step"]))
