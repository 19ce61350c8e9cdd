"""Captions made of traits: what the descriptions of a thing say, organ by organ, without their prose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from clipbio.taxonomy import Taxon
from clipbio.traits import Group, Trait, caption, extract, group_of, language_of, prose

__all__ = ["traits_of", "traits_text"]


def traits_text(taxon: Taxon, descriptions: Sequence[str], choose: Callable[[Sequence[str]], str] | None = None) -> str:
    """Return all traits of descriptions in their order, empty where they have none.

    Args:
        taxon: what they are about; its lineage says which vocabulary is used.
        descriptions: texts of which each is extracted once in a process.
        choose: which of several wordings to take, by default the most usual one.
    """
    return prose(traits_of(taxon, tuple(descriptions)), choose)


@lru_cache(maxsize=16384)
def traits_of(taxon: Taxon, descriptions: tuple[str, ...]) -> tuple[Trait, ...]:
    """Return the traits of descriptions in their order, one of those that say the same."""
    found: dict[tuple[str, str], Trait] = {}
    group = group_of(taxon)
    for text in descriptions:
        for trait in _extracted(text, group):
            found.setdefault((trait.character, caption(trait)), trait)
    return tuple(found.values())


@lru_cache(maxsize=16384)
def _extracted(text: str, group: Group | None) -> tuple[Trait, ...]:
    return extract(text, group=group, language=language_of(text))
