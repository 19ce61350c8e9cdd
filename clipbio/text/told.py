"""What the descriptions of a thing tell of what is seen of it: of the whole all, of an organ what is about that organ.

The crop of a leaf does not show that petals are red: a text that says so would teach that leaves look like red petals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

from clipbio.names import clean_phrase
from clipbio.sentences import clause_spans
from clipbio.taxonomy import Taxon
from clipbio.text.trait_text import traits_in, traits_of
from clipbio.traits import Trait
from clipbio.traits.shown import shows

__all__ = ["told_texts", "told_traits"]


class Described(Protocol):
    """A thing with descriptions. A view of one organ names it as `part`; what has no such name is seen as a whole."""

    @property
    def taxon(self) -> Taxon:
        """Return the determination."""

    @property
    def descriptions(self) -> tuple[str, ...]:
        """Return the descriptions, each a text of its own."""


def told_texts(thing: Described) -> tuple[str, ...]:
    """Return the descriptions that can be used; of an organ those of their clauses that are about it alone."""
    texts, part = _usable(thing.descriptions), _part(thing)
    return _about(part, thing.taxon, texts) if part else texts


def told_traits(thing: Described) -> tuple[Trait, ...]:
    """Return the traits of all descriptions; of an organ those that are about it."""
    traits, part = traits_of(thing.taxon, _usable(thing.descriptions)), _part(thing)
    return tuple(one for one in traits if shows(part, one.organ)) if part else traits


def _part(thing: Described) -> str:
    return str(getattr(thing, "part", "")).casefold()


@lru_cache(maxsize=16384)
def _usable(descriptions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for text in map(clean_phrase, descriptions) if text)


@lru_cache(maxsize=16384)
def _about(part: str, taxon: Taxon, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (" ".join(_joined(_clauses_about(part, taxon, text))) for text in texts)))


def _clauses_about(part: str, taxon: Taxon, text: str) -> Iterator[str]:
    """Yield the clauses that tell something of an organ and nothing of another one, empty for those between them."""
    # Traits are read out of the whole text: a clause may leave out the organ that the one before it names.
    traits = traits_in(text, taxon)
    for start, end in clause_spans(text):
        organs = {trait.organ for trait in traits if start <= trait.start < end}
        yield text[start:end] if organs and all(shows(part, organ) for organ in organs) else ""


def _joined(clauses: Iterable[str]) -> Iterator[str]:
    """Yield what is left of clauses, each with a full stop where the one that it led to is left out."""
    for clause, following in pairwise((*clauses, "")):
        if clause:
            yield f"{clause[:-1]}." if clause.endswith(";") and not following else clause
