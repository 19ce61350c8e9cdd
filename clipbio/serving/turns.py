"""Who searches when: a few at once, the others in a queue that has an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread

from clipbio.serving.errors import RefusalError
from clipbio.serving.limits import Limits

__all__ = ["Turns"]

T = TypeVar("T")


class Turns:
    """Runs work in threads, `Limits.at_once` at a time; of one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._places = anyio.Semaphore(limits.at_once)
        # The places bound it already; its own bound must not be lower.
        self._threads = anyio.CapacityLimiter(limits.at_once)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in a thread when it is its turn.

        Raises:
            RefusalError: Too many wait already, or the turn did not come in time.
        """
        await self._wait()
        try:
            return await to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._places.release()

    async def _wait(self) -> None:
        if self._waiting >= self._limits.waiting:
            raise RefusalError(503, f"{self._waiting} searches wait already: try again in a moment")
        self._waiting += 1
        try:
            with anyio.fail_after(self._limits.wait_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            seconds = self._limits.wait_seconds
            raise RefusalError(503, f"the server was busy for {seconds:g} seconds: try again in a moment") from error
        finally:
            self._waiting -= 1
