"""What a benchmark sees of the data: unit vectors with ids, and the classes they may be placed in.

Shape suffixes in this room: N images, C classes, D dimensions, T texts, Q queries, K best answers, P permutations.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import Taxon, class_name, stable_hash
from clipbio.text import Named

__all__ = ["Candidate", "Candidates", "Embeddings", "SplitData", "class_key"]

logger = logging.getLogger(__name__)


def class_key(named: Named) -> int | None:
    """Return the identity of the class of a thing: its species, else its label, else its deepest taxon, else None."""
    keys = named.taxon.rank_keys
    if keys[-1] >= 0:
        return int(keys[-1])
    if named.label:
        return stable_hash("label", named.label)
    return next((int(key) for key in reversed(keys) if key >= 0), None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One class with all its names; it is a `Named`, so it can be rendered like a specimen."""

    key: int
    name: str
    taxon: Taxon
    common_names: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    label: str = ""

    @property
    def family(self) -> str:
        """Name the family, empty if unknown."""
        return self.taxon.family


@dataclass(frozen=True)
class Candidates:
    """The classes an image may be placed in, sorted by display name (then key): that order is the class index."""

    items: tuple[Candidate, ...]

    @classmethod
    def from_named(cls, things: Iterable[Named]) -> Candidates:
        """Make one candidate per class: names and descriptions of its members are joined, without repeats.

        Give species-level things where they exist. The texts of single specimens are joined too, so a description that
        was written for one test image would take part in naming the class of that image.
        """
        first: dict[int, Named] = {}
        texts: dict[int, tuple[dict[str, None], dict[str, None]]] = {}
        for thing in things:
            key = class_key(thing)
            if key is None:
                continue
            first.setdefault(key, thing)
            names, descriptions = texts.setdefault(key, ({}, {}))
            names |= dict.fromkeys(thing.common_names)
            descriptions |= dict.fromkeys(thing.descriptions)
        return cls._sorted(
            Candidate(
                key, class_name(one.taxon, one.label), one.taxon, tuple(texts[key][0]), tuple(texts[key][1]), one.label
            )
            for key, one in first.items()
        )

    @classmethod
    def _sorted(cls, candidates: Iterable[Candidate]) -> Candidates:
        ordered = sorted(candidates, key=lambda candidate: (candidate.name, candidate.key))
        shared = {name for name, count in Counter(one.name for one in ordered).items() if count > 1}
        # Hemihomonyms: one binomial, two kingdoms. A reader must be able to tell them apart.
        named = [
            replace(one, name=f"{one.name} ({one.taxon.kingdom or one.key})") if one.name in shared else one
            for one in ordered
        ]
        return cls(tuple(named))

    def widened(self, others: Candidates) -> Candidates:
        """Return these candidates, texts unchanged, together with those of `others` that are not among them."""
        return self._sorted((*self.items, *(one for one in others if one.key not in self.index)))

    @cached_property
    def index(self) -> dict[int, int]:
        """Map each class key to its class index."""
        return {candidate.key: position for position, candidate in enumerate(self.items)}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the display names in class order."""
        return tuple(candidate.name for candidate in self.items)

    @cached_property
    def rank_keys(self) -> tuple[tuple[int, ...], ...]:
        """Return the keys of the seven ranks of each class, -1 where unknown."""
        return tuple(candidate.taxon.rank_keys for candidate in self.items)

    @property
    def families(self) -> tuple[str, ...]:
        """Return the families in class order, empty where unknown."""
        return tuple(candidate.family for candidate in self.items)

    def positions(self, others: Candidates) -> Tensor:
        """Return for each candidate of `others` its class index here."""
        return torch.tensor([self.index[one.key] for one in others], dtype=torch.long)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.items)


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors of one modality, with the id and class index of each row."""

    ids: tuple[str, ...]
    vectors_ND: Tensor
    class_N: Tensor

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.vectors_ND) == len(self.class_N):
            sizes = f"{len(self.ids)} ids, {len(self.vectors_ND)} vectors, {len(self.class_N)} classes"
            raise ValueError(f"embeddings do not match: {sizes}")

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class SplitData:
    """One split ready for benchmarks: its images, its classes, and if known the classes of the whole table.

    `images.class_N` indexes `classes`. `wider` holds every class of `classes` too. `skipped` counts images left out
    because nothing names their class. `specimens` are all that were encoded in any modality, named or not.
    `unreadable` gives the reason for each id of which something could not be read.
    """

    split: str
    images: Embeddings
    classes: Candidates
    wider: Candidates | None = None
    skipped: int = 0
    specimens: Specimens | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        split: str,
        ids: Sequence[str],
        *,
        vectors_ND: Tensor,
        named: Sequence[Named],
        table: Iterable[Named] | None = None,
        specimens: Specimens | None = None,
        unreadable: Mapping[str, str] | None = None,
    ) -> SplitData:
        """Join the image vectors of a split with what their specimens are called (`named`, one per row).

        `table` gives the things of all splits, for the generalised candidates `SPLIT@all`. There the classes of this
        split keep the texts they have here: the wider list adds distractors and changes nothing else.
        """
        keys = [class_key(thing) for thing in named]
        kept = [row for row, key in enumerate(keys) if key is not None]
        if len(kept) < len(keys):
            logger.warning("split %s: %d images have no class name and are skipped", split, len(keys) - len(kept))
        classes = Candidates.from_named(named)
        class_N = torch.tensor([classes.index[keys[row] or 0] for row in kept], dtype=torch.long)
        vectors = vectors_ND.float() if len(kept) == len(keys) else vectors_ND[kept].float()
        images = Embeddings(tuple(ids[row] for row in kept), vectors, class_N)
        wider = None if table is None else classes.widened(Candidates.from_named(table))
        return cls(split, images, classes, wider, len(keys) - len(kept), specimens, unreadable or {})
