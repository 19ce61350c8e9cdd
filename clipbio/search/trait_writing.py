"""Extracting the traits of descriptions for an index; what was extracted before is taken over."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from clipbio.progress import progress_bar
from clipbio.search.arrow import numpy_of
from clipbio.search.query import Array
from clipbio.search.trait_table import TraitTable, trait_rows
from clipbio.taxonomy import RANKS, Taxon
from clipbio.traits import LANGUAGES, Trait, extract, group_of, language_code

__all__ = ["write_traits"]

log = logging.getLogger(__name__)

# A bar for fewer would be gone before it is read.
_MANY = 500


def write_traits(
    path: Path,
    records: Sequence[Mapping[str, str]],
    language: str,
    known: TraitTable | None,
    places: Sequence[int | None],
) -> int:
    """Write the traits of descriptions, and return their number.

    Args:
        path: The file.
        records: The descriptions, as `Descriptions.record` gives them.
        language: That of descriptions that name none.
        known: Traits that were extracted before.
        places: For each description its number there, None for new ones.
    """
    old = [(number, place) for number, place in enumerate(places) if place is not None]
    new = [number for number, place in enumerate(places) if place is None]
    parts = [trait_rows(_extracted(records, new, language))]
    if known is not None and old:
        parts.append(_taken(known, old))
    table = pa.concat_tables(parts)
    order = np.argsort(numpy_of(table["description"]), kind="stable")
    TraitTable.of(table.take(pa.array(order)), len(records)).write(path)
    return int(table.num_rows)


def _extracted(records: Sequence[Mapping[str, str]], new: Sequence[int], language: str) -> Iterator[tuple[int, Trait]]:
    passed: Counter[str] = Counter()
    with progress_bar(enabled=len(new) > _MANY) as bar:
        for number in bar.track(new, description="traits"):
            record = records[number]
            code = language_code(record["language"] or language)
            if code not in LANGUAGES:
                passed[record["language"] or language] += 1
                continue
            group = group_of(Taxon(*(record[rank] for rank in RANKS)))
            yield from ((number, trait) for trait in extract(record["text"], group=group, language=code))
    if passed:
        names = ", ".join(f"'{name}'" for name in sorted(passed))
        log.warning("traits are read from English and French: %d descriptions in %s give none", passed.total(), names)


def _taken(known: TraitTable, old: Sequence[tuple[int, int]]) -> pa.Table:
    """Return rows of known traits with the new numbers of their descriptions."""
    offsets = known.offsets_T1
    rows = [np.arange(offsets[place], offsets[place + 1]) for _, place in old]
    numbers: Array = np.repeat([number for number, _ in old], [len(one) for one in rows]).astype(np.int32)
    table = known.table.take(pa.array(np.concatenate(rows)))
    return table.set_column(0, table.schema.field("description"), pa.array(numbers))
