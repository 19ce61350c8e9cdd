"""Settings of a benchmark that are chosen from a list."""

from __future__ import annotations

from collections.abc import Iterable

from clipbio.errors import ClipbioError, closest

__all__ = ["check_choices"]


def check_choices(benchmark: str, setting: str, values: Iterable[str], valid: Iterable[str]) -> None:
    """Refuse a value that is not among the valid ones, and no value at all.

    Raises:
        ClipbioError: With the closest valid value and all of them.
    """
    values, valid = tuple(values), tuple(valid)
    told = f"; valid are: {', '.join(valid)}"
    if not values:
        raise ClipbioError(f"benchmark {benchmark}: {setting}=[] leaves nothing to measure{told}")
    for value in values:
        if value not in valid:
            hint = closest(str(value), valid)
            raise ClipbioError(f"benchmark {benchmark}: {setting} has no choice '{value}'{hint}{told}")
