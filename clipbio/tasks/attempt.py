"""One attempt at a run: may it use its folder, what is it doing, and what became of it."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clipbio.checkpoint_files import read_checkpoint
from clipbio.checkpoint_upgrades import check_continuable
from clipbio.data.datamodule import SpecimenData
from clipbio.distributed import World, broadcast, on_main
from clipbio.errors import ClipbioError, DivergedError, HungError, Pruned, RunError, Stopped
from clipbio.pulse import PULSE
from clipbio.tasks.lost import lost_process
from clipbio.tasks.requeue import come_back, is_requeued
from clipbio.tasks.run_record import RunRecord
from clipbio.training.lock import RunLock
from clipbio.training.run import LOCK, RunFolder
from clipbio.training.signals import StopSignals
from clipbio.training.status import Status
from clipbio.training.waiting import seconds_of
from clipbio.training.wandb_run import finish_wandb
from clipbio.training.watchdog import FAILED, Watchdog, end_within

__all__ = ["Attempt"]

Config = Mapping[str, Any]
# How long a process that failed may take to leave its group: NCCL waits for the others, who may not know.
_LEAVING_SECONDS = 60.0
# How long a run that may be continued waits for its dying predecessor: Slurm starts a job anew before it is gone.
_PATIENCE_SECONDS = 60.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EIO)


class Attempt:
    """Keep `run.json` and `status.json` of a run folder true whatever happens, and the folder to this run alone.

    Args:
        config: Config of the run.
        folder: Its folder.
        world: This process; the main one writes.
    """

    def __init__(self, config: Config, folder: RunFolder, world: World) -> None:
        self.config = config
        self.folder = folder
        self.world = world
        self.signals = StopSignals()
        self.status = Status(folder, writes=world.is_main)
        self.data: SpecimenData | None = None
        self.lock: RunLock | None = None
        self.watchdog: Watchdog | None = None
        self._began = time.monotonic()
        self.record = RunRecord(folder.path, config, world)

    @property
    def seconds(self) -> float:
        """Time since it began."""
        return time.monotonic() - self._began

    @property
    def resumed_at(self) -> int | None:
        """The step from which the run continues."""
        return self.status["resumed_at"]  # type: ignore[no-any-return]

    @resumed_at.setter
    def resumed_at(self, step: int) -> None:
        self.status.set(resumed_at=step, step=step, checkpoint=step)

    def saved(self, path: Path, step: int) -> None:
        """Take note of a checkpoint that is whole."""
        if path == self.folder.last:
            self.status.set(checkpoint=step)

    def open_folder(self) -> str:
        """Return what to do, the same on all processes: `start`, `continue` or `finished`.

        Raises:
            ClipbioError: The folder holds something else, or another run is using it.
        """
        answer = on_main(self.world, self._open)
        self.status.set(attempt=broadcast(1 + len(self.record.earlier)))
        return answer

    def _open(self) -> str:
        with self.folder.writable():
            return self._open_locked()

    def _open_locked(self) -> str:
        resume = str(self.config["resume"])
        if resume == "never" and is_requeued(self.folder.status.get("job")):
            resume = "auto"
        if self.folder.is_finished:
            return self.folder.open(self.config, resume)
        self.folder.check_resume(resume)
        self.folder.path.mkdir(parents=True, exist_ok=True)
        self.lock = RunLock(self.folder.path / LOCK, patience=_PATIENCE_SECONDS if resume != "never" else 0.0)
        self.lock.acquire()
        try:
            answer = self._answer(resume)
            self.folder.forget_notes()
        except BaseException:
            self._release()
            raise
        self.record.read_earlier()
        return answer

    def _answer(self, resume: str) -> str:
        try:
            return self.folder.open(self.config, resume)
        except ClipbioError:
            # The config of a run of an earlier format differs as well: to give back its settings would not help.
            if resume != "never" and (checkpoint := self._readable_checkpoint()) is not None:
                check_continuable(checkpoint, self.folder.last)
            raise

    def _readable_checkpoint(self) -> dict[str, Any] | None:
        try:
            return read_checkpoint(self.folder.last, verify=False)
        except ClipbioError:
            return None

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Write how it ends, and see to it that it ends."""
        PULSE.enter("starting")
        with self.signals.installed():
            self.watchdog = self._new_watchdog()
            self.watchdog.start()
            try:
                with self._ending():
                    self.record.begin()
                    self._write_run(None)
                    self.status.write()
                    yield
                    self.signals.leave_if_asked()
            except BaseException as error:
                if self.world.size > 1 and not isinstance(error, Pruned):
                    _, code, text = _outcome(error)
                    end_within(_LEAVING_SECONDS, code, text)
                raise
            finally:
                self.watchdog.stop()
                self._release()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        state, error_text, code = "failed", "", 1
        try:
            with self._told():
                yield
            state, code = "finished", 0
        except BaseException as error:
            state, code, error_text = _outcome(error)
            self._tell_others(error)
            raise
        finally:
            self.signals.leaving = True
            finish_wandb(code)
            self._close(state, code, error_text)
            if self.world.is_main:
                come_back(state)

    def _tell_others(self, error: BaseException) -> None:
        if self.watchdog is not None and self.world.size > 1:
            if isinstance(error, Stopped):
                self.watchdog.tell_stopped()
            elif not isinstance(error, Pruned):
                self.watchdog.tell_failed()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what libraries raise into what is to be said: which process was lost, which file cannot be written."""
        try:
            yield
        except (ClipbioError, Stopped):
            raise
        except OSError as error:
            place = error.filename or f"a file in run_dir={self.folder.path}"
            if error.errno in _FULL:
                what = f"{place} cannot be written: {error.strerror}; make room"
            elif error.errno in _NO_ACCESS:
                what = f"{place} cannot be read or written: {error.strerror}; give access"
            else:
                raise
            raise RunError(f"{what}, then go on with resume=auto") from error
        except Exception as error:
            self._blame_others(error)
            raise

    def _blame_others(self, error: Exception) -> None:
        """Say what became of another process, where that is why this one cannot go on."""
        lost = lost_process(error, self.world)
        told = self.watchdog.told() if lost and self.watchdog is not None else ""
        if told == "hung":
            raise HungError(f"another process of the run hangs: see {self.folder.path / 'stacks'}") from error
        if told and told != FAILED and self.watchdog is not None and self.watchdog.other_stopped():
            raise Stopped(signal.Signals[told]) from error
        # A signal may also come from torchrun, which ends the others when one is gone.
        if lost:
            raise RunError(lost) from error

    def _new_watchdog(self) -> Watchdog:
        after = self.config["hang_after"]
        return Watchdog(
            self.folder.path,
            self.world,
            attempt=self.status["attempt"],
            signals=self.signals,
            grace=float(self.config["checkpoint"]["grace"]),
            hang_after=None if after is None else seconds_of(after, "hang_after"),
            upkeep=self._keep_up,
            at_end=self._end_hard,
        )

    def _keep_up(self) -> None:
        """Do what is due every few seconds."""
        self.status.write()
        if self.lock is not None:
            self.lock.beat()

    def _end_hard(self, state: str, code: int, error: str) -> None:
        """Write what can be written before the watchdog ends the process."""
        self._close(state, code, error)
        if self.world.is_main:
            come_back(state)

    # -- files ------------------------------------------------------------------------------------------------------

    def _close(self, state: str, code: int, error: str) -> None:
        """Write how the attempt ended; a file that cannot be written must not hide why."""
        self.status.set(error=error)
        self.status.write(state, last=True)
        with suppress(OSError):
            self._write_run(code, error, finished=state == "finished")

    def _write_run(self, code: int | None, error: str = "", *, finished: bool = False) -> None:
        attempt = {
            "started": self.status["started"],
            "seconds": round(self.seconds, 1),
            "resumed_at": self.resumed_at,
            "exit_status": code,
            "error": error,
        }
        self.record.write(attempt, self.data, finished=finished)

    def _release(self) -> None:
        if self.lock is not None:
            self.lock.release()
            self.lock = None


def _outcome(error: BaseException) -> tuple[str, int, str]:
    """Return state, exit code and the one line of what ended a run."""
    if isinstance(error, Stopped):
        return error.state, error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130, "interrupted: continue with resume=auto"
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    states: dict[type[BaseException], str] = {DivergedError: "diverged", HungError: "hung", Pruned: "pruned"}
    return states.get(type(error), "failed"), getattr(error, "exit_code", 1), text
