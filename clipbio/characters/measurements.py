"""Predicted characters as rows of Darwin Core MeasurementOrFact, in the columns of extracted traits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clipbio import __version__
from clipbio.characters.described import PictureText
from clipbio.traits.measurements import MEASUREMENT_TERMS, one_line

__all__ = ["COLUMNS", "measurements", "method_of"]

COLUMNS = (*MEASUREMENT_TERMS, "measurementAccuracy")


def method_of(facts: Mapping[str, Any]) -> str:
    """Return how characters were read, with the hashes of the weights, from what a describer knows of its model."""
    towers = ", ".join(f"{name} tower {fingerprint}" for name, fingerprint in facts.get("towers", {}).items())
    return f"clipbio {__version__} describe, {facts.get('model', 'a model')}{f' ({towers})' if towers else ''}"


def measurements(told: PictureText, method: str) -> Iterator[dict[str, str]]:
    """Yield a row for each character of a picture that is sure enough to be told.

    Args:
        told: What is told of the picture; its path stands as `occurrenceID`.
        method: How it was read (`method_of`).
    """
    for one in told.predictions:
        if one.answered:
            others = "; ".join(f"{state} {share:.2f}" for state, share in one.alternatives)
            row = {
                "measurementID": f"{told.picture}#{one.character}",
                "occurrenceID": told.picture,
                "measurementType": one.character,
                "measurementValue": one.state,
                "measurementDeterminedBy": f"clipbio {__version__}",
                "measurementMethod": method,
                "measurementRemarks": f"read off the image; else {others}",
                "language": "en",
                "measurementAccuracy": f"confidence {one.confidence:.4f}",
            }
            yield {name: one_line(row.get(name, "")) for name in COLUMNS}
