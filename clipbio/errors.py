"""Errors that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ClipbioError", "closest", "nearest"]


class ClipbioError(Exception):
    """Bad input, told in one line: what was wrong, where, and what to do."""


def closest(word: str, valid: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the closest valid word, nothing if none is close."""
    close = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the closest valid word, or the list of valid words if none is close."""
    words = list(valid)
    return closest(word, words) or (f"; valid are: {', '.join(words)}" if words else "")
