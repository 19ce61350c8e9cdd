"""What is told of pictures as a CSV or JSONL file, or as MeasurementOrFact, written as it comes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from clipbio.characters.described import PictureText
from clipbio.characters.describer import Prediction
from clipbio.characters.measurements import COLUMNS, measurements
from clipbio.errors import ClipbioError

__all__ = ["MEASUREMENTS", "SUFFIXES", "TextWriter", "checked_suffix", "open_writer"]

SUFFIXES = (".csv", ".jsonl")
MEASUREMENTS = ".mof.csv"
_COLUMNS = ("picture", "character", "state", "confidence", "visible", "alternatives")


class TextWriter(Protocol):
    """Takes what is told of pictures."""

    def write(self, told: Sequence[PictureText]) -> None:
        """Write it."""


class _Csv:
    """A line per picture and character."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.DictWriter(file, _COLUMNS)
        self._writer.writeheader()

    def write(self, told: Sequence[PictureText]) -> None:
        self._writer.writerows({"picture": one.picture, **_row(each)} for one in told for each in one.predictions)


class _Measurements:
    """A line per picture and character that is told, as MeasurementOrFact."""

    def __init__(self, file: TextIO, method: str) -> None:
        self._writer = csv.DictWriter(file, COLUMNS)
        self._writer.writeheader()
        self._method = method

    def write(self, told: Sequence[PictureText]) -> None:
        self._writer.writerows(row for one in told for row in measurements(one, self._method))


class _JsonLines:
    """A line per picture."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, told: Sequence[PictureText]) -> None:
        for one in told:
            self._file.write(json.dumps(_record(one), ensure_ascii=False) + "\n")


def checked_suffix(path: Path) -> Path:
    """Return a path that characters can be written to.

    Raises:
        ClipbioError: It has another suffix.
    """
    if path.suffix not in SUFFIXES:
        raise ClipbioError(f"out={path}: characters are written as {', '.join(SUFFIXES)} or {MEASUREMENTS}")
    return path


@contextmanager
def open_writer(path: Path, method: str) -> Iterator[TextWriter]:
    """Give a writer whose file takes its place when all is written; a run that breaks off leaves what was there.

    Args:
        path: Its suffix tells the form.
        method: How characters were read, for MeasurementOrFact.

    Raises:
        ClipbioError: The file cannot be written.
    """
    work = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with work.open("w", encoding="utf-8", newline="") as file:
            if path.name.endswith(MEASUREMENTS):
                yield _Measurements(file, method)
            else:
                yield _Csv(file) if path.suffix == ".csv" else _JsonLines(file)
        work.replace(path)
    except OSError as error:
        raise ClipbioError(f"out={path} cannot be written: {error.strerror or error}") from error
    finally:
        work.unlink(missing_ok=True)


def _row(one: Prediction) -> dict[str, Any]:
    return {
        "character": one.character,
        "state": one.state,
        "confidence": f"{one.confidence:.4f}",
        "visible": "yes" if one.answered else "no",
        "alternatives": "; ".join(f"{state} {share:.4f}" for state, share in one.alternatives),
    }


def _record(one: PictureText) -> dict[str, Any]:
    caption = {"caption": one.caption} if one.caption else {}
    return {
        "picture": one.picture,
        "sentence": one.sentence,
        **caption,
        "characters": [
            {
                "character": each.character,
                "state": each.state,
                "confidence": round(each.confidence, 6),
                "visible": each.answered,
                "alternatives": {state: round(share, 6) for state, share in each.alternatives},
            }
            for each in one.predictions
        ],
        "nearest": [
            {"species": near.written.species, "text": near.written.text, "cosine": round(near.cosine, 6)}
            for near in one.nearest
        ],
    }
