"""From records to the numbers of a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.checking.records import MODALITIES, Records
from clipbio.checking.texts import quantiles
from clipbio.data.manifest import SPLITS
from clipbio.data.species_texts import SpeciesTexts
from clipbio.taxonomy import RANKS

__all__ = [
    "image_sizes",
    "licences",
    "long_tail",
    "modalities",
    "ranks",
    "species_counts",
    "splits",
    "text_bits",
]

TINY_SIDE, EXTREME_ASPECT = 64, 4.0
_LISTED = 10

Integers = npt.NDArray[np.int64]


def text_bits(records: Records, texts: SpeciesTexts) -> npt.NDArray[np.int8]:
    """Return as bits of `MODALITIES` which texts the species of each kind of specimen brings."""
    description, common_name = (1 << MODALITIES.index(name) for name in ("description", "common_name"))
    found = []
    for taxon, _ in records.kinds.values:
        names, descriptions = texts.names_and_descriptions(taxon)
        found.append(description * bool(descriptions) | common_name * bool(names))
    return np.array(found, np.int8)


def modalities(records: Records, has_N: Integers) -> list[dict[str, Any]]:
    """Return one row for each combination of modalities in each split, with the number of its specimens."""
    width = 1 << len(MODALITIES)
    counts = np.bincount(records.splits.code_N * width + has_N, minlength=width * len(records.splits.values))
    rows = []
    for place in np.flatnonzero(counts):
        split, bits = records.splits.values[place // width], int(place % width)
        has = {name: bool(bits >> bit & 1) for bit, name in enumerate(MODALITIES)}
        rows.append({"split": split, **has, "specimens": int(counts[place])})
    return sorted(rows, key=lambda row: (_place(row["split"]), -row["specimens"]))


def splits(records: Records) -> list[dict[str, Any]]:
    """Return specimens, images, species and groups of each split."""
    code_N, group_N, species_N = records.splits.code_N, records.group_N, _species(records)[1]
    with_image = code_N[records.image_M]
    rows = []
    for code, name in enumerate(records.splits.values):
        inside = code_N == code
        species = np.unique(species_N[inside])
        rows.append(
            {
                "split": name,
                "specimens": int(inside.sum()),
                "images_opened": int((with_image == code).sum()),
                "species": int((species >= 0).sum()),
                "groups": len(np.unique(group_N[inside])),
            }
        )
    return sorted(rows, key=lambda row: _place(row["split"]))


def ranks(records: Records) -> list[dict[str, Any]]:
    """Return for each rank the number of distinct names and the share of specimens that have one."""
    weight_K = np.bincount(records.kinds.code_N, minlength=len(records.kinds.values))
    key_K7 = np.array([taxon.rank_keys for taxon, _ in records.kinds.values], np.int64).reshape(-1, len(RANKS))
    known_K7 = key_K7 != -1
    rows = []
    for place, rank in enumerate(RANKS):
        known = known_K7[:, place]
        names, specimens = len(np.unique(key_K7[known, place])), int(weight_K[known].sum())
        rows.append({"rank": rank, "names": names, "specimens": specimens, "share": _share(specimens, len(records))})
    return rows


def species_counts(records: Records) -> dict[str, int]:
    """Return the number of specimens of each species (its binomial, else its label), the most frequent first."""
    names, species_N = _species(records)
    counts = np.bincount(species_N[species_N >= 0], minlength=len(names)).tolist()
    return dict(sorted(zip(names, counts, strict=True), key=lambda item: (-item[1], item[0])))


def long_tail(records: Records) -> dict[str, Any]:
    """Return how unevenly the specimens are spread over the species."""
    counts = species_counts(records)
    count_S = np.array(list(counts.values()), np.int64)
    total = int(count_S.sum())
    half = int(np.searchsorted(count_S.cumsum(), total / 2)) + 1 if total else 0
    return {
        "species": len(counts),
        "undetermined": len(records) - total,
        "specimens_per_species": quantiles(count_S),
        "singletons": int((count_S == 1).sum()),
        "below_five": int((count_S < 5).sum()),
        "species_with_half_of_the_specimens": half,
        "most_frequent": dict(list(counts.items())[:_LISTED]),
        "rarest": dict(list(counts.items())[-_LISTED:]),
    }


def image_sizes(records: Records) -> dict[str, Any]:
    """Return sizes, formats and modes of the opened images, and the ids of the oddest ones."""
    size_M2, rows_M = records.size_M2, records.image_M
    if not len(rows_M):
        return {"opened": 0}
    short_M, long_M = size_M2.min(axis=1), size_M2.max(axis=1)
    aspect_M = long_M / short_M
    ids = records.ids
    return {
        "opened": len(rows_M),
        "bytes": int(records.bytes_M.sum()),
        "width": quantiles(size_M2[:, 0]),
        "height": quantiles(size_M2[:, 1]),
        "aspect": quantiles(aspect_M),
        "formats": records.formats.counts(),
        "modes": {mode: count for mode, count in records.modes.counts().items() if mode},
        "blank": int(records.blank_M.sum()),
        "tiny": int((short_M < TINY_SIDE).sum()),
        "extreme_aspect": int((aspect_M > EXTREME_ASPECT).sum()),
        "smallest": _named(ids, rows_M, size_M2, np.argsort(short_M * long_M, kind="stable")[:_LISTED]),
        "largest": _named(ids, rows_M, size_M2, np.argsort(-short_M * long_M, kind="stable")[:_LISTED]),
        "longest_aspect": _named(ids, rows_M, size_M2, np.argsort(-aspect_M, kind="stable")[:_LISTED]),
    }


def licences(records: Records) -> dict[str, Any]:
    """Return how many specimens have which licence, and how many have none or no rights holder."""
    counts = records.licences.counts()
    missing = counts.pop("", 0)
    return {"counts": counts, "missing": missing, "without_rights_holder": records.without_holder}


def _species(records: Records) -> tuple[list[str], Integers]:
    """Return the names of the species, and which one each specimen has, -1 where it is not determined."""
    names: dict[str, int] = {}
    number_K = []
    for taxon, label in records.kinds.values:
        name = taxon.scientific_name or label
        number_K.append(names.setdefault(name, len(names)) if name else -1)
    return list(names), np.array(number_K, np.int64)[records.kinds.code_N]


def _named(ids: list[str], rows_M: Integers, size_M2: Integers, places: Integers) -> list[dict[str, Any]]:
    return [
        {"id": ids[rows_M[place]], "width": int(size_M2[place, 0]), "height": int(size_M2[place, 1])}
        for place in places.tolist()
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _place(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS)), split
