"""Which group of organisms a text or a taxon belongs to."""

from __future__ import annotations

from typing import get_args

from clipbio.taxonomy import Taxon
from clipbio.traits.lexicon import words_of
from clipbio.traits.trait import Group
from clipbio.traits.vocabulary import vocabulary

__all__ = ["group_of", "told_group"]

_CLASSES: dict[str, Group] = {"aves": "birds", "insecta": "insects"}
_KINGDOMS: dict[str, Group] = {"plantae": "plants", "viridiplantae": "plants"}
_INSECT_ORDERS = frozenset(
    ("lepidoptera", "coleoptera", "diptera", "hymenoptera", "hemiptera", "odonata", "orthoptera")
)


def told_group(text: str, language: str = "en") -> Group | None:
    """Return the group whose nouns a text uses most, None where it uses none of any."""
    words = {word.text for word in words_of(text)}
    scores = {group: len(words & vocabulary(group, language).own_words) for group in get_args(Group)}
    best = max(scores, key=lambda group: scores[group])
    return best if scores[best] else None


def group_of(taxon: Taxon) -> Group | None:
    """Return whose vocabulary describes a taxon; None where its ranks do not tell, or it belongs to no group."""
    group = _CLASSES.get(taxon.class_.casefold()) or _KINGDOMS.get(taxon.kingdom.casefold())
    return group or ("insects" if taxon.order.casefold() in _INSECT_ORDERS else None)
