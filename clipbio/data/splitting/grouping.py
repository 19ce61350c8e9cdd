"""Which records stay together, and the number that is drawn for each such component."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from clipbio.data.manifest import SPLITS
from clipbio.data.splitting.records import IntArray, Records
from clipbio.errors import ClipbioError, nearest
from clipbio.seeding import derive_seed

__all__ = [
    "Components",
    "check_shares",
    "components",
    "draw",
    "is_number",
    "joined",
    "names_of",
    "pick",
    "warn_of_empty_train",
]

log = logging.getLogger(__name__)

_LARGE = 0.5


@dataclass(frozen=True)
class Components:
    """C sets of records that no key parts.

    Attributes:
        of_N: Component of each record.
        name_C: The smallest hash among the keys of each component: the same whatever the order of the records, and
            however many others there are.
    """

    of_N: IntArray
    name_C: IntArray


def components(records: Records, by: Sequence[str]) -> Components:
    """Join the records that share the value of any key; a missing value joins nobody."""
    rows, hashes = [], []
    alone_N = np.ones(len(records), bool)
    for name in by:
        known = np.flatnonzero(records.keys[name] >= 0)
        rows.append(known)
        hashes.append(records.keys[name][known])
        alone_N[known] = False
    rows.append(np.flatnonzero(alone_N))
    hashes.append(records.id_N[alone_N])
    row_E, hash_E = np.concatenate(rows), np.concatenate(hashes)
    of_N = joined(row_E, hash_E, len(records))
    name_C = np.full(int(of_N.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(name_C, of_N[row_E], hash_E)
    _warn_of_one_large(of_N, by)
    return Components(of_N, name_C)


def _warn_of_one_large(of_N: IntArray, by: Sequence[str]) -> None:
    largest = int(np.bincount(of_N).max(initial=0))
    if len(of_N) >= 10 and largest > _LARGE * len(of_N):
        log.warning(
            "split: %s tie %d of %d records together: they all go to one split", " and ".join(by), largest, len(of_N)
        )


def joined(row_E: IntArray, hash_E: IntArray, num_records: int) -> IntArray:
    """Number the components (N) of the graph whose E edges lead from records to values of keys."""
    value_V, value_E = np.unique(hash_E, return_inverse=True)
    size = num_records + len(value_V)
    edges = coo_array((np.ones(len(row_E), np.int8), (row_E, num_records + value_E.reshape(-1))), shape=(size, size))
    # No value is a component of its own, since each was seen in a record.
    of_NV: IntArray = connected_components(edges, directed=False)[1].astype(np.int64)
    return of_NV[:num_records]


def draw(hash_X: IntArray, seed: int, purpose: str) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each hash: a pure function of hash, seed and purpose."""
    drawn = (derive_seed(purpose, seed, int(one)) / 2.0**63 for one in hash_X)
    # The largest seeds round to 1.0.
    return np.minimum(np.fromiter(drawn, np.float64, len(hash_X)), np.nextafter(1.0, 0.0))


def check_shares(shares: Mapping[str, float], key: str = "split.shares") -> dict[str, float]:
    """Return the shares in the order of the house's splits.

    Raises:
        ClipbioError: It is no mapping, a split is unknown, a share is no number or negative, or they do not sum to 1.
    """
    if not isinstance(shares, Mapping):
        raise ClipbioError(f"{key}={shares} must give a share for each split, as '{{train: 0.8, val: 0.1, test: 0.1}}'")
    for name, share in shares.items():
        if name not in SPLITS:
            raise ClipbioError(f"{key}.{name}: there is no such split{nearest(str(name), SPLITS)}")
        if not is_number(share) or not 0.0 <= share <= 1.0:
            raise ClipbioError(f"{key}.{name}={share} must lie between 0 and 1")
    if abs(sum(shares.values()) - 1.0) > 1e-6:
        raise ClipbioError(f"{key}: {_told(shares)}")
    return {name: float(shares[name]) for name in SPLITS if name in shares}


def is_number(value: object) -> bool:
    """Tell whether a setting is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(shares: Mapping[str, float]) -> str:
    """Say what the shares are, and which one to set to 0 if that mends them: one not given keeps its default."""
    given = ", ".join(f"{name}: {share:g}" for name, share in shares.items())
    total = sum(shares.values())
    surplus = [name for name, share in shares.items() if share > 0 and abs(total - share - 1.0) <= 1e-6]
    names = surplus or [name for name in shares if name not in ("train", "test")]
    remedy = "".join(f"; a split that is not given keeps its default: set {name}: 0" for name in names[:1])
    return f"{{{given}}} sum to {total:g} instead of 1{remedy}"


def warn_of_empty_train(splits: Sequence[str], shares: Mapping[str, float]) -> None:
    """Log that no record is left for training, where some should be."""
    if splits and shares.get("train", 0.0) > 0 and "train" not in splits:
        log.warning("split: no record of %d is left for train; look at the shares and at what is held out", len(splits))


def pick(drawn_X: npt.NDArray[np.float64], shares: Mapping[str, float]) -> IntArray:
    """Return the place in `shares` that each drawn number falls into."""
    bounds = np.cumsum(list(shares.values()))
    # What rounding leaves above the last bound belongs to the last split that has a share at all.
    last = max(place for place, share in enumerate(shares.values()) if share > 0)
    return np.minimum(np.searchsorted(bounds, drawn_X, side="right"), last).astype(np.int64)


def names_of(by: str | Sequence[str]) -> tuple[str, ...]:
    """Return the keys of a setting that may be one name or several."""
    if not isinstance(by, str | Sequence) or not all(isinstance(name, str) for name in by):
        raise ClipbioError(f"split.by={'null' if by is None else by} must name one key or several, such as specimen")
    names = (by,) if isinstance(by, str) else tuple(by)
    if not names:
        raise ClipbioError("split.by is empty: name at least one key, for example specimen")
    return names
