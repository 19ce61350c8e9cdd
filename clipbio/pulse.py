"""Signs of life: whatever makes progress gives them, the watchdog of a run reads them.

A process has one pulse. It is no argument, because what beats (the progress bar of an encoder, say) knows of no run.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PULSE", "Pulse"]


@dataclass
class Pulse:
    """What this process does, and how many signs of life it has given."""

    phase: str = "starting"
    beats: int = 0

    def beat(self) -> None:
        """Give a sign of life."""
        self.beats += 1

    def enter(self, phase: str) -> None:
        """Tell what begins now, a sign of life too."""
        self.phase = phase
        self.beat()


PULSE = Pulse()
