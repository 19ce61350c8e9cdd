"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError

__all__ = ["BEAT_SECONDS", "SILENCE_SECONDS", "RunLock"]

# The holder rewrites the file that often.
BEAT_SECONDS = 5.0
# How long nothing is heard before a holder on another machine counts as dead: NFS shows what others wrote after up to a
# minute.
SILENCE_SECONDS = 90.0
_POLL_SECONDS = 0.25

log = logging.getLogger(__name__)


class RunLock:
    """A lock that the kernel frees with the process, and a beat where locks do not reach every machine.

    It is a record lock (`lockf`), which network file systems know and which the data workers of a killed process do not
    inherit. Where locks fail, hold on one machine only, or outlive a machine that was switched off, the beat decides: a
    counter in the file that the holder raises. It is compared with itself alone, so that no clock matters.

    Args:
        path: The file; it stays, empty, when the lock is released.
        patience: Seconds to wait for another holder that may be about to end.
        silence: Seconds without a beat after which a holder on another machine counts as dead.
    """

    def __init__(self, path: Path, *, patience: float = 0.0, silence: float = SILENCE_SECONDS) -> None:
        self.path = path
        self.patience = patience
        self.silence = silence
        self._file: int | None = None
        self._locked = False
        self._holder: dict[str, Any] = {}

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ClipbioError: Another process holds it; the message says which.
        """
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            works = self._wait(file)
            if works is not None:
                self._watch(file, works=works)
        except BaseException:
            os.close(file)
            raise
        self._file, self._locked = file, bool(works)
        self._holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time(), "beat": 0}
        self.beat()

    def beat(self) -> None:
        """Show that the holder lives."""
        if self._file is not None:
            if not self._locked:
                # The lock of a dead machine is given back some day: nobody else shall get it.
                with contextlib.suppress(OSError):
                    fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._locked = True
            self._holder["beat"] += 1
            self._holder["locked"] = self._locked
            # Of one length, so that no reader meets the end of an older one.
            with contextlib.suppress(OSError):
                os.pwrite(self._file, json.dumps(self._holder).ljust(300).encode(), 0)
                # Or other machines would hear of it half a minute later.
                os.fsync(self._file)

    def release(self) -> None:
        """Give the lock back; nothing happens where it is not held."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def _wait(self, file: int) -> bool | None:
        """Wait for the kernel's lock; tell whether there are such locks here, None if a dead machine holds it."""
        here = socket.gethostname()
        begin = heard = time.monotonic()
        beat = _read(file).get("beat")
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                holder, now = _read(file), time.monotonic()
                if holder.get("beat") != beat:
                    beat, heard = holder.get("beat"), now
                elsewhere = holder.get("host", here) != here
                if elsewhere and now - heard > self.silence:
                    log.warning("%s is locked by %s, which is silent: going on without it", self.path, _who(holder))
                    return None
                # One without a name is about to write it, or about to go.
                over = now - begin >= self.patience and bool(holder or now - heard > 4 * _POLL_SECONDS)
                if over and not (elsewhere and heard == begin):
                    raise self._refusal(holder) from None
                time.sleep(_POLL_SECONDS)
            except OSError:
                return False
            else:
                return True

    def _watch(self, file: int, *, works: bool) -> None:
        """Make sure that whoever wrote the file without giving it back is dead."""
        holder = _read(file)
        # The kernel of this machine knows of its own processes, if they hold its lock.
        if not holder or (works and holder.get("host") == socket.gethostname() and holder.get("locked", True)):
            return
        deadline = time.monotonic() + self.patience
        while not self._silent(file):
            if not _read(file):
                return
            if time.monotonic() >= deadline:
                raise self._refusal(_read(file))

    def _silent(self, file: int) -> bool:
        """Tell whether the beat stays the same for some seconds."""
        log.info("%s: listening for up to %g s whether %s lives", self.path, self.silence, _who(_read(file)))
        first, deadline = _read(file).get("beat"), time.monotonic() + self.silence
        while time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            if _read(file).get("beat") != first:
                return False
        return True

    def _refusal(self, holder: dict[str, Any]) -> ClipbioError:
        return ClipbioError(
            f"run_dir={self.path.parent} is in use by another run: {_who(holder)}; wait for it, or end it"
        )


def _who(holder: dict[str, Any]) -> str:
    since = holder.get("since")
    when = f" since {datetime.fromtimestamp(since).astimezone():%Y-%m-%d %H:%M:%S}" if since else ""
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}{when}"


def _read(file: int) -> dict[str, Any]:
    """Return what the holder wrote; empty where nobody does."""
    try:
        return dict(json.loads(os.pread(file, 4096, 0) or b"{}"))
    except (OSError, ValueError, TypeError):
        return {}
