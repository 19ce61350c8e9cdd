"""Settings of a benchmark that are chosen from a list."""

from __future__ import annotations

from collections.abc import Iterable

from clipbio.errors import ClipbioError, nearest

__all__ = ["check_choices"]


def check_choices(benchmark: str, setting: str, values: Iterable[str], valid: Iterable[str]) -> None:
    """Refuse a value that is not among the valid ones.

    Raises:
        ClipbioError: With the closest valid value and all of them.
    """
    valid = tuple(valid)
    for value in values:
        if value not in valid:
            raise ClipbioError(
                f"benchmark {benchmark}: {setting} has no choice '{value}'{nearest(str(value), valid)}; valid are: "
                f"{', '.join(valid)}"
            )
