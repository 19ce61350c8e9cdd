"""Spans of time by the clock on the wall."""

from __future__ import annotations

import re

from clipbio.errors import ClipbioError

__all__ = ["seconds_of"]

_FORM = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>seconds?|minutes?|hours?)\s*")
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


def seconds_of(text: str, key: str) -> float:
    """Return `90 seconds`, `30 minutes` or `2 hours` in seconds; `key` names the setting in the error."""
    match = _FORM.fullmatch(str(text))
    if match is None or not float(match["number"]):
        raise ClipbioError(f"{key}='{text}' is no span of time: write such as '90 seconds', '30 minutes' or '2 hours'")
    return float(match["number"]) * _SECONDS[match["unit"].rstrip("s")]
