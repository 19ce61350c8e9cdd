"""Checklist files: the GBIF backbone, ITIS, Catalogue of Life ColDP, or any table of names, as columns in memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clipbio.data.merging.columns import NameTable, chosen_form
from clipbio.errors import ClipbioError
from clipbio.names import binomial, clean_rank
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["BELOW", "FORMS", "SYNONYM", "UNUSABLE", "NameRows", "read_names"]

logger = logging.getLogger(__name__)

_HIGHER = dict(zip(RANKS[:-1], RANKS[:-1]))
FORMS: dict[str, dict[str, str]] = {
    "gbif": {
        "id": "taxonID",
        "name": "canonicalName",
        "rank": "taxonRank",
        "status": "taxonomicStatus",
        "accepted_id": "acceptedNameUsageID",
        "parent_id": "parentNameUsageID",
        **_HIGHER,
    },
    "itis": {
        "id": "tsn",
        "name": "complete_name",
        "rank": "rank",
        "status": "name_usage",
        "accepted_id": "accepted_tsn",
        "parent_id": "parent_tsn",
        "kingdom": "kingdom",
    },
    # A synonym's parentID is its accepted name.
    "coldp": {"id": "ID", "name": "scientificName", "rank": "rank", "status": "status", "parent_id": "parentID"}
    | _HIGHER,
    "table": {name: name for name in ("id", "name", "rank", "status", "accepted_id", "parent_id", "accepted", "parent")}
    | _HIGHER,
}
"""Columns of each form of checklist (our name: name in the file)."""

# Ranks that are none of the seven: those below species, and all others.
BELOW, _OTHER = 7, -1
_BELOW_SPECIES = frozenset(
    (
        *("subspecies", "infraspecificname", "infraspecies", "infrasubspecificname", "variety", "subvariety"),
        *("form", "forma", "subform", "subforma", "cultivar", "race", "stirp", "morph", "aberration"),
        *("pathovar", "biovar", "strain"),
    )
)
# Status of a row: 2 accepted, 1 accepted with doubt, 0 a synonym, -1 a name that must not be used to find anything.
_ACCEPTED, _DOUBTFUL, SYNONYM, UNUSABLE = 2, 1, 0, -1
_UNKNOWN = -2
_STATUS = {
    **dict.fromkeys(("accepted", "valid", ""), _ACCEPTED),
    **dict.fromkeys(("doubtful", "provisionally accepted", "provisional", "unverified"), _DOUBTFUL),
    **dict.fromkeys(("misapplied", "bare name", "excluded"), UNUSABLE),
    **dict.fromkeys(("invalid", "not accepted", "unaccepted", "basionym"), SYNONYM),
}
_PLAIN = r"^[A-Z][a-zë-]+ [a-zë-]+$"


@dataclass(frozen=True)
class NameRows:
    """The rows of a checklist as columns of length N.

    `rank_N` is the place in `RANKS`, BELOW, or -1 for any other rank. `columns` holds higher ranks that the file tells
    in columns of their own, by place in `RANKS`.
    """

    names: Any
    rank_N: npt.NDArray[np.int8]
    status_N: npt.NDArray[np.int8]
    ids: Any
    accepted_ids: Any
    parent_ids: Any
    accepted_names: Any
    parent_names: Any
    columns: Mapping[int, Repeated]


class Repeated:
    """A column of few distinct strings: one number a row."""

    def __init__(self, column: Any, rank: int) -> None:
        encoded = column.dictionary_encode()
        self._names: list[str] = [_name(name, rank) for name in encoded.dictionary.to_pylist()]
        self._number_N: npt.NDArray[np.int32] = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)

    def __getitem__(self, row: int) -> str:
        return self._names[int(self._number_N[row])]


def read_names(path: str | Path, *, form: str = "auto", columns: Mapping[str, str] | None = None) -> NameRows:
    """Read a checklist, batch by batch, into columns.

    A million names take about 0.2 GB, twice that while they are read.

    Args:
        path: `.tsv`, `.txt`, `.csv` (each also `.gz`), `.parquet`; or a folder or zip that holds `Taxon.tsv` (the GBIF
            backbone) or `NameUsage.tsv` (ColDP).
        form: `gbif`, `itis`, `coldp`, `table`, or `auto`: told by the header.
        columns: Columns that have other names in this file (our name: name in the file).
    """
    table = _opened(path)
    name, wanted = chosen_form(table, FORMS, form=form, columns=columns or {}, required=("name", "rank"))
    batches: dict[str, list[Any]] = {}
    for batch in table.batches(wanted):
        for field, column in batch.items():
            batches.setdefault(field, []).append(column)
    read = {field: pa.concat_arrays(parts) for field, parts in batches.items()}
    if not read or not len(read["name"]):
        raise ClipbioError(f"{table.path} has a header but no names")
    if table.bad_rows:
        logger.warning("%s: %d rows have another number of cells than the header; left out", path, table.bad_rows)
    logger.info("%s: %d names (format %s)", path, len(read["name"]), name)
    return _rows(read, synonyms_point_up=name == "coldp")


def _opened(path: str | Path) -> NameTable:
    path = Path(path)
    if path.is_dir() or path.suffix == ".zip":
        try:
            return NameTable(path, member="NameUsage")
        except ClipbioError:
            return NameTable(path, member="Taxon")
    return NameTable(path, member="")


def _rows(read: dict[str, Any], *, synonyms_point_up: bool) -> NameRows:
    rank_N = _coded(read["rank"], {name: place for place, name in enumerate(RANKS)}, _rank_code)
    names = _canonical(read["name"], rank_N)
    accepted = _canonical(read["accepted"], rank_N) if "accepted" in read else None
    status_N = _status(read, names, accepted)
    accepted_ids, parent_ids = read.get("accepted_id"), read.get("parent_id")
    if synonyms_point_up and parent_ids is not None:
        accepted_ids = parent_ids
        parent_ids = pc.if_else(pa.array(status_N == SYNONYM), "", parent_ids)
    return NameRows(
        names=names,
        rank_N=rank_N,
        status_N=status_N,
        ids=read.get("id"),
        accepted_ids=_none_if_empty(accepted_ids),
        parent_ids=_none_if_empty(parent_ids),
        accepted_names=accepted,
        parent_names=_canonical(read["parent"], np.full(len(rank_N), _OTHER, np.int8)) if "parent" in read else None,
        columns={place: Repeated(read[rank], place) for place, rank in enumerate(RANKS[:-1]) if rank in read},
    )


def _status(read: dict[str, Any], names: Any, accepted: Any) -> npt.NDArray[np.int8]:
    """Return the status of each row.

    One without status is a synonym if it points to another name. One with a word that nobody knows is a synonym too if
    it points somewhere, else doubtful.

    Args:
        read: The columns of the file.
        names: The names in the form that is looked up: an accepted name with its author is no other name.
        accepted: The accepted names in that form, None if the file has none.
    """
    empty = pa.repeat("", len(names))
    told = read.get("status", empty)
    status_N = _coded(told, _STATUS, lambda word: SYNONYM if "synonym" in word else _UNKNOWN)
    elsewhere_N = np.zeros(len(names), bool)
    for field, own in (("accepted_id", "id"), ("accepted", "name")):
        if field in read:
            elsewhere = pc.and_(pc.not_equal(read[field], ""), pc.not_equal(read[field], read.get(own, empty)))
            elsewhere_N |= elsewhere.to_numpy(zero_copy_only=False)
    if accepted is not None:
        elsewhere_N &= ~pc.and_(pc.equal(accepted, names), pc.not_equal(names, "")).to_numpy(zero_copy_only=False)
    unknown_N = status_N == _UNKNOWN
    if unknown_N.any():
        words = sorted(pc.unique(pc.filter(told, pa.array(unknown_N))).to_pylist())
        logger.warning("unknown words of status: %s; synonyms where they point to a name, else doubtful", words[:10])
    silent_N = pc.equal(told, "").to_numpy(zero_copy_only=False)
    status_N[unknown_N] = _DOUBTFUL
    status_N[elsewhere_N & (silent_N | unknown_N)] = SYNONYM
    return status_N


def _coded(column: Any, known: Mapping[str, int], other: Any) -> npt.NDArray[np.int8]:
    """Return a number for each string of a column of few distinct ones."""
    encoded = column.dictionary_encode()
    words = [" ".join(str(word).lower().replace("_", " ").split()) for word in encoded.dictionary.to_pylist()]
    code_W = np.array([known[word] if word in known else other(word) for word in words], np.int8)
    code_N: npt.NDArray[np.int8] = code_W[encoded.indices.to_numpy(zero_copy_only=False)]
    return code_N


def _rank_code(name: str) -> int:
    return BELOW if name.replace(" ", "") in _BELOW_SPECIES else _OTHER


def _canonical(names: Any, rank_N: npt.NDArray[np.int8]) -> Any:
    """Cut the names of the seven ranks to the form that `Taxon` has; only those that are not plain are looked at."""
    plain_N = pc.match_substring_regex(names, _PLAIN).to_numpy(zero_copy_only=False)
    single_N = pc.match_substring_regex(names, r"^[A-Z][a-z-]+$").to_numpy(zero_copy_only=False)
    is_species_N = rank_N == RANKS.index("species")
    odd_N = np.where(is_species_N, ~plain_N, ~(single_N | plain_N)) | (rank_N == 0)
    odd_N &= (rank_N != BELOW) & pc.not_equal(names, "").to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(odd_N)
    if not len(rows):
        return names
    replaced = [_name(str(names[int(row)].as_py()), int(rank_N[row])) for row in rows]
    return pc.replace_with_mask(names, pa.array(odd_N), pa.array(replaced, pa.string()))


def _name(raw: str, rank: int) -> str:
    if rank == 0:
        return Taxon.from_mapping({"kingdom": raw}).kingdom
    if rank == RANKS.index("species") or (rank == _OTHER and " " in raw):
        genus, epithet = binomial("", raw)
        return f"{genus} {epithet}" if genus and epithet else ""
    return clean_rank(raw)


def _none_if_empty(ids: Any) -> Any:
    """Make empty ids null, so that they point nowhere."""
    return None if ids is None else pc.if_else(pc.equal(ids, ""), None, ids)
