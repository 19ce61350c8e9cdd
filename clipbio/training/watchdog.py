"""A thread that bounds what the main thread may take: to stop when it was asked to, and to show that it is alive."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from clipbio.distributed import World
from clipbio.errors import Stopped
from clipbio.pulse import PULSE
from clipbio.training.lock import BEAT_SECONDS
from clipbio.training.signals import STOP_SIGNALS, StopSignals

__all__ = ["FAILED", "HUNG", "Watchdog", "end_within"]

log = logging.getLogger(__name__)

# Exit code of a process that did nothing for too long (EX_SOFTWARE).
HUNG = 70
_TICK_SECONDS = 1.0
_WRITE_SECONDS = 10.0
# What a process tells the others when it ends with an error, and how long they may take to find out by themselves: gloo
# tells them at once, NCCL never.
FAILED = "failed"
_FAILED_SECONDS = 30.0
# How long the last words of a process may take, on a pipe that nobody reads or a file system that does not answer.
_WORDS_SECONDS = 20.0


class Watchdog:
    """Watch the main thread of one process of a run.

    The processes of a run tell each other, through small files in its folder, that they were asked to stop, that they
    failed or hang, and that they are alive: what waits in a collective hears of nothing else.

    Args:
        folder: The run folder.
        world: This process.
        attempt: Number of the attempt, so that a dying earlier one is not heard.
        signals: What asks for the end.
        grace: Seconds from a signal to the end.
        hang_after: Seconds in which some process must give a sign of life; None for no limit.
        upkeep: What is due every few seconds: the status and the beat of the lock.
        at_end: What is due before this thread ends the process; it is given the state.
    """

    def __init__(
        self,
        folder: Path,
        world: World,
        *,
        attempt: int,
        signals: StopSignals,
        grace: float,
        hang_after: float | None,
        upkeep: Callable[[], None],
        at_end: Callable[[str, int, str], None],
    ) -> None:
        self.folder = folder
        self.world = world
        self.signals = signals
        self.grace = grace
        self.hang_after = hang_after
        self.upkeep = upkeep
        self.at_end = at_end
        self._note = folder / f".stop-{attempt}"
        self._left = f".left-{attempt}-"
        self._pulse = folder / ".pulse"
        self._deadline: float | None = None
        self._failure_heard: float | None = None
        self._upkept = 0.0
        self._beats, self._others, self._alive, self._shown = -1, 0, time.monotonic(), 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._alive = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Leave the main thread alone."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def told(self) -> str:
        """Return what a process of the run wrote: the name of a signal to stop, `hung`, `failed`, or nothing."""
        with contextlib.suppress(OSError):
            return self._note.read_text(encoding="utf-8")
        return ""

    def other_stopped(self) -> bool:
        """Whether another process left because it was asked to stop, and not because it was killed."""
        own = f"{self._left}{self.world.rank}"
        return any(path.name != own for path in self.folder.glob(f"{self._left}*"))

    def tell_stopped(self) -> None:
        """Let the others know that this process leaves because it was asked to."""
        if self.world.size > 1:
            with contextlib.suppress(OSError):
                (self.folder / f"{self._left}{self.world.rank}").touch()

    def tell_failed(self) -> None:
        """Let the others know that this process ends with an error, unless the run ends for another reason already."""
        if not self.told():
            self._tell(FAILED)

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._over.is_set():
            self._hear()
            now = time.monotonic()
            if self._deadline is not None and now > self._deadline:
                self._leave_hard()
            if self._failure_heard is not None and now - self._failure_heard > _FAILED_SECONDS:
                self._leave_failed()
            self._look_for_life(now)
            if now - self._upkept > min(_WRITE_SECONDS, BEAT_SECONDS):
                self._upkept = now
                try:
                    self.upkeep()
                except Exception:
                    # Without this thread nothing bounds the run any more.
                    log.exception("the status of the run could not be kept")

    def _hear(self) -> None:
        """Wait a moment for signals to this process, and look whether another one was asked to stop."""
        if self.signals.arrivals is None:
            self._over.wait(_TICK_SECONDS)
            return
        ready, _, _ = select.select([self.signals.arrivals], [], [], _TICK_SECONDS)
        for number in self.signals.arrivals.recv(256) if ready else b"":
            if number in tuple(STOP_SIGNALS):
                self._begin_to_stop()
                self._tell(signal.Signals(number).name)
        told = self.told() if self.world.size > 1 and self._deadline is None else ""
        if told == "hung":
            self._leave_hung(told_by_other=True)
        elif told == FAILED:
            self._failure_heard = self._failure_heard or time.monotonic()
        elif told:
            # The handler runs in the main thread, as if the batch system had signalled this process, too.
            self._begin_to_stop()
            os.kill(os.getpid(), signal.Signals[told])

    def _begin_to_stop(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + self.grace

    def _tell(self, what: str) -> None:
        if self.world.size > 1:
            with contextlib.suppress(OSError):
                self._note.write_text(what, encoding="utf-8")

    def _leave_hard(self) -> None:
        """End the process: the checkpoint before is whole, whatever is being written now."""
        stopped = Stopped(self.signals.number or signal.SIGTERM)
        late = (
            f"{stopped}; it was not ready within checkpoint.grace={self.grace:g} s and goes on from the last checkpoint"
        )
        self.tell_stopped()
        self._end(stopped.state, stopped.exit_code, late)

    def _leave_failed(self) -> None:
        """End a process that waits for one that failed; one that has found out by itself is left alone."""
        if not self.signals.leaving:
            why = "another process of the run failed: its own output says why; go on with resume=auto"
            self._end(FAILED, 1, why)

    def _end(self, state: str, code: int, message: str, *, stay: float = 0.0) -> None:
        end_within(_WORDS_SECONDS, code)
        try:
            self.at_end(state, code, message)
        except Exception:
            log.exception("how the run ended could not be written")
        time.sleep(stay)
        _end(message, code)

    # -- signs of life ----------------------------------------------------------------------------------------------

    def _look_for_life(self, now: float) -> None:
        if self.hang_after is None or self._deadline is not None:
            return
        if PULSE.beats != self._beats:
            self._beats, self._alive = PULSE.beats, now
            self._show_life(now)
        elif (others := self._life_of_others()) != self._others:
            self._others, self._alive = others, now
        elif now - self._alive > self.hang_after:
            self._leave_hung()

    def _show_life(self, now: float) -> None:
        """Let the processes that wait for this one know."""
        assert self.hang_after is not None
        if self.world.size > 1 and now - self._shown > self.hang_after / 10:
            self._shown = now
            with contextlib.suppress(OSError):
                self._pulse.write_text(f"{self.world.rank} {self._beats}", encoding="utf-8")
                self._others = self._life_of_others()

    def _life_of_others(self) -> int:
        # A change is what counts: the time itself belongs to another machine's clock.
        with contextlib.suppress(OSError):
            return self._pulse.stat().st_mtime_ns if self.world.size > 1 else 0
        return 0

    def _leave_hung(self, *, told_by_other: bool = False) -> None:
        """Write down what every thread does, and end the process."""
        self._tell("hung")
        path = self.folder / "stacks" / f"rank-{self.world.rank}.txt"
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            with path.open("w", encoding="utf-8") as file:
                faulthandler.dump_traceback(file, all_threads=True)
        message = (
            f"the run hangs: nothing has happened for hang_after={self.hang_after:g} s while {PULSE.phase}; what every "
            f"thread was doing stands in {path.parent}. Continue with resume=auto"
        )
        # The others shall write their stacks before the collective in which they wait breaks.
        alone = told_by_other or self.world.size == 1
        self._end("hung", HUNG, message, stay=0.0 if alone else 3 * _TICK_SECONDS)


def end_within(seconds: float, code: int, message: str = "") -> None:
    """End this process after some time, wherever it is blocked then; its last words are tried before."""

    def end() -> None:
        if message:
            os.write(2, f"clipbio: {message}\n".encode())
        os._exit(code)

    timers = [threading.Timer(seconds + 1, os._exit, [code]), threading.Timer(seconds, end)]
    for timer in timers:
        timer.daemon = True
        timer.start()


def _end(message: str, code: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"clipbio: {message}\n")
        sys.stderr.flush()
    os._exit(code)
