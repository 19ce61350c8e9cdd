"""Provisional names: what collections call a species that has no name yet."""

from __future__ import annotations

import re
from collections.abc import Mapping

from clipbio.data.sources.cells import text
from clipbio.names import clean_phrase
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["determination", "is_provisional"]

# The signs by which BIOSCAN-5M was split: "Megaselia ABCD" and "Megaselia malaiseWW" only look like names.
_SIGNS = re.compile(
    r"""
    \d | [?_./\\#:;*()\[\]"&+×=] |   # numbers, doubts, codes, abbreviations with a dot, formulae
    ^[^A-Z] | [A-Z]{2} |             # an epithet alone, the initials of a collection
    (?i:malaise) |
    \b(?:aff|cf|nr|near|sp|spp|ssp|gen|fam|indet|group|grp|complex|agg|morph|species|hybrid|undet|unk)\b
    """,
    re.VERBOSE,
)
_SUBGENUS = re.compile(r" \([A-Z][a-z]+\)")
# "Megaselia sp." and "sp. indet" say nothing that the genus does not say.
_EMPTY_WORDS = frozenset({"sp", "spp", "species", "gen", "indet", "nov", "n"})
# Endings of subfamilies, families, tribes and superfamilies.
_ABOVE_GENUS = ("inae", "idae", "ini", "oidea")


def is_provisional(species: str) -> bool:
    """Tell whether a species name is no published one: `Megaselia sp. 1ABC`, `Megaselia cf. rufipes`, `Megaselia`.

    Names are expected as binomials or trinomials without authors and years.
    """
    name = _SUBGENUS.sub("", species, count=1)
    words = name.split()
    # One word is no species; a capital inside the epithet marks a code.
    return len(words) < 2 or words[1] != words[1].lower() or _SIGNS.search(name) is not None


def determination(row: Mapping[str, object]) -> tuple[Taxon, str]:
    """Return the taxon of a row that names its ranks, and the provisional name as a label, `""` without one.

    A record with a provisional species counts as determined to its genus; the name as given keeps its kind apart.
    """
    values = {rank: text(row.get(rank)) for rank in RANKS}
    species = clean_phrase(values["species"])
    if not species or not is_provisional(species):
        return Taxon.from_mapping(values), ""
    first, *rest = species.split()
    if not values["genus"] and first[:1].isupper() and not first.endswith(_ABOVE_GENUS):
        values["genus"] = first
    taxon = Taxon.from_mapping(values | {"species": ""})
    no_news = _EMPTY_WORDS | {taxon.genus.lower()}
    tells_more = any(word.strip(".,").lower() not in no_news for word in (first, *rest))
    return taxon, species if tells_more else ""
