"""How a command ends other than well: errors that a user can act on, and requests to stop."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable

__all__ = [
    "ClipbioError",
    "DamagedError",
    "DivergedError",
    "HungError",
    "Pruned",
    "RunError",
    "Stopped",
    "closest",
    "nearest",
]


class ClipbioError(Exception):
    """Bad input, told in one line: what was wrong, where, and what to do."""

    exit_code = 2


class DamagedError(ClipbioError):
    """A file that is missing, cut or altered; never one that could not be read just now."""


class RunError(ClipbioError):
    """A sound command that could not be carried out: a full disk, a lost process."""

    exit_code = 1


class DivergedError(RunError):
    """A loss, a gradient or a weight that is not finite."""


class HungError(RunError):
    """Nothing happened for too long."""

    exit_code = 70


class Stopped(BaseException):
    """A signal asked for the end, and what could be saved is saved; Lightning and Hydra let it pass.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}: continue with resume=auto")
        self.number = number

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, as shells have it; else 75, which asks for another attempt (EX_TEMPFAIL)."""
        return 130 if self.number == signal.SIGINT else 75

    @property
    def state(self) -> str:
        """What `status.json` says: `preempted` if a batch system wants its machine back and will start the run anew."""
        return "preempted" if self.number in (signal.SIGUSR1, signal.SIGUSR2) else "interrupted"


class Pruned(ClipbioError):  # noqa: N818 - no error, but it must pass as one
    """A search has given up a run that does worse than others did at this point; no failure."""

    exit_code = 0


def closest(word: str, valid: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the closest valid word, nothing if none is close."""
    close = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the closest valid word, or the list of valid words if none is close."""
    words = list(valid)
    return closest(word, words) or (f"; valid are: {', '.join(words)}" if words else "")
