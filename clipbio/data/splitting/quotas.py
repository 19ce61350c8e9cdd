"""How many samples of a species are tested and validated on, and which of its barcodes they are."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["seen_roles", "unseen_roles"]

Counts = Mapping[int, int]
"""Number of samples of each barcode of one species, in the order in which barcodes are drawn."""

_LEAST_SAMPLES, _LEAST_PLACED, _MOST_TESTED = 8, 3, 25
_VAL_SHARE, _VAL_SAMPLES, _VAL_SINGLE_SAMPLES = 0.05, 20, 7
_VAL_UNSEEN_SHARE = 0.2


def seen_roles(counts: Counts) -> dict[int, str]:
    """Part the barcodes of a species with a scientific name into `train`, `val` and `test`."""
    roles = dict.fromkeys(counts, "train")
    roles |= dict.fromkeys(_tested(counts), "test")
    rest = {code: count for code, count in counts.items() if roles[code] == "train"}
    return roles | dict.fromkeys(_validated(rest, sum(counts.values())), "val")


def unseen_roles(counts: Counts) -> dict[int, str]:
    """Part the barcodes of a provisional species into `key_unseen`, `val_unseen` and `test_unseen`."""
    roles = dict.fromkeys(counts, "key_unseen")
    roles |= dict.fromkeys(_tested(counts), "test_unseen")
    rest = {code: count for code, count in counts.items() if roles[code] == "key_unseen"}
    if len(rest) > 1:
        wanted = max(1, round(_VAL_UNSEEN_SHARE * sum(rest.values())))
        chosen = _fitting(rest, wanted, len(rest) - 1) or [min(rest, key=lambda code: rest[code])]
        roles |= dict.fromkeys(chosen, "val_unseen")
    return roles


def _tested(counts: Counts) -> list[int]:
    """Choose up to 25 samples, at most about a third of the barcodes, at least three samples or none."""
    samples, barcodes = sum(counts.values()), len(counts)
    if samples < _LEAST_SAMPLES or barcodes < 2:
        return []
    wanted = min(_MOST_TESTED, math.floor(4 + (samples - _LEAST_SAMPLES) / 4))
    most = math.floor(1 + (barcodes - 2) / 3)
    largest_first = dict(sorted(counts.items(), key=lambda item: -item[1]))
    for order in (counts, largest_first):
        chosen = _fitting(order, wanted, most)
        if sum(counts[code] for code in chosen) >= _LEAST_PLACED:
            return chosen
    return []


def _validated(rest: Counts, samples: int) -> list[int]:
    """Choose 5 % of what is left of a large species, single samples of a middling one, none of a small one."""
    if samples < _VAL_SINGLE_SAMPLES or len(rest) < 2:
        return []
    wanted = max(1, round(_VAL_SHARE * sum(rest.values())))
    if samples < _VAL_SAMPLES:
        rest = {code: count for code, count in rest.items() if count == 1}
    return _fitting(rest, wanted, len(rest) - 1)


def _fitting(counts: Counts, wanted: int, most: int) -> list[int]:
    """Take barcodes in their order as long as no more than the wanted samples come together."""
    chosen: list[int] = []
    for code, count in counts.items():
        if count <= wanted and len(chosen) < most:
            chosen.append(code)
            wanted -= count
    return chosen
