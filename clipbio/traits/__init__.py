"""Structured characters out of descriptions: organ, property and value, with the words that say so."""

from clipbio.traits.captions import caption, captions, prose
from clipbio.traits.trait import PROPERTIES, Group, Side, Trait

__all__ = ["PROPERTIES", "Group", "Side", "Trait", "caption", "captions", "prose"]
