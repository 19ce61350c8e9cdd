"""The first pass over a source: the keys of all its records as columns of numbers."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from clipbio.data.specimen import Specimen
from clipbio.data.splitting.keys import KEYS, key_reader
from clipbio.errors import ClipbioError, nearest
from clipbio.taxonomy import stable_hash

__all__ = ["IntArray", "Records", "id_hash", "read_records"]

log = logging.getLogger(__name__)

IntArray = npt.NDArray[np.int64]
Reader = Callable[[Specimen], str]


@dataclass(frozen=True)
class Records:
    """N records in the order of their source, each known by hashes.

    Attributes:
        id_N: Hash of the id.
        keys: Hash of the value of each key that was asked for, -1 where it is missing.
        values: What the hashes of some of the keys stand for.
        columns: Columns of the metadata that some record has.
    """

    id_N: IntArray
    keys: Mapping[str, IntArray]
    values: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.id_N)


def id_hash(identity: str) -> int:
    """Return the hash by which a record is found again."""
    return stable_hash("specimen", identity)


def read_records(
    specimens: Iterable[Specimen],
    names: Iterable[str],
    *,
    spelled: Iterable[str] = (),
    readers: Mapping[str, Reader] | None = None,
) -> Records:
    """Read the keys of all records; pictures are opened only for the key `image`.

    Args:
        specimens: The records.
        names: Keys to read, see `KEYS`.
        spelled: Those of them whose distinct values are kept as they are written.
        readers: Further keys that a scheme brings.

    Raises:
        ClipbioError: A key is neither known nor a column of any record.
    """
    chosen = {name: (readers or {}).get(name) or key_reader(name) for name in dict.fromkeys(names)}
    values: dict[str, dict[int, str]] = {name: {} for name in spelled}
    columns: set[str] = set()
    id_N, keys = array("q"), {name: array("q") for name in chosen}
    for specimen in specimens:
        id_N.append(id_hash(specimen.id))
        columns.update(specimen.metadata)
        for name, read in chosen.items():
            value = read(specimen)
            hashed = stable_hash(name, value) if value else -1
            keys[name].append(hashed)
            if value and name in values:
                values[name].setdefault(hashed, value)
    _check_columns([name for name in chosen if name not in (readers or {})], columns)
    key_N = {name: _numbers(column) for name, column in keys.items()}
    records = Records(_numbers(id_N), key_N, values, frozenset(columns))
    _warn_of_empty(records)
    return records


def _numbers(values: array[int]) -> IntArray:
    return np.frombuffer(values, np.int64) if values else np.zeros(0, np.int64)


def _check_columns(names: Iterable[str], columns: set[str]) -> None:
    for name in names:
        if name not in KEYS and name not in columns:
            hint = nearest(name, [*KEYS, *sorted(columns)])
            raise ClipbioError(f"split.by: '{name}' is neither a known key nor a column of any record{hint}")


def _warn_of_empty(records: Records) -> None:
    for name, key_N in records.keys.items():
        # A record without a group is a group of its own: nothing is missing there.
        if name != "group" and len(key_N) and not (key_N >= 0).any():
            log.warning("split: no record has the key '%s': it keeps nothing together", name)
