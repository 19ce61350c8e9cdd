"""What specimens are filtered and counted by: their ranks, and the columns of text and of numbers.

Shape suffixes: N specimen rows, K keys (the distinct lineages, or the rows themselves), C distinct values.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError, closest

__all__ = ["Column", "Condition", "NumberColumn", "TextColumn", "Where"]

Array = npt.NDArray[Any]
Value = str | int | float
Condition = Value | Sequence[Value]
"""A value, several of which any will do, or for numbers `1900..1950`, `..1950`, `1900..`."""
Where = Mapping[str, Condition]

_RANGE = re.compile(r"(.*?)\.\.(.*)")
_LENGTHS_APART = 4
_MOST_COMPARED = 2000
_MOST_NAMED = 12


class TextColumn:
    """A column of words.

    `code_K` are places in `values`, -1 where nothing is known; `key_N` tells which key each row has, None where the
    keys are the rows themselves.
    """

    def __init__(self, name: str, values: Sequence[str], code_K: Array, key_N: Array | None = None) -> None:
        self.name = name
        self.values = list(values)
        self._code_K = code_K
        self._key_N = key_N

    def mask_N(self, wanted: Sequence[Value]) -> Array:
        """Tell which rows have one of the wanted values, whatever their case; an empty one asks for what is not known.

        Raises:
            ClipbioError: No row has such a value.
        """
        # The last place is that of the code -1.
        hit_C = np.zeros(len(self.values) + 1, bool)
        for value in wanted:
            hit_C[self._codes_of(str(value))] = True
        hit_K: Array = hit_C[self._code_K]
        return hit_K if self._key_N is None else hit_K[self._key_N]

    def counts_C(self, mask_N: Array, key_counts_K: Array | None = None) -> Array:
        """Count the rows of each value that the mask lets through; `key_counts_K` are those of the keys if known."""
        if self._key_N is None:
            return np.bincount(self._code_K[mask_N] + 1, minlength=len(self.values) + 1)[1:]
        if key_counts_K is None:
            key_counts_K = np.bincount(self._key_N[mask_N], minlength=len(self._code_K))
        return np.bincount(self._code_K + 1, key_counts_K, len(self.values) + 1).astype(np.int64)[1:]

    @property
    def code_N(self) -> Array:
        """Return for each row the place of its value, -1 where none is known."""
        return self._code_K if self._key_N is None else self._code_K[self._key_N]

    @cached_property
    def _codes(self) -> dict[str, list[int]]:
        codes = defaultdict(list, {"": [-1]})
        for code, value in enumerate(self.values):
            codes[value.casefold()].append(code)
        return dict(codes)

    def _codes_of(self, value: str) -> list[int]:
        codes = self._codes.get(value.strip().casefold())
        if codes is None:
            raise ClipbioError(f"no specimen has the {self.name} '{value}'{self._hint(value)}")
        return codes

    def _hint(self, value: str) -> str:
        near = [name for name in self.values if abs(len(name) - len(value)) < _LENGTHS_APART]
        if len(near) > _MOST_COMPARED:
            # A comparison takes long, and a slip of the pen is seldom in the first letter.
            near = [name for name in near if name[:1].casefold() == value[:1].casefold()][:_MOST_COMPARED]
        listed = f"; it is one of: {', '.join(self.values)}" if 0 < len(self.values) <= _MOST_NAMED else ""
        return closest(value, near) or listed


class NumberColumn:
    """A column of numbers (N,) float64, NaN where none is known."""

    def __init__(self, name: str, value_N: Array) -> None:
        self.name = name
        self._value_N = value_N

    def mask_N(self, wanted: Sequence[Value]) -> Array:
        """Tell which rows have one of the wanted numbers or lie in one of the ranges, their ends included.

        Raises:
            ClipbioError: What is wanted is neither a number nor a range.
        """
        mask_N = np.zeros(len(self._value_N), bool)
        for value in wanted:
            low, high = self._range(value)
            mask_N |= (self._value_N >= low) & (self._value_N <= high)
        return mask_N

    def range(self, mask_N: Array) -> tuple[float, float] | None:
        """Return the lowest and the highest number that the mask lets through, None without any."""
        values = self._value_N[mask_N]
        # fmin and fmax pass over what is not known.
        low, high = np.fmin.reduce(values, initial=np.nan), np.fmax.reduce(values, initial=np.nan)
        return None if np.isnan(low) else (float(low), float(high))

    def _range(self, value: Value) -> tuple[float, float]:
        match = _RANGE.fullmatch(str(value).strip())
        low, high = match.groups() if match else (str(value), str(value))
        if match and not (low.strip() or high.strip()):
            raise ClipbioError(f"the filter {self.name} '{value}' has no end; give 1900..1950, ..1950 or 1900..")
        ends = (
            self._number(low, value, -np.inf if match else None),
            self._number(high, value, np.inf if match else None),
        )
        if ends[0] > ends[1]:
            raise ClipbioError(f"the filter {self.name} '{value}' ends before it begins; put the smaller number first")
        return ends

    def _number(self, text: str, value: Value, missing: float | None) -> float:
        if missing is not None and not text.strip():
            return missing
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        if np.isnan(number):
            raise ClipbioError(
                f"{self.name} holds numbers, and '{value}' is none; give 1900, 1900..1950, ..1950 or 1900.."
            )
        return number


Column = TextColumn | NumberColumn
