"""The same words with another state of the character: `leaves ovate`, `leaves linear`, `leaves cordate`."""

from __future__ import annotations

from collections.abc import Iterator

from clipbio.traits.extraction import extract
from clipbio.traits.groups import told_group
from clipbio.traits.nouns import plural
from clipbio.traits.spelling import folded
from clipbio.traits.trait import Group, Trait
from clipbio.traits.vocabulary import Vocabulary, vocabulary

__all__ = ["alternatives"]

# What stands as a noun, and so has a plural: a berry, spots.
_NOUNS = ("kind", "marking")


def alternatives(
    text: str, *, group: Group | None = None, language: str = "en", most: int | None = None
) -> tuple[str, ...]:
    """Return a text once with each other state of each character whose state it tells, in the vocabulary's order.

    Hues stand for hues; a shade goes with its colour. Numbers and what is denied have no other states, nor has a text
    without traits.

    Args:
        text: words about organs: `dark green leaves`.
        group: whose states; None lets the words tell.
        language: of the text.
        most: at most so many, from all over the vocabulary; None is all.

    Raises:
        ClipbioError: there is no vocabulary of this group or language.
    """
    group = group or told_group(text, language)
    told = [trait for trait in extract(text, group=group, language=language) if not trait.negated]
    found = tuple(dict.fromkeys(one for trait in told for one in _changed(text, trait, group, language)))
    return found[:: -(-len(found) // most)] if most and found else found


def _changed(text: str, trait: Trait, group: Group | None, language: str) -> Iterator[str]:
    words = text[trait.start : trait.end]
    vocabulary_ = vocabulary(group, language)
    own = vocabulary_.entries.get(folded(words))
    kind = own.kind if own is not None and own.kind in _NOUNS else "state"
    others = _hues(vocabulary_) if trait.property == "colour" else _states(vocabulary_, trait, kind)
    several = kind in _NOUNS and words == plural(trait.value) != trait.value
    for state, phrase in others.items():
        if state != trait.value:
            yield f"{text[: trait.start]}{plural(phrase) if several else phrase}{text[trait.end :]}"


def _hues(vocabulary_: Vocabulary) -> dict[str, str]:
    """Return the first word of each hue, by hue."""
    found: dict[str, str] = {}
    for word, hue in vocabulary_.hue_words.items():
        found.setdefault(hue, word)
    return found


def _states(vocabulary_: Vocabulary, trait: Trait, kind: str) -> dict[str, str]:
    """Return the first phrase of each state that the organ of a trait can have, by state, all of one part of speech."""
    found: dict[str, str] = {}
    for phrase, entry in vocabulary_.entries.items():
        property_ = "pattern" if entry.kind == "marking" else entry.property
        if entry.kind == kind and property_ == trait.property and entry.organ in ("", trait.organ) and entry.value:
            found.setdefault(entry.value, " ".join(phrase))
    return found
