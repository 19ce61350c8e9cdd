"""Shares of hashed groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clipbio.data.specimen import Specimen
from clipbio.data.splitting.grouping import check_shares, components, draw, names_of, pick, warn_of_empty_train
from clipbio.data.splitting.records import Records
from clipbio.data.splitting.scheme import Assignment

__all__ = ["Hashed"]


class Hashed:
    """Give each component of records a split by its hash.

    A record's split depends on the seed and on the keys of its own component, never on the order or the number of the
    others. With one key it does not change when records are added; with several it changes only where a new record
    joins components or brings a component a key with a smaller hash.

    Args:
        shares: Share of the components by split.
        by: Keys that no split parts: one or several of `specimen group image barcode bin year`, a rank, or a column
            of the metadata. Several join records into connected components.
        seed: Another seed is another split.
    """

    spelled: tuple[str, ...] = ()
    readers: Mapping[str, Callable[[Specimen], str]] = {}

    def __init__(self, *, shares: Mapping[str, float], by: str | Sequence[str] = "group", seed: int = 0) -> None:
        self.shares = check_shares(shares)
        self.keys = names_of(by)
        self.seed = seed

    def assign(self, records: Records) -> Assignment:
        """Draw one number for each component."""
        joined = components(records, self.keys)
        names = list(self.shares)
        place_C = pick(draw(joined.name_C, self.seed, "split"), self.shares)
        splits = [names[place] for place in place_C[joined.of_N].tolist()]
        warn_of_empty_train(splits, self.shares)
        return Assignment(splits)

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        return {"scheme": "hashed", "shares": self.shares, "by": sorted(self.keys), "seed": self.seed}
