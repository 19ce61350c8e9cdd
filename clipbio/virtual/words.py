"""Descriptions written from the characters, as floras and field guides would."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from clipbio.seeding import rng
from clipbio.virtual.characters import MEASURES
from clipbio.virtual.tree import Species
from clipbio.virtual.vocabulary import FRUIT_PLURALS, VOCABULARY

__all__ = ["Claim", "Description", "describe"]

_BOUNDS = {measure.name: measure.bounds for measure in MEASURES}
_COMPOUND = ("pinnate", "trifoliolate", "palmate")


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of a description: the phrase that stands for the value of a character."""

    character: str
    value: str
    phrase: str


@dataclass(frozen=True, slots=True)
class Description:
    """A text of two to five sentences, and what it claims."""

    text: str
    claims: tuple[Claim, ...]


@dataclass(slots=True)
class _Writer:
    """Choose words for one species and remember what they claim."""

    species: Species
    random: np.random.Generator
    claims: list[Claim] = field(default_factory=list)

    def word(self, character: str) -> str:
        """Return a phrase for the state of a discrete character."""
        state = self.species.states[character]
        phrases = VOCABULARY[character][state]
        phrase = phrases[0] if self.chance(0.6) else phrases[int(self.random.integers(len(phrases)))]
        self.claims.append(Claim(character, state, phrase))
        return phrase

    def size(self, measure: str) -> str:
        """Return the range of a continuous character with its unit, as in `3.5–5 cm`."""
        unit = measure.rsplit("_", 1)[1]
        low, high = _BOUNDS[measure](self.species.means[measure])
        scale = 10 if unit == "cm" and high < 10 else 1
        # Rounded outwards: every specimen lies within what is stated.
        phrase = f"{math.floor(low * scale) / scale:g}–{math.ceil(high * scale) / scale:g} {unit}"
        self.claims.append(Claim(measure, phrase, phrase))
        return phrase

    def chance(self, probability: float) -> bool:
        """Decide with this probability."""
        return bool(self.random.random() < probability)

    def either(self, *options: str) -> str:
        """Return one of the options."""
        return options[int(self.random.integers(len(options)))]

    def shuffled(self, parts: list[str]) -> list[str]:
        """Return the parts in any order."""
        return [parts[index] for index in self.random.permutation(len(parts))]

    def sentence(self, subject: str, verb: str, traits: list[str], parts: list[str]) -> str:
        """Say in one of three ways that the subject is all `traits` and has all `parts`."""
        traits, having = self.shuffled(traits), _listed(self.shuffled(parts))
        style = self.random.random()
        if style < 0.5:
            return f"{subject} {', '.join(self.shuffled([*traits, f'with {having}']) if having else traits)}."
        if having and style < 0.75:
            return f"The {subject.lower()} have {having} and {verb} {_listed(traits)}."
        return f"The {subject.lower()} {verb} {_listed(traits)}{f', with {having}' if having else ''}."


def describe(species: Species, number: int, *, seed: int) -> Description:
    """Write description `number` of a species; each number gives other words, organs and order."""
    writer = _Writer(species, rng(seed, "virtual", "words", species.index, number))
    sentences = [_flower(writer), _leaf(writer)]
    if writer.chance(0.75):
        sentences.append(_fruit(writer))
    if writer.chance(0.5):
        sentences.append(_stem(writer))
    if writer.chance(0.4):
        sentences.append(_root(writer))
    order = writer.random.permutation(len(sentences))
    return Description(" ".join(sentences[index] for index in order), tuple(writer.claims))


def _leaf(writer: _Writer) -> str:
    division, shape = writer.species.states["leaf_division"], writer.word("leaf_shape")
    if division == "simple":
        form = f"{writer.word('leaf_division')}, {shape}" if writer.chance(0.4) else shape
    elif division in _COMPOUND:
        form = f"{writer.word('leaf_division')} with {shape} leaflets"
    else:
        form = f"{writer.word('leaf_division')}, {shape} in outline"
    traits, parts = [form], []
    arranged = writer.chance(0.75)
    if arranged:
        traits.append(writer.word("leaf_arrangement"))
    if not arranged or writer.chance(0.7):
        traits.append(writer.word("leaf_colour"))
    if writer.species.states["leaf_pattern"] != "plain" or writer.chance(0.15):
        traits.append(writer.word("leaf_pattern"))
    if writer.chance(0.5):
        parts.append(f"{writer.word('leaf_margin')} {writer.either('margins', 'edges')}")
    if writer.chance(0.2):
        traits.append(writer.word("leaf_venation"))
    if writer.chance(0.25):
        traits.append(f"{writer.size('leaf_length_cm')} long")
    return writer.sentence("Leaves", "are", traits, parts)


def _flower(writer: _Writer) -> str:
    petals = writer.word("petal_number")
    petals += f" {writer.word('petal_shape')} petals" if writer.chance(0.75) else " petals"
    traits, parts = [writer.word("flower_colour")], [petals]
    if writer.chance(0.7):
        traits.append(writer.word("inflorescence"))
    if writer.chance(0.5):
        parts.append(f"a {writer.word('centre_colour')} {writer.either('centre', 'eye')}")
    if writer.chance(0.25):
        traits.append(f"{writer.size('flower_diameter_mm')} across")
    return writer.sentence("Flowers", "are", traits, parts)


def _fruit(writer: _Writer) -> str:
    colour, kind = writer.word("fruit_colour"), writer.word("fruit_type")
    size = f", {writer.size('fruit_length_mm')} long" if writer.chance(0.25) else ""
    if writer.chance(0.5):
        article = "an" if colour[0] in "aeiou" else "a"
        return f"{writer.either('Fruit', 'The fruit is')} {article} {colour} {kind}{size}."
    return f"{writer.either('Fruits', 'The fruits are')} {colour} {FRUIT_PLURALS[kind]}{size}."


def _stem(writer: _Writer) -> str:
    traits = [writer.word("stem_form")]
    coloured = writer.chance(0.6)
    if coloured:
        traits.append(writer.word("stem_colour"))
    if not coloured or writer.chance(0.4):
        traits.append(writer.word("indumentum"))
    if writer.chance(0.4):
        traits.append(f"{writer.size('stem_length_cm')} long")
    return writer.sentence("Stem", "is", traits, [])


def _root(writer: _Writer) -> str:
    return f"{writer.either('It grows from', 'Plant with', 'Perennial from')} {writer.word('root')}."


def _listed(parts: list[str]) -> str:
    *first, last = parts or [""]
    return f"{', '.join(first)} and {last}" if first else last
