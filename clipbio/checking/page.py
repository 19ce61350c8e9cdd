"""The report as one HTML page: every picture inside it, nothing from a network."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment

from clipbio import evaluation
from clipbio.checking.check import CheckReport
from clipbio.checking.copies import CopyGroup
from clipbio.checking.plots import rank_frequency_plot, size_plot, token_plot
from clipbio.checking.statistics import species_counts
from clipbio.evaluation.pictures import Picture, shrink
from clipbio.evaluation.table import label
from clipbio.files import write_text
from clipbio.taxonomy import class_name, stable_hash
from clipbio.templates import template_environment

__all__ = ["write_page"]

_TEMPLATES = [Path(__file__).parent / "templates", Path(str(evaluation.__file__)).parent / "templates"]
_SAMPLES = 6
_GROUPS = 24
_SHOWN_MEMBERS = 4
_ODD = 6
_ODDITIES = {"smallest": "Smallest", "largest": "Largest", "longest_aspect": "Furthest from square"}


@dataclass(frozen=True, slots=True)
class Card:
    """One picture of the page with what stands below it."""

    id: str
    name: str
    note: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class CopyCards:
    """Images that show the same photo, side by side."""

    group: CopyGroup
    cards: list[Card]


def write_page(report: CheckReport, path: Path) -> None:
    """Write a report as `check.html`; the pictures are read once more, and made small."""
    samples, groups = _samples(report), report.groups[:_GROUPS]
    odd = _odd(report)
    wanted = {name for names in samples.values() for name in names}
    wanted |= {one.id for group in groups for one in group.members[:_SHOWN_MEMBERS]}
    wanted |= {entry["id"] for entries in odd.values() for entry in entries}
    cards = _Cards(report, wanted)
    context = {
        "report": report,
        "numbers": report.numbers,
        "samples": {split: [cards.card(name) for name in names] for split, names in samples.items()},
        "copies": [_copy_cards(group, cards) for group in groups],
        "odd": {
            title: [cards.card(entry["id"], f"{entry['width']} x {entry['height']} px") for entry in entries]
            for title, entries in odd.items()
        },
        "plots": _plots(report),
        "tokens": _token_plots(report),
    }
    write_text(path, _environment().get_template("check.html.j2").render(context))


class _Cards:
    """Names and small pictures of the specimens that the page shows."""

    def __init__(self, report: CheckReport, wanted: Collection[str]) -> None:
        records = report.records
        kinds, kind_N = records.kinds.values, records.kinds.code_N
        rows = {name: row for row, name in enumerate(records.ids) if name in wanted}
        self._kinds = {name: kinds[kind_N[row]] for name, row in rows.items()}
        # Made small one by one: the images themselves may be large.
        self._pictures = {name: shrink(image, name) for name, image in report.walk.pictures(wanted)}

    def card(self, name: str, note: str = "") -> Card:
        taxon, text = self._kinds[name]
        content = self._pictures.get(name)
        picture = None if content is None else Picture(f"{name}.jpg", content, name)
        return Card(name, class_name(taxon, text) or "unnamed", note, picture)


def _copy_cards(group: CopyGroup, cards: _Cards) -> CopyCards:
    shown = []
    for number, member in enumerate(group.members[:_SHOWN_MEMBERS]):
        note = member.split
        if number:
            note += ", the same file" if group.identical else f", {member.bits} of 256 bits differ"
        shown.append(cards.card(member.id, note))
    return CopyCards(group, shown)


def _samples(report: CheckReport) -> dict[str, list[str]]:
    """Choose ids of each split by a hash, at most one for each species while there are enough."""
    records = report.records
    kind_N, split_N = records.kinds.code_N, records.splits.code_N
    chosen: dict[str, list[str]] = {}
    for row in report.numbers["splits"]:
        code = records.splits.values.index(row["split"])
        rows = [int(place) for place in records.image_M if split_N[place] == code]
        rows.sort(key=lambda place: stable_hash("sample", records.ids[place]))
        first = list({int(kind_N[place]): place for place in reversed(rows)}.values())
        if names := [records.ids[place] for place in _in_order([*reversed(first), *rows])[:_SAMPLES]]:
            chosen[row["split"]] = names
    return chosen


def _odd(report: CheckReport) -> dict[str, list[dict[str, Any]]]:
    """Return the images of unusual size by heading; none where all have one size."""
    if len(np.unique(report.records.size_M2, axis=0)) < 2:
        return {}
    return {title: report.numbers["images"][key][:_ODD] for key, title in _ODDITIES.items()}


def _in_order(places: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(places))


def _plots(report: CheckReport) -> dict[str, Picture]:
    plots = {}
    if counts := list(species_counts(report.records).values()):
        content = rank_frequency_plot(counts)
        plots["Long tail"] = Picture("tail.png", content, "Specimens of each species, most frequent first")
    if len(np.unique(report.records.size_M2, axis=0)) > 1:
        content = size_plot(report.records.size_M2)
        plots["Image sizes"] = Picture("sizes.png", content, "Width and height of the images")
    return plots


def _token_plots(report: CheckReport) -> dict[str, Picture]:
    length = report.options.context_length
    return {
        kind: Picture(f"{kind}.png", token_plot(tokens, length), f"Tokens of each {label(kind)}")
        for kind, tokens in report.texts.tokens.items()
        if len(tokens) and kind != "scientific_name"  # a part of the taxonomic text
    }


def _environment() -> Environment:
    environment = template_environment(*_TEMPLATES)
    environment.filters |= {"count": _count, "share": _share, "label": label}
    return environment


def _count(number: float) -> str:
    """Return a number with thin groups of thousands; whole ones without a point."""
    return f"{number:,.0f}".replace(",", "\u202f") if float(number).is_integer() else f"{number:.3g}"


def _share(part: float) -> str:
    return f"{100 * part:.1f} %"
