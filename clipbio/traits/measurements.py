"""Traits as rows of Darwin Core MeasurementOrFact.

A range becomes two rows, its minimum and its maximum, under one parentMeasurementID, as the Encyclopedia of Life has
it; `statisticalMethod` is its term too. The quoted phrase with its place in the description stands in the remarks.
"""

from __future__ import annotations

from collections.abc import Iterator

from clipbio import __version__
from clipbio.traits.described import Described
from clipbio.traits.trait import Trait

__all__ = ["MEASUREMENT_TERMS", "measurements", "one_line"]

_DWC, _DC = "http://rs.tdwg.org/dwc/terms/", "http://purl.org/dc/terms/"
MEASUREMENT_TERMS = {
    "measurementID": f"{_DWC}measurementID",
    "parentMeasurementID": f"{_DWC}parentMeasurementID",
    "occurrenceID": f"{_DWC}occurrenceID",
    "measurementType": f"{_DWC}measurementType",
    "verbatimMeasurementType": f"{_DWC}verbatimMeasurementType",
    "measurementValue": f"{_DWC}measurementValue",
    "measurementUnit": f"{_DWC}measurementUnit",
    "statisticalMethod": "http://eol.org/schema/terms/statisticalMethod",
    "measurementDeterminedBy": f"{_DWC}measurementDeterminedBy",
    "measurementMethod": f"{_DWC}measurementMethod",
    "measurementRemarks": f"{_DWC}measurementRemarks",
    "language": f"{_DC}language",
    "source": f"{_DC}source",
    "license": f"{_DC}license",
}
"""The columns of the table behind the id of the taxon, and what they mean."""

_BREAKS = str.maketrans("\n\r\t\v\f\x85\u2028\u2029", " " * 8)


def one_line(text: str) -> str:
    """Return a text of the same length without line breaks: readers of archives go line by line."""
    return text.translate(_BREAKS)


def measurements(about: Described, trait_id: str, trait: Trait, *, group: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a trait: two for a range, else one.

    Args:
        about: the description.
        trait_id: the id of the trait: `measurementID` of its row, `parentMeasurementID` of its rows.
        trait: what it says.
        group: the vocabulary that was used.
    """
    row = {
        "occurrenceID": about.specimen_id,
        "measurementType": trait.character,
        "verbatimMeasurementType": _words_of_organ(about.text, trait),
        "measurementUnit": trait.unit,
        "measurementDeterminedBy": f"clipbio {__version__}",
        "measurementMethod": _method(about, group),
        "measurementRemarks": _remarks(about, trait),
        "language": about.language,
        "source": about.source,
        "license": about.licence,
    }
    values = _values(trait)
    for statistic, value in values:
        ids = {"measurementID": trait_id, "parentMeasurementID": ""}
        if len(values) > 1:
            ids = {"measurementID": f"{trait_id}-{statistic}", "parentMeasurementID": trait_id}
        told = row | ids | {"measurementValue": value, "statisticalMethod": statistic}
        yield {name: one_line(told[name]) for name in MEASUREMENT_TERMS}


def _values(trait: Trait) -> list[tuple[str, str]]:
    """Return the values of a trait with what statistic each is."""
    bounds = [("min", trait.low), ("max", trait.high)]
    told = [(statistic, f"{bound:g}") for statistic, bound in bounds if bound is not None]
    if trait.negated or not told:
        return [("", f"not {trait.value}" if trait.negated else trait.value)]
    return [("", told[0][1])] if trait.low == trait.high else told


def _words_of_organ(text: str, trait: Trait) -> str:
    return text[trait.organ_start : trait.organ_end] if trait.organ_start >= 0 else ""


def _method(about: Described, group: str) -> str:
    vocabulary = " ".join(filter(None, (group, about.language)))
    return f"clipbio {__version__} traits, rules and vocabulary{f' ({vocabulary})' if vocabulary else ''}"


def _remarks(about: Described, trait: Trait) -> str:
    told = [f'"{trait.phrase}" (characters {trait.start} to {trait.end} of description {about.id})']
    told += [f"{name}: {getattr(trait, name)}" for name in ("sex", "stage", "side", "shade") if getattr(trait, name)]
    extremes = [f"{bound:g}" for bound in (trait.minimum, trait.maximum) if bound is not None]
    return "; ".join([*told, f"extremes: {' and '.join(extremes)} {trait.unit}".strip()] if extremes else told)
