"""What is asked about the parts of a specimen that a mask tells apart: phrases about each, out of its own texts."""

from __future__ import annotations

from dataclasses import dataclass

from clipbio.data.masks import WHOLE
from clipbio.data.specimen import Specimen
from clipbio.sentences import split_sentences
from clipbio.text.trait_text import traits_of
from clipbio.traits import Trait, captions
from clipbio.traits.nouns import subject
from clipbio.traits.shown import shows

__all__ = ["Phrase", "phrases_of", "plain_phrase", "states_of"]

# Measures and numbers cannot be seen as such at a place.
_SEEN = ("colour", "pattern", "shape", "margin", "surface", "arrangement", "structure", "venation", "form", "type")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words about a part; `character` and `state` say what of, so that another state can be told in its place."""

    text: str
    character: str
    state: str


def phrases_of(specimen: Specimen, label: str, *, most: int) -> tuple[Phrase, ...]:
    """Return phrases about a part of a specimen, the colour first, each character once.

    Of a mask that shows the whole specimen they are sentences of its descriptions.

    Args:
        specimen: With its descriptions.
        label: What the mask calls the part.
        most: How many are wanted.
    """
    if label == WHOLE:
        sentences = (one for text in specimen.descriptions for one in split_sentences(text))
        return tuple(Phrase(one, WHOLE, specimen.species) for one in dict.fromkeys(sentences))[:most]
    found = [one for one in _traits(specimen) if shows(label, one.organ)]
    found.sort(key=lambda one: (one.property != "colour", bool(one.part)))
    told = {one.character: one for one in reversed(found)}
    kept = [one for one in dict.fromkeys(found) if told[one.character] is one]
    return tuple(_phrase(one) for one in kept)[:most]


def states_of(specimen: Specimen) -> frozenset[tuple[str, str]]:
    """Return all characters and states that the descriptions tell, also those that no phrase is made of."""
    return frozenset((one.character, _state(one)) for one in _traits(specimen))


def plain_phrase(specimen: Specimen, label: str) -> str:
    """Return what a part is called and nothing more: `flowers`; of a whole specimen its name."""
    if label == WHOLE:
        return specimen.common_names[0] if specimen.common_names else specimen.species
    return subject(label)


def _traits(specimen: Specimen) -> tuple[Trait, ...]:
    told = traits_of(specimen.taxon, specimen.descriptions)
    return tuple(trait for trait in told if trait.property in _SEEN and not trait.negated)


def _phrase(trait: Trait) -> Phrase:
    state = _state(trait)
    return Phrase(captions(trait.character, state)[0], trait.character, state)


def _state(trait: Trait) -> str:
    return f"{trait.shade} {trait.value}".strip()
