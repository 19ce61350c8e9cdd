"""Names that stand in for a species that nobody has described, or that the record was not determined to."""

from __future__ import annotations

import re

__all__ = ["is_provisional"]

# The signs are those by which BIOSCAN-5M was split (its paper and its split script).
_SIGNS = re.compile(
    r"""
    \d | [?_./\\#:;*()\[\]"&+×=] |   # numbers, doubts, codes, abbreviations with a dot, formulae
    ^[^A-Z] |                        # an epithet alone, or a word such as "unknown"
    [A-Z]{2} |                       # initials of a collection: "Sciara BOLD", "Aus bZJ"
    \b(?:aff|cf|nr|near|sp|spp|ssp|gen|fam|indet|group|grp|complex|agg|morph|species|hybrid|undet|unk|malaise\w*)\b
    """,
    re.VERBOSE,
)
_MALAISE = re.compile(r"malaise", re.IGNORECASE)


def is_provisional(name: str) -> bool:
    """Tell whether a species name as given is no published scientific name."""
    words = name.split()
    # One word is no species; a capital inside the epithet marks a code.
    no_species = len(words) < 2 or words[1] != words[1].lower()
    return no_species or _SIGNS.search(name) is not None or _MALAISE.search(name) is not None
