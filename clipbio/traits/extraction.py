"""Extract the traits that a description tells."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipbio.sentences import sentence_spans
from clipbio.traits.drafts import Draft, to_traits
from clipbio.traits.groups import told_group
from clipbio.traits.lexicon import lexicon
from clipbio.traits.linking import Linker
from clipbio.traits.numbers import numbers_of
from clipbio.traits.scanner import Item, scan
from clipbio.traits.spelling import composed
from clipbio.traits.trait import Group, Trait

__all__ = ["extract"]


def extract(
    text: str, *, group: Group | None = None, language: str = "en", own: Path | None = None
) -> tuple[Trait, ...]:
    """Return the traits that `text` tells, in the order of their words.

    Args:
        text: a description: telegraphic as in floras and field guides, or in sentences.
        group: whose vocabulary to read it with; None lets its own words tell.
        language: of the text.
        own: a file of further words, see `clipbio.traits.vocabulary`.

    Raises:
        ClipbioError: there is no vocabulary of this group or language, or `own` is not as it should be.
    """
    if unicodedata.is_normalized("NFC", text):
        return _extracted(text, group, language, own)
    whole, places = composed(text)
    return tuple(_placed(one, text, places) for one in _extracted(whole, group, language, own))


def _extracted(text: str, group: Group | None, language: str, own: Path | None) -> tuple[Trait, ...]:
    group = group or told_group(text, language)
    words = lexicon(group, language, own)
    numbers = numbers_of(text, language)
    linker = Linker(side_holds=group == "insects", language=language)
    for start, end in sentence_spans(text):
        linker.read(list(_about(scan(text, start, end, words, numbers))))
    default = words.vocabulary.default
    drafts = _named(linker.drafts, default.get("measure", ""))
    traits = {trait for draft in drafts for trait in to_traits(draft, text, words.vocabulary)}
    return tuple(sorted(traits, key=_order))


def _order(trait: Trait) -> tuple[Any, ...]:
    said = (trait.organ, trait.part, trait.property, trait.value)
    return trait.start, *said, trait.sex, trait.stage, trait.side, trait.negated, trait.end, trait.organ_start


def _placed(trait: Trait, text: str, places: Sequence[int]) -> Trait:
    """Return a trait with its places in a text whose accents stand behind their letters."""
    start, end = places[trait.start], places[trait.end]
    organ = (-1, -1) if trait.organ_start < 0 else (places[trait.organ_start], places[trait.organ_end])
    return replace(trait, phrase=text[start:end], start=start, end=end, organ_start=organ[0], organ_end=organ[1])


def _about(items: Sequence[Item]) -> Iterator[Item]:
    """Leave out clauses about something else: habitat, behaviour, songs."""
    clause: list[Item] = []
    for item in items:
        clause.append(item)
        if item.kind in ("end", "stop"):
            yield from _kept(clause)
            clause = []
    yield from _kept(clause)


def _kept(clause: list[Item]) -> Iterator[Item]:
    """Leave out what follows such a word, up to `but` or `and has`."""
    is_elsewhere = False
    for place, item in enumerate(clause):
        before = clause[place - 1].kind if place else ""
        if item.kind == "elsewhere" and not is_elsewhere:
            is_elsewhere = True
            yield item
        elif item.kind in ("but", "end", "stop") or (item.kind == "have" and before == "and"):
            is_elsewhere = False
        if not is_elsewhere:
            yield item


def _named(drafts: Sequence[Draft], first_measure: str) -> Iterator[Draft]:
    """Give measures that no word names a name: the first of a whole animal is known, others are lengths."""
    for draft in sorted(drafts, key=lambda one: one.item.start):
        if draft.property:
            yield draft
            continue
        is_whole = not draft.target.organ and not draft.target.part
        yield replace(draft, property=(first_measure if is_whole else "") or "length")
        first_measure = "" if is_whole else first_measure
