"""Texts of species from several sources, under the names that the merged set has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from clipbio.data.defects import Defects
from clipbio.data.merging.deciding import Decisions, Rules
from clipbio.data.sources.base import Source
from clipbio.data.species_texts import name_of
from clipbio.data.specimen import SpeciesText
from clipbio.taxonomy import Taxon

__all__ = ["merged_texts"]


def merged_texts(
    sources: Mapping[str, Source],
    decisions: Decisions,
    rules: Rules,
    common_names: Iterable[SpeciesText],
    defects: Defects,
) -> Iterator[SpeciesText]:
    """Yield each text once, source after source, then the given common names; those of blocked species are left out.

    A text belongs to what the records of its own source with this name became, else to what the checklist says. What is
    wrong with texts is counted in `defects`.
    """
    seen: set[tuple[str, str, str, str]] = set()
    for text in chain(_renamed(sources, decisions, rules, defects), common_names):
        key = (text.kingdom, text.scientific_name, text.kind, text.text)
        if key not in seen:
            seen.add(key)
            yield text


def _renamed(
    sources: Mapping[str, Source], decisions: Decisions, rules: Rules, defects: Defects
) -> Iterator[SpeciesText]:
    for source_name, source in sources.items():
        source.defects.clear()
        for text in source.species_texts():
            for kingdom, name in _subjects(text, decisions.taxa[source_name], rules):
                if not rules.species.blocks((text.scientific_name, name), kingdom, count=False):
                    origin = text.source or source_name
                    yield replace(text, kingdom=kingdom, scientific_name=name, source=origin)
        defects.update(source.defects, f"{source_name}: ")


def _subjects(text: SpeciesText, known: Mapping[str, set[Taxon]], rules: Rules) -> list[tuple[str, str]]:
    """Return kingdom and accepted name of what a text is about."""
    taxa = known.get(text.scientific_name, set())
    kingdom = text.kingdom.capitalize()
    fitting = [taxon for taxon in taxa if not kingdom or not taxon.kingdom or taxon.kingdom == kingdom]
    if not fitting:
        genus, _, epithet = text.scientific_name.partition(" ")
        fitting = [rules.resolver(Taxon(kingdom=kingdom, genus=genus, species=epithet)).taxon]
    if len({taxon.kingdom for taxon in fitting}) > 1 and not kingdom:
        # Of two kingdoms: `prepare` says that its column kingdom must be filled.
        return [("", text.scientific_name)]
    return sorted({(taxon.kingdom, name_of(taxon)) for taxon in fitting})
