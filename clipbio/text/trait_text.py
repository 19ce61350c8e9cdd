"""Traits out of the descriptions of a thing, of which captions are made."""

from __future__ import annotations

from functools import lru_cache

from clipbio.taxonomy import Taxon
from clipbio.traits import Group, Trait, caption, extract, group_of, language_of

__all__ = ["traits_in", "traits_of"]


@lru_cache(maxsize=16384)
def traits_of(taxon: Taxon, descriptions: tuple[str, ...]) -> tuple[Trait, ...]:
    """Return the traits of descriptions in their order, one of those that say the same."""
    found: dict[tuple[str, str], Trait] = {}
    for text in descriptions:
        for trait in traits_in(text, taxon):
            found.setdefault((trait.character, caption(trait)), trait)
    return tuple(found.values())


def traits_in(text: str, taxon: Taxon) -> tuple[Trait, ...]:
    """Return the traits of one description in their order, each where it stands, what is said twice too."""
    return _extracted(text, group_of(taxon))


@lru_cache(maxsize=16384)
def _extracted(text: str, group: Group | None) -> tuple[Trait, ...]:
    return extract(text, group=group, language=language_of(text))
