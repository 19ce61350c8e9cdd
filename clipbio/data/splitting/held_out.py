"""Taxa that training must not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.data.defects import Finding
from clipbio.data.specimen import Specimen
from clipbio.data.splitting.grouping import (
    check_shares,
    components,
    draw,
    is_number,
    names_of,
    pick,
    warn_of_empty_train,
)
from clipbio.data.splitting.records import IntArray, Records
from clipbio.data.splitting.scheme import Assignment, LeftOut
from clipbio.errors import ClipbioError, nearest
from clipbio.names import binomial, clean_rank
from clipbio.taxonomy import RANKS, Taxon, stable_hash

__all__ = ["HeldOut"]

_REST, _VAL_UNSEEN, _UNSEEN = 0, 1, 2
_LEFT_OUT = LeftOut("spans_held_out", "it is tied to a specimen of a held-out taxon and is not of that taxon itself")

Choice = float | str | Sequence[str]


class HeldOut:
    """Hold out whole taxa as `unseen` and `val_unseen`; split the rest by shares of hashed groups.

    A component of records that holds a held-out taxon and others besides stays out of training as a whole: its
    held-out records go to their split, the others are left out and counted as `spans_held_out`.

    Args:
        rank: Rank of the taxa; a record that is not determined so far belongs to the rest.
        unseen: Share of the taxa, drawn by hash; or a list of names; or a file with one name per line.
        val_unseen: The same for the split on which unseen taxa are validated.
        shares: Share of the components by split, for the rest; see `Hashed`.
        by: Keys that no split parts; see `Hashed`.
        relatives: A rank above, such as genus: of the taxa that share it at least one is not drawn, and a component of
            it goes to `train` where the draw would leave none there, so that held-out taxa have relatives in training.
            Listed names are held out all the same.
        seed: Another seed holds out other taxa.
    """

    readers: Mapping[str, Callable[[Specimen], str]] = {}

    def __init__(
        self,
        *,
        shares: Mapping[str, float],
        rank: str = "species",
        unseen: Choice = 0.1,
        val_unseen: Choice = 0.0,
        by: str | Sequence[str] = "group",
        relatives: str | None = None,
        seed: int = 0,
    ) -> None:
        if rank not in RANKS:
            raise ClipbioError(f"split.rank='{rank}' is no rank{nearest(str(rank), RANKS)}")
        above = RANKS[: RANKS.index(rank)]
        if relatives is not None and relatives not in above:
            raise ClipbioError(f"split.relatives='{relatives}' is no rank above {rank}{nearest(str(relatives), above)}")
        for key, choice in (("unseen", unseen), ("val_unseen", val_unseen)):
            _check(choice, key)
        self.rank, self.relatives, self.seed = rank, relatives, seed
        self.shares = check_shares(shares)
        self.by = names_of(by)
        self.keys = tuple(dict.fromkeys((*self.by, rank, *([relatives] if relatives else []))))
        self.spelled = (rank,)
        self.share = {name: _share(choice) for name, choice in (("unseen", unseen), ("val_unseen", val_unseen))}
        self.names = {"unseen": _names(unseen, rank), "val_unseen": _names(val_unseen, rank)}
        if sum(self.share.values()) > 1.0:
            raise ClipbioError(f"split.unseen={unseen} and split.val_unseen={val_unseen} are more than all taxa")
        if both := set(self.names["unseen"]) & set(self.names["val_unseen"]):
            raise ClipbioError(f"'{min(both)}' stands both in split.unseen and in split.val_unseen")

    def assign(self, records: Records) -> Assignment:
        """Decide about the taxa, then about the components."""
        joined = components(records, self.by)
        role_N = self._roles(records.keys[self.rank], records.keys[self.relatives] if self.relatives else None)
        role_C = np.zeros(len(joined.name_C), np.int64)
        np.maximum.at(role_C, joined.of_N, role_N)
        rest = list(self.shares)
        drawn_C = draw(joined.name_C, self.seed, "split")
        place_C = pick(drawn_C, self.shares)
        if self.relatives and self.shares.get("train"):
            train, known_N = rest.index("train"), records.keys[self.rank] >= 0
            above_N = np.where(known_N, records.keys[self.relatives], -1)
            free_N = role_C[joined.of_N] == _REST
            place_C[_for_training(above_N, role_N, joined.of_N, free_N, place_C == train, drawn_C)] = train
        splits = [
            {_REST: rest[place], _VAL_UNSEEN: "val_unseen", _UNSEEN: "unseen"}[own] if own == highest else ""
            for own, highest, place in zip(
                role_N.tolist(), role_C[joined.of_N].tolist(), place_C[joined.of_N].tolist(), strict=True
            )
        ]
        warn_of_empty_train(splits, self.shares)
        return Assignment(splits, left_out=_LEFT_OUT, findings=self._unknown(records))

    def describe(self) -> dict[str, Any]:
        """Return the settings, with the names that were read from files."""
        chosen = {name: sorted(self.names[name]) or self.share[name] for name in self.names}
        settings = {"rank": self.rank, **chosen, "shares": self.shares, "by": sorted(self.by), "seed": self.seed}
        # Only where it is set: the rule of a split that was made before keeps its form.
        return {"scheme": "held_out", **settings} | ({"relatives": self.relatives} if self.relatives else {})

    def _roles(self, key_N: IntArray, above_N: IntArray | None) -> IntArray:
        key_T, taxon_N = np.unique(key_N, return_inverse=True)
        drawn_T = draw(key_T, self.seed, "held out")
        unseen, val_unseen = self.share["unseen"], self.share["val_unseen"]
        role_T = np.where(drawn_T < unseen, _UNSEEN, np.where(drawn_T < unseen + val_unseen, _VAL_UNSEEN, _REST))
        role_T[key_T < 0] = _REST
        listed_T = np.zeros(len(key_T), bool)
        for name, role in (("val_unseen", _VAL_UNSEEN), ("unseen", _UNSEEN)):
            named_T = np.isin(key_T, np.array([stable_hash(self.rank, one) for one in self.names[name]], np.int64))
            role_T[named_T], listed_T = role, listed_T | named_T
        if above_N is not None:
            above_T = np.full(len(key_T), -1, np.int64)
            np.maximum.at(above_T, taxon_N.reshape(-1), above_N)
            # What is not determined may be of the held-out taxon itself, and is no relative.
            above_T[key_T < 0] = -1
            role_T[_last_relatives(above_T, role_T, np.where(listed_T, -1.0, drawn_T))] = _REST
        return role_T[taxon_N.reshape(-1)].astype(np.int64)

    def _unknown(self, records: Records) -> list[Finding]:
        """Tell the listed names that no record has: a misspelt one would leak into training."""
        known = set(records.values[self.rank].values())
        return [
            Finding("unknown_taxon", f"split.{split}", f"no record is of '{name}'{nearest(name, known)[:200]}")
            for split, names in self.names.items()
            for name in names
            if name not in known
        ]


def _last_relatives(above_T: IntArray, role_T: IntArray, drawn_T: npt.NDArray[np.float64]) -> list[int]:
    """Return of each higher taxon that would be held out altogether the one with the highest number, if not negative.

    A taxon whose higher one is not known has no relatives that are known, and is returned too.
    """
    rest = set(above_T[role_T == _REST].tolist()) - {-1}
    last: dict[int, int] = {}
    for place in np.argsort(drawn_T, kind="stable").tolist():
        above = int(above_T[place])
        if role_T[place] != _REST and drawn_T[place] >= 0 and above not in rest:
            last[above if above >= 0 else -2 - place] = place
    return list(last.values())


def _for_training(
    above_N: IntArray,
    role_N: IntArray,
    of_N: IntArray,
    free_N: npt.NDArray[np.bool_],
    train_C: npt.NDArray[np.bool_],
    drawn_C: npt.NDArray[np.float64],
) -> IntArray:
    """Return the components to train on for higher taxa of which something is held out and nothing in train.

    For each that is the one with the lowest number among the components that nothing held out is tied to (`free_N`).
    """
    held = np.setdiff1d(above_N[role_N != _REST], [-1])
    lone = np.setdiff1d(held, above_N[free_N & train_C[of_N]])
    rows = np.flatnonzero(free_N & np.isin(above_N, lone))
    rows = rows[np.argsort(drawn_C[of_N[rows]], kind="stable")]
    first = np.unique(above_N[rows], return_index=True)[1]
    return of_N[rows[first]]


def _check(choice: Choice, key: str) -> None:
    if isinstance(choice, str) or (isinstance(choice, Sequence) and all(isinstance(name, str) for name in choice)):
        return
    if not is_number(choice) or not 0.0 <= float(choice) <= 1.0:  # type: ignore[arg-type]
        told = "null" if choice is None else choice
        raise ClipbioError(f"split.{key}={told} must be a share between 0 and 1, a list of names, or a file of them")


def _share(choice: Choice) -> float:
    return float(choice) if isinstance(choice, int | float) else 0.0


def _names(choice: Choice, rank: str) -> tuple[str, ...]:
    if isinstance(choice, int | float):
        return ()
    lines = _lines(Path(choice)) if isinstance(choice, str) else list(map(str, choice))
    names = [(line, _clean(line, rank)) for line in lines if line.strip()]
    for line, name in names:
        if not name or (rank != "species" and all(binomial("", line))):
            raise ClipbioError(f"the held-out taxon '{line.strip()}' is no name of a {rank}; see split.rank")
    return tuple(dict.fromkeys(name for _, name in names))


def _lines(path: Path) -> list[str]:
    try:
        return path.expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ClipbioError(f"{path} cannot be read as a list of taxa, one name per line: {error}") from error


def _clean(name: str, rank: str) -> str:
    return Taxon.from_mapping({"species": name}).scientific_name if rank == "species" else clean_rank(name)
