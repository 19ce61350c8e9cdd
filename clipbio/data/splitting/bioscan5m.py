"""The rules by which BIOSCAN-5M was split: by barcode, with provisional species as the unseen ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from clipbio.data.manifest import SPLITS
from clipbio.data.sources.provisional import is_provisional
from clipbio.data.specimen import Specimen
from clipbio.data.splitting.grouping import components, draw
from clipbio.data.splitting.keys import name_as_given
from clipbio.data.splitting.quotas import seen_roles, unseen_roles
from clipbio.data.splitting.records import IntArray, Records
from clipbio.data.splitting.scheme import Assignment, LeftOut
from clipbio.errors import ClipbioError, nearest

__all__ = ["Bioscan5M"]

_HOUSE = {
    "pretrain": "train",
    "train": "train",
    "val": "val",
    "test": "test",
    "key_unseen": "key_unseen",
    "val_unseen": "val_unseen",
    "test_unseen": "unseen",
}
_HELD_OUT = "other_heldout"
_LEFT_OUT = LeftOut(_HELD_OUT, "a provisional species, or a barcode, that neither training nor a query may see", False)
_LEAST_SAMPLES = 8
_NAME = "name as given"


class Bioscan5M:
    """Split any records with species and barcodes as BIOSCAN-5M was split.

    A record without a species is `pretrain`. Species with a scientific name are seen: their barcodes are parted into
    `train`, `val` and `test`. Provisional species of a genus that has a seen species, with eight samples or more, are
    unseen: `key_unseen`, `val_unseen`, `test_unseen`. The other provisional ones are `other_heldout`.

    All records of one barcode go to one side. Where the published rules leave it open: a barcode of several species is
    never a query (it is trained on if all are seen, a key if all are unseen, `other_heldout` if both occur); a record
    without a species whose barcode stands outside of training is `other_heldout`; a record without a barcode is split
    like a barcode of its own.

    Args:
        name: Where the species name stands as it was given, provisional ones included: `label`, or a column of the
            metadata. Names are expected without authors and years.
        other_heldout: Split of those records; null leaves them out.
        seed: Another seed draws other barcodes.
    """

    keys = (_NAME, "genus", "barcode")
    spelled = (_NAME,)

    def __init__(self, *, name: str = "label", other_heldout: str | None = None, seed: int = 0) -> None:
        if other_heldout == "train" or (other_heldout is not None and other_heldout not in SPLITS):
            valid = [split for split in SPLITS if split != "train"]
            raise ClipbioError(f"split.other_heldout='{other_heldout}' cannot be{nearest(other_heldout, valid)}")
        self.name, self.other_heldout, self.seed = name, other_heldout, seed

    @property
    def readers(self) -> Mapping[str, Callable[[Specimen], str]]:
        """Give the reader of names before cleaning."""
        return {_NAME: partial(name_as_given, column=self.name)}

    def assign(self, records: Records) -> Assignment:
        """Decide about the species, then about their barcodes, then about the records."""
        if self.name != "label" and self.name not in records.columns:
            hint = nearest(self.name, ["label", *sorted(records.columns)])
            raise ClipbioError(f"split.name: no record has a column '{self.name}'{hint}")
        name_N, barcode_N = records.keys[_NAME], components(records, ["barcode"]).of_N
        sets = self._species_sets(records)
        roles = self._barcode_roles(records, barcode_N, sets)
        published = [
            _role_of_record(int(name), roles.get(int(code)))
            for name, code in zip(name_N.tolist(), barcode_N.tolist(), strict=True)
        ]
        house = _HOUSE | {_HELD_OUT: self.other_heldout or ""}
        return Assignment([house[role] for role in published], left_out=_LEFT_OUT, published=published)

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        settings = {"name": self.name, "other_heldout": self.other_heldout, "seed": self.seed}
        return {"scheme": "bioscan5m", **settings}

    def _species_sets(self, records: Records) -> dict[int, str]:
        """Return for each species whether it is `seen`, `unseen` or `other_heldout`."""
        name_N, genus_N = records.keys[_NAME], records.keys["genus"]
        provisional = {key: is_provisional(name) for key, name in records.values[_NAME].items()}
        seen_genera = {
            g for n, g in zip(name_N.tolist(), genus_N.tolist(), strict=True) if not provisional.get(n, True)
        }
        genera: dict[int, set[int]] = defaultdict(set)
        for name, genus in zip(name_N.tolist(), genus_N.tolist(), strict=True):
            genera[name].add(genus)
        counts = dict(zip(*(values.tolist() for values in np.unique(name_N, return_counts=True)), strict=True))

        def set_of(name: int) -> str:
            if not provisional[name]:
                return "seen"
            known = -1 not in genera[name] and genera[name] <= seen_genera
            return "unseen" if known and counts[name] >= _LEAST_SAMPLES else _HELD_OUT

        return {name: set_of(name) for name in provisional}

    def _barcode_roles(self, records: Records, barcode_N: IntArray, sets: Mapping[int, str]) -> dict[int, str]:
        """Return the published split of each barcode that some record with a species has."""
        samples: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for name, code in zip(records.keys[_NAME].tolist(), barcode_N.tolist(), strict=True):
            if name >= 0:
                samples[code][name] += 1
        roles = {
            code: _shared_role({sets[name] for name in names}) for code, names in samples.items() if len(names) > 1
        }
        species: dict[int, list[int]] = defaultdict(list)
        for code in self._drawn(records, barcode_N):
            if len(samples.get(code, {})) == 1:
                species[next(iter(samples[code]))].append(code)
        for name, codes in species.items():
            counts = {code: samples[code][name] for code in codes}
            part = {"seen": seen_roles, "unseen": unseen_roles, _HELD_OUT: _held_out}[sets[name]]
            roles |= part(counts)
        return roles

    def _drawn(self, records: Records, barcode_N: IntArray) -> list[int]:
        """Return the numbers of the barcodes in the order of a hash."""
        name_C = components(records, ["barcode"]).name_C
        return np.lexsort((name_C, draw(name_C, self.seed, "bioscan5m"))).tolist()  # type: ignore[no-any-return]


def _shared_role(sets: set[str]) -> str:
    return {"seen": "train", "unseen": "key_unseen"}.get(next(iter(sets)), _HELD_OUT) if len(sets) == 1 else _HELD_OUT


def _held_out(counts: Mapping[int, int]) -> dict[int, str]:
    return dict.fromkeys(counts, _HELD_OUT)


def _role_of_record(name: int, role: str | None) -> str:
    """Return the published split of a record: that of its barcode, and `pretrain` without a species."""
    if name >= 0:
        assert role is not None
        return role
    return "pretrain" if role in (None, "train") else _HELD_OUT
