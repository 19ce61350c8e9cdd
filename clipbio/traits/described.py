"""A description and what it is about, and the ids that it and its traits keep from run to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clipbio.sentences import sentence_spans
from clipbio.taxonomy import Taxon, stable_hash
from clipbio.traits.trait import Trait

__all__ = ["Described", "identified", "sentences_with_traits"]


@dataclass(frozen=True, slots=True)
class Described:
    """A text about a taxon, or about one specimen of it.

    Args:
        text: as it stands; the offsets of traits count its characters.
        taxon: what it is about, as far as it is known.
        name: what that is called: the binomial, else a label or the deepest name.
        specimen_id: the specimen that it is about, empty for a text about the species.
        language: as its source tells it, a code or a word.
        type: what kind of description it is, as its source tells it.
        source: where it is from.
        licence: under which it may be used.
    """

    text: str
    taxon: Taxon
    name: str
    specimen_id: str = ""
    language: str = ""
    type: str = ""
    source: str = ""
    licence: str = ""

    @property
    def taxon_id(self) -> str:
        """Return an id of the taxon: the plant and the animal of one name have two."""
        return f"{stable_hash('taxon', self.taxon.kingdom, self.name):016x}"

    @property
    def id(self) -> str:
        """Return an id of the text about this taxon or specimen."""
        return f"{stable_hash('description', self.taxon_id, self.specimen_id, self.text):016x}"


def identified(about: Described, traits: Sequence[Trait]) -> Iterator[tuple[str, Trait]]:
    """Yield the traits of a description, each with an id that depends on what it says and where alone."""
    met: Counter[int] = Counter()
    for trait in traits:
        qualifiers = (trait.shade, trait.sex, trait.stage, trait.side, str(trait.negated))
        place = (str(trait.start), str(trait.end))
        key = stable_hash("trait", about.id, *place, trait.character, trait.value, *qualifiers)
        met[key] += 1
        yield f"{key:016x}" if met[key] == 1 else f"{key:016x}-{met[key]}", trait


def sentences_with_traits(text: str, traits: Sequence[Trait]) -> tuple[int, int]:
    """Return how many sentences a text has, and how many of them gave at least one trait."""
    spans = sentence_spans(text)
    return len(spans), sum(any(start <= trait.start < end for trait in traits) for start, end in spans)
