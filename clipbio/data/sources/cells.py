"""Cells of tables as sources read them: text without what stands for a missing value, and files beside the table."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from clipbio.names import clean_phrase

__all__ = ["existing_file", "given", "has_bases", "is_not_given", "is_sequence", "text", "texts"]

_MISSING = frozenset({"unknown", "not_classified", "nan", "null", "n/a"})
# What R and Python write for a missing value; not among metadata, where NA is Namibia.
_NOT_GIVEN = frozenset({"na", "none"})
# The letters of IUPAC, inosine, gaps, and what alignments write for an unknown base.
_SEQUENCE = re.compile(r"[ACGTURYSWKMBDHVNI?.-]+", re.IGNORECASE)
_NO_BASES = "NnIi?.- \t\r\n"


def text(value: Any) -> str:
    """Return a cell as text: empty for what stands for a missing value."""
    if value is None or value != value:  # NaN is the one value that differs from itself
        return ""
    told = str(value).strip()
    return "" if told.lower() in _MISSING else told


def given(value: Any) -> str:
    """Return a cell that is no metadata as text: `NA` and `none` are missing values too."""
    told = text(value)
    return "" if is_not_given(told) else told


def is_not_given(told: str) -> bool:
    """Tell whether a cell holds what programs write for a missing value."""
    return told.lower() in _NOT_GIVEN


def texts(value: Any) -> tuple[str, ...]:
    """Return the phrases of a cell: one, or in parquet a list of them."""
    values = value if isinstance(value, list) else [value]
    return tuple(phrase for phrase in map(clean_phrase, map(given, values)) if phrase)


def is_sequence(told: str) -> bool:
    """Tell whether a cell holds a sequence of nucleotides, gaps included."""
    return _SEQUENCE.fullmatch(told) is not None


def has_bases(told: str) -> bool:
    """Tell whether a sequence holds more than gaps and unknown bases, which are no barcode."""
    return bool(told.strip(_NO_BASES))


def existing_file(root: Path, name: str) -> Path | None:
    """Return a file named relative to a folder, or by an absolute path; None if it is not there."""
    path = os.path.join(root, name)  # noqa: PTH118 - asked for every record, and twice as fast as pathlib
    return Path(path) if os.path.isfile(path) else None  # noqa: PTH113
