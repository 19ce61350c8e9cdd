"""What is found as plain values, as flat records and as CSV: for files, the console and the network."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from clipbio.search.results import DescriptionHit, Hit, Results, SpeciesHit, SpecimenHit
from clipbio.taxonomy import RANKS, Taxon
from clipbio.traits import Trait

__all__ = ["csv_text", "plain", "records"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(value: Any, more: Callable[[SpecimenHit], Mapping[str, Any]] = lambda _: {}) -> Any:
    """Return a value as JSON has it: dataclasses as objects, a taxon by rank, numbers that are not finite as null.

    Args:
        value: What is found, or a part of it.
        more: Gives what an object of a specimen has beside its fields.
    """
    if isinstance(value, Taxon):
        return dict(zip(RANKS, value.ranks, strict=True))
    if is_dataclass(value) and not isinstance(value, type):
        found = {field.name: plain(getattr(value, field.name), more) for field in fields(value)}
        if isinstance(value, Trait):
            return {"character": value.character, **found}
        return {**found, **more(value)} if isinstance(value, SpecimenHit) else found
    if isinstance(value, np.generic):
        return plain(value.item(), more)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one, more) for key, one in value.items()}
    if isinstance(value, Sequence | np.ndarray):
        return [plain(one, more) for one in value]
    return str(value)


def records(results: Results) -> list[dict[str, Any]]:
    """Return one flat record for each hit: text and numbers, null where nothing is known.

    `lists` is such as `description:1 image:4`; other columns of a specimen come last, under `meta.NAME` where a column
    of that name is there already.
    """
    return [_record(hit) for hit in results.hits]


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV with a line of names; columns are those of all records, in the order they come.

    Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(map(_cell, names))
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return buffer.getvalue()


def _record(hit: Hit) -> dict[str, Any]:
    common = {"rank": hit.rank, "score": plain(hit.score), "name": hit.name}
    ranks = plain(hit.taxon)
    why = {"lists": " ".join(f"{name}:{place}" for name, place in hit.lists.items())}
    if isinstance(hit, DescriptionHit):
        names = ("text", "source", "licence", "language", "count")
        best = {"sentence": hit.best.text if hit.best else "", "traits": "; ".join(map(_stated, hit.traits))}
        return {**common, **ranks, **{name: getattr(hit, name) for name in names}, **best, **why}
    sentence = {"sentence": hit.passage.text if hit.passage else ""}
    if isinstance(hit, SpeciesHit):
        sheets = {"count": hit.count, "sheets": " ".join(sheet.id for sheet in hit.sheets)}
        return {**common, "common_name": hit.common_name, **ranks, **sheets, **sentence, **why}
    owner = {"licence": hit.licence, "rights_holder": hit.rights_holder}
    found = {**common, "id": hit.id, "common_name": hit.common_name, **ranks, **owner, **sentence, **why}
    values = {str(name): plain(value) for name, value in hit.values.items()}
    return found | {(f"meta.{name}" if name in found else name): value for name, value in values.items()}


def _stated(trait: Trait) -> str:
    return f"{'not ' if trait.negated else ''}{trait.character}={trait.value}"


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
