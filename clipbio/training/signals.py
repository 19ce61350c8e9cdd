"""Signals that ask a run to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clipbio.errors import Stopped

__all__ = ["STOP_SIGNALS", "StopSignals"]

log = logging.getLogger(__name__)

# The later ones say more: where processes received different ones, the last of this order holds.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_installed: StopSignals | None = None


class StopSignals:
    """Handlers of the signals that ask for the end: at once, or while it is `deferred` when the run is ready for it.

    Each signal is also written to `arrivals` the moment it comes, though the main thread may sit in a collective and
    run no handler: a thread that reads there can act.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.deferred = False
        self.leaving = False
        self.arrivals: socket.socket | None = None
        self._sender: socket.socket | None = None
        self._previous: dict[int, Any] = {}
        self._previous_fd = -1

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Listen; only a main thread can, another one leaves signals as they are."""
        global _installed
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.arrivals, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._previous_fd = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, self._receive) for number in STOP_SIGNALS}
        outer, _installed = _installed, self
        try:
            yield
        finally:
            _installed = outer
            self.restore()
            self.arrivals.close()
            self._sender.close()

    def restore(self) -> None:
        """Give the handlers back."""
        signal.set_wakeup_fd(self._previous_fd)
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous = {}

    def ask(self, number: int) -> None:
        """Take note that the run shall stop."""
        if self.number is None or STOP_SIGNALS.index(signal.Signals(number)) > self._weight:
            self.number = number

    @property
    def _weight(self) -> int:
        return -1 if self.number is None else STOP_SIGNALS.index(signal.Signals(self.number))

    def leave_if_asked(self) -> None:
        """Leave now if the run was asked to stop.

        Raises:
            Stopped: It was.
        """
        if self.number is not None:
            self.leaving = True
            raise Stopped(self.number)

    def _receive(self, number: int, frame: Any) -> None:
        del frame
        again = self.number is not None and number == signal.SIGINT
        first = self.number is None
        self.ask(number)
        if self.leaving:
            return
        if not self.deferred or again:
            self.leave_if_asked()
        if first:
            name = signal.Signals(number).name
            log.warning("%s: saving a checkpoint after this step; Ctrl-C (again) stops at once", name)


def _forget_in_child() -> None:
    """Let what this process forks, such as data workers, be signalled without the run hearing of it."""
    if _installed is not None:
        with contextlib.suppress(ValueError, OSError):
            _installed.restore()


os.register_at_fork(after_in_child=_forget_in_child)
