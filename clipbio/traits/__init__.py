"""Structured characters out of descriptions: organ, property and value, with the words that say so."""

from clipbio.traits.captions import caption, captions, prose
from clipbio.traits.extraction import extract
from clipbio.traits.groups import group_of
from clipbio.traits.trait import PROPERTIES, Group, Side, Trait

__all__ = ["PROPERTIES", "Group", "Side", "Trait", "caption", "captions", "extract", "group_of", "prose"]
