"""Splits as BIOSCAN and CLIBD published them, and where each goes in this house."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clipbio.errors import ClipbioError, nearest

__all__ = ["BIOSCAN1M", "BIOSCAN5M", "CLIBD", "HOUSE_SPLITS", "chosen"]

HOUSE_SPLITS = {
    # Training: all that has no place in an evaluation, named or not.
    "pretrain": "train",
    "train": "train",
    "no_split": "train",
    "train_seen": "train",
    "single_species": "train",
    "no_split_and_seen_train": "train",
    # Queries of species that are trained on.
    "validation": "val",
    "val": "val",
    "val_seen": "val",
    "test": "test",
    "test_seen": "test",
    # Queries of species that are not.
    "val_unseen": "val_unseen",
    "test_unseen": "unseen",
    # Provisional species that BIOSCAN-5M kept apart for tests of novelty: never train.
    "other_heldout": "unseen",
    # What queries are compared with.
    "seen_keys": "key",
    "all_keys": "key",
    "key_unseen": "key_unseen",
    "unseen_keys": "key_unseen",
    "val_unseen_keys": "key_unseen",
    "test_unseen_keys": "key_unseen",
}
"""Published name -> split of the house."""

BIOSCAN1M = ("train", "validation", "test", "no_split")
"""Values of the six split columns of BIOSCAN-1M."""

BIOSCAN5M = ("pretrain", "train", "val", "test", "key_unseen", "val_unseen", "test_unseen", "other_heldout")
"""Values of the column `split` of BIOSCAN-5M."""

CLIBD = (
    *("no_split", "single_species", "train_seen", "val_seen", "test_seen", "seen_keys"),
    *("val_unseen", "test_unseen", "val_unseen_keys", "test_unseen_keys"),
)
"""The partition files of CLIBD that share no record."""


def chosen(splits: Iterable[str] | None, known: Sequence[str], default: Sequence[str]) -> frozenset[str]:
    """Return the published splits to read: those that were asked for, else the default."""
    names = frozenset(default if splits is None else splits)
    for name in sorted(names - set(known)):
        raise ClipbioError(f"'{name}' is no published split{nearest(name, known)}")
    if not names:
        raise ClipbioError(f"no split is chosen; known are: {', '.join(known)}")
    return names
