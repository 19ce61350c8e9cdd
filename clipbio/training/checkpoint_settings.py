"""Checks of the settings under checkpoint=."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.training.durations import Duration
from clipbio.training.last_checkpoint import wall_seconds

__all__ = ["check_checkpoints"]


def check_checkpoints(settings: Mapping[str, Any]) -> None:
    """Check when checkpoints are written, and which are kept.

    Raises:
        ClipbioError: Something cannot work; the message names the key.
    """
    every = settings["every"]
    if wall_seconds(every) is None and Duration.parse(every, "checkpoint.every").number <= 0:
        raise ClipbioError(f"checkpoint.every='{every}' must be more than nothing")
    lasting = settings["keep_every"]
    if lasting is not None and Duration.parse(lasting, "checkpoint.keep_every").number <= 0:
        raise ClipbioError(f"checkpoint.keep_every='{lasting}' must be more than nothing; null keeps none")
    if settings["mode"] not in ("max", "min"):
        raise ClipbioError(f"checkpoint.mode='{settings['mode']}' must be max or min")
    keep = settings["keep"]
    if not isinstance(keep, int) or isinstance(keep, bool) or keep < 1:
        raise ClipbioError(f"checkpoint.keep={keep} must be a whole number of at least 1")
    if not isinstance(settings["asynchronous"], bool):
        raise ClipbioError(f"checkpoint.asynchronous={settings['asynchronous']} must be true or false")
