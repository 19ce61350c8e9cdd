"""What a number of descriptions gave: how many traits of each character, with examples, and from how many sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from clipbio.traits.captions import caption
from clipbio.traits.described import Described, sentences_with_traits
from clipbio.traits.trait import Trait

__all__ = ["CharacterRow", "Summary"]

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class CharacterRow:
    """A character: its traits, the taxa that have one, and its most frequent states."""

    character: str
    traits: int
    taxa: int
    examples: tuple[str, ...]


class Summary:
    """Counts that grow description by description."""

    def __init__(self) -> None:
        self.descriptions = self.traits = self.sentences = self.sentences_with_traits = 0
        self._taxa: set[str] = set()
        self._states: dict[str, Counter[str]] = defaultdict(Counter)
        self._taxa_of: dict[str, set[str]] = defaultdict(set)

    def add(self, about: Described, traits: Sequence[Trait]) -> None:
        """Count a description and its traits."""
        sentences, fruitful = sentences_with_traits(about.text, traits)
        self.descriptions += 1
        self.traits += len(traits)
        self.sentences += sentences
        self.sentences_with_traits += fruitful
        self._taxa.add(about.taxon_id)
        for trait in traits:
            self._states[trait.character][caption(trait)] += 1
            self._taxa_of[trait.character].add(about.taxon_id)

    def rows(self) -> list[CharacterRow]:
        """Return the characters, the most frequent first."""
        found = [
            CharacterRow(
                character=character,
                traits=states.total(),
                taxa=len(self._taxa_of[character]),
                examples=tuple(state for state, _ in states.most_common(_EXAMPLES)),
            )
            for character, states in self._states.items()
        ]
        return sorted(found, key=lambda row: (-row.traits, row.character))

    def line(self) -> str:
        """Say in one line what was found."""
        share = 100 * self.sentences_with_traits / max(self.sentences, 1)
        return (
            f"{self.traits:,} traits of {len(self._states):,} characters in {self.descriptions:,} descriptions of "
            f"{len(self._taxa):,} taxa; {share:.1f} % of {self.sentences:,} sentences gave at least one"
        )
