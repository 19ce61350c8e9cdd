"""Structured characters out of descriptions: organ, property and value, with the words that say so."""

from clipbio.traits.alternatives import alternatives
from clipbio.traits.captions import caption, captions, prose
from clipbio.traits.described import Described
from clipbio.traits.extraction import extract
from clipbio.traits.groups import group_of
from clipbio.traits.languages import LANGUAGES
from clipbio.traits.reader import Reader
from clipbio.traits.told_language import language_code, language_of
from clipbio.traits.trait import MEASURED, PROPERTIES, Group, Side, Trait

__all__ = [
    "LANGUAGES",
    "MEASURED",
    "PROPERTIES",
    "Described",
    "Group",
    "Reader",
    "Side",
    "Trait",
    "alternatives",
    "caption",
    "captions",
    "extract",
    "group_of",
    "language_code",
    "language_of",
    "prose",
]
