"""Writing checkpoints whole or not at all, while training goes on."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.io import TorchCheckpointIO

from clipbio.checkpoint_files import LAST, PREVIOUS
from clipbio.errors import RunError
from clipbio.sealed_files import free_bytes, read_seal, sync_folder, tensor_bytes, write_sealed
from clipbio.training.snapshot import snapshot

__all__ = ["AtomicCheckpoints", "finish_writing", "link", "write_whole"]

log = logging.getLogger(__name__)

# What a file of small tensors and their names takes beside their bytes.
_MARGIN = 1 << 20


class AtomicCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its place and rename it: a kill while it is written leaves the one before whole.

    One thread writes, in the order of the saves; training waits for the copy of its state, and for the disk where two
    copies are not written yet. After an error nothing more is written, so that no checkpoint knows of one that is not
    there. Lightning's `AsyncCheckpointIO` bounds neither its copies nor, until the next save, an error; it leaves
    what is no tensor to change, and copies on the GPU.

    Args:
        whole: Is told path and step of each checkpoint once it is in its place.
        asynchronous: Whether training goes on meanwhile.
    """

    def __init__(self, whole: Callable[[Path, int], None] | None = None, *, asynchronous: bool = False) -> None:
        super().__init__()
        self.whole = whole
        self.asynchronous = asynchronous
        self._thread: ThreadPoolExecutor | None = None
        self._room = BoundedSemaphore(2)
        self._error: Exception | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Replace the file at `path` in one step, now or soon."""
        del storage_options
        place = Path(path)
        if not self.asynchronous:
            self._write(checkpoint, place)
            return
        self.check()
        self._room.acquire()
        try:
            state = snapshot(checkpoint)
        except BaseException:
            self._room.release()
            raise
        self._submit(lambda: self._write(state, place), self._room.release)

    def then(self, work: Callable[[], object]) -> None:
        """Do something when all that was saved so far is written."""
        if self.asynchronous:
            self._submit(work)
        else:
            work()

    def check(self) -> None:
        """Raise what went wrong in the thread.

        Raises:
            RunError: A checkpoint could not be written.
        """
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            RunError: A checkpoint could not be written.
        """
        self.teardown()
        self.check()

    def teardown(self) -> None:
        """Wait until everything is written; an error is logged here, so that it hides no other."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None
            if self._error is not None:
                log.error("%s", self._error)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file, after all that was saved so far."""
        self.then(lambda: Path(path).unlink(missing_ok=True))

    def _submit(self, work: Callable[[], object], after: Callable[[], None] = lambda: None) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._thread.submit(self._run, work, after)

    def _run(self, work: Callable[[], object], after: Callable[[], None]) -> None:
        try:
            if self._error is None:
                work()
        except Exception as error:
            self._error = error
        finally:
            after()

    def _write(self, checkpoint: dict[str, Any], place: Path) -> None:
        is_last = place.name == LAST.name
        write_whole(checkpoint, place, before=place.with_name(PREVIOUS.name) if is_last else None)
        if self.whole is not None:
            self.whole(place, int(checkpoint["global_step"]))


def finish_writing(trainer: pl.Trainer) -> None:
    """Wait until all checkpoints of a run are written.

    Raises:
        RunError: One could not be written.
    """
    writer = trainer.strategy.checkpoint_io
    if isinstance(writer, AtomicCheckpoints):
        writer.finish()


def write_whole(checkpoint: dict[str, Any], place: Path, *, before: Path | None = None) -> None:
    """Write a checkpoint with its seal, and put it in its place in one step.

    Args:
        checkpoint: Tensors and plain values.
        place: The file.
        before: Where what it replaces is kept.

    Raises:
        RunError: It cannot be written; what was there is whole.
    """
    temporary = place.with_name(f".{place.name}.{os.getpid()}")
    need = tensor_bytes(checkpoint) + _MARGIN
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        free = free_bytes(place.parent)
        if free < need:
            raise RunError(_failure(place, "the disk is full", need, free))
        write_sealed(checkpoint, temporary, {"step": checkpoint.get("global_step")})
        # The end of a run may save a step once more: the one before stays the one before.
        if before is not None and place.exists() and read_seal(place).get("step") != checkpoint.get("global_step"):
            link(place, before)
        temporary.replace(place)
        sync_folder(place.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(_failure(place, error.strerror or str(error), need, _free(place.parent))) from error
    finally:
        temporary.unlink(missing_ok=True)


def link(source: Path, target: Path) -> None:
    """Give a checkpoint a second name in one step, and copy it where the file system knows no such names."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copy2(source, temporary)
    temporary.replace(target)
    # Renaming one name of a file to another of the same file does nothing.
    temporary.unlink(missing_ok=True)


def _free(folder: Path) -> int | None:
    try:
        return free_bytes(folder)
    except OSError:
        return None


def _failure(place: Path, why: str, need: int, free: int | None) -> str:
    room = "" if free is None else f", {free / 1e6:.0f} MB are free"
    return (
        f"the checkpoint {place} cannot be written: {why} (it takes {need / 1e6:.0f} MB{room}); "
        "those before it are whole: make room and continue with resume=auto"
    )
