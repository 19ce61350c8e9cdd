"""How many lines of Python a call runs: what grows faster than its input is seen without a clock."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["steps"]


def steps(call: Callable[[], object]) -> int:
    """Return the lines that a call runs; what compiled code does within one of them is not counted."""
    count = 0

    def trace(frame: FrameType, event: str, value: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
