"""What two splits have in common that they should not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.data.columns import Integers
from clipbio.data.leakage_kinds import IDENTITIES, KINDS, coded
from clipbio.data.manifest import CLIPBIO_LAYOUT
from clipbio.data.splits import SplitRows
from clipbio.errors import ClipbioError

__all__ = ["Audit", "Overlap", "audit", "is_leak"]

Booleans = npt.NDArray[np.bool_]

_EXAMPLES = 5
_UNSEEN = ("unseen", "val_unseen", "key_unseen")
_ROLES = {
    "train": "training",
    "val": "validation",
    "val_unseen": "validation",
    "test": "test",
    "unseen": "test",
    "key": "keys",
    "key_unseen": "keys",
}


@dataclass(frozen=True)
class Overlap:
    """Something that specimens of two splits share.

    Attributes:
        first: One split.
        second: The other split.
        kind: What is shared, of `KINDS`.
        values: Number of distinct ids, pictures, barcodes, taxa ... that stand in both.
        first_specimens: Number of specimens of the first split that have one of them.
        second_specimens: The same of the second split.
        leak: Whether this falsifies results; taxa that train and test have in common do not.
        examples: Ids of a specimen of each split, for some of the values.
    """

    first: str
    second: str
    kind: str
    values: int
    first_specimens: int
    second_specimens: int
    leak: bool
    examples: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        one, other = self.examples[0]
        noun = KINDS[self.kind] if self.values > 1 else self.kind
        return (
            f"{self.first} and {self.second} share {self.values:,} {noun} ({self.first_specimens:,} and "
            f"{self.second_specimens:,} specimens; first '{one}' and '{other}')"
        )


@dataclass(frozen=True)
class Audit:
    """The result of comparing splits: how large each is, and what pairs of them share.

    `without_pictures` names the splits of foreign shards: their pictures are not read for the index, so that the bytes
    of pictures are not compared.
    """

    specimens: Mapping[str, int]
    pairs: int
    overlaps: Sequence[Overlap]
    without_pictures: Sequence[str] = ()

    @property
    def leaks(self) -> list[Overlap]:
        """Return what falsifies results."""
        return [overlap for overlap in self.overlaps if overlap.leak]

    @property
    def blind(self) -> str:
        """Say what was not compared, `""` if everything was."""
        return f"pictures not compared: foreign shards ({', '.join(self.without_pictures)})" * bool(
            self.without_pictures
        )

    def summary(self) -> str:
        """Say in one line what was found, and what could not be."""
        if leaks := self.leaks:
            found = f"{leaks[0]}; and {len(leaks) - 1} more" if len(leaks) > 1 else str(leaks[0])
        else:
            found = f"none between {', '.join(self.specimens)}"
        return f"{found}; {self.blind}" if self.blind else found

    def to_dict(self) -> dict[str, Any]:
        """Return the form that stands in `leakage.json`."""
        return {
            "leaks": len(self.leaks),
            "pairs": self.pairs,
            "specimens": dict(self.specimens),
            "pictures_not_compared": list(self.without_pictures),
            "overlaps": [asdict(overlap) for overlap in self.overlaps],
        }


def audit(
    parts: Mapping[str, SplitRows],
    others: Mapping[str, SplitRows] | None = None,
    *,
    held_out: str = "species",
    kinds: Iterable[str] = KINDS,
) -> Audit:
    """Compare splits pair by pair, on the columns of their indexes alone.

    Args:
        parts: Splits by the name they go by in the result; the name of a `SplitRows` tells its role.
        others: Splits of another folder: then each of `parts` is compared with each of these, and with no other.
        held_out: Rank, `species` or `genus`, whose taxa training must not know if they are unseen.
        kinds: What is compared, of `KINDS`.
    """
    if held_out not in ("species", "genus"):
        raise ClipbioError(f"held_out='{held_out}' must be species or genus")
    parts = {name: part for name, part in parts.items() if len(part)}
    others = {name: part for name, part in (others or {}).items() if len(part)}
    pairs = [(a, b) for a in parts for b in others] if others else list(combinations(parts, 2))
    every = parts | others
    overlaps: list[Overlap] = []
    for kind in kinds if pairs else ():
        codes = dict(zip(every, coded(list(every.values()), kind), strict=True))
        length = 1 + max((int(code_N.max()) for code_N in codes.values()), default=-1)
        present = {name: _present(code_N, length) for name, code_N in codes.items()}
        for first, second in pairs:
            shared = present[first] & present[second]
            if shared.any():
                leak = is_leak(kind, every[first].name, every[second].name, held_out=held_out)
                overlaps.append(_overlap(kind, (first, second), every, codes, shared, leak))
    overlaps.sort(key=lambda one: not one.leak)
    foreign = [name for name, part in every.items() if part.index.layout.name != CLIPBIO_LAYOUT] if pairs else []
    return Audit({name: len(part) for name, part in every.items()}, len(pairs), tuple(overlaps), tuple(foreign))


def is_leak(kind: str, first: str, second: str, *, held_out: str = "species") -> bool:
    """Tell whether two splits must not share things of a kind.

    Specimens, groups, pictures and barcodes must not stand in training and in an evaluation, among the choices of a
    checkpoint and in a test, or among the keys and the queries of a retrieval; training specimens may serve as keys.
    Taxa and BINs must not stand in training if they count as unseen.
    """
    if kind in IDENTITIES:
        return _ROLES[first] != _ROLES[second] and {first, second} != {"train", "key"}
    if kind == "genus" and held_out != "genus":
        return False
    return "train" in (first, second) and (first in _UNSEEN or second in _UNSEEN)


def _present(code_N: Integers, length: int) -> Booleans:
    found = np.zeros(length, bool)
    found[code_N[code_N >= 0]] = True
    return found


def _overlap(
    kind: str,
    pair: tuple[str, str],
    parts: Mapping[str, SplitRows],
    codes: Mapping[str, Integers],
    shared: Booleans,
    leak: bool,
) -> Overlap:
    one, other = pair
    counts = {name: int(shared[codes[name][codes[name] >= 0]].sum()) for name in pair}
    examples = tuple(
        (_first_id(parts[one], codes[one], code), _first_id(parts[other], codes[other], code))
        for code in np.flatnonzero(shared)[:_EXAMPLES].tolist()
    )
    return Overlap(one, other, kind, int(shared.sum()), counts[one], counts[other], leak, examples)


def _first_id(part: SplitRows, code_N: Integers, code: int) -> str:
    return part.index.ids[int(part.rows[int(np.argmax(code_N == code))])]
