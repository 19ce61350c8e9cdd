"""Link values to organs: a walk over the phrases of a sentence that keeps in mind what it speaks of.

The first nouns of a clause are its subject; nouns behind `with`, `has` and `bordered by` belong to it (`naming`).
Adjectives without a noun speak of the subject, or of the nouns right before them (`predicates`). `on`, `at` and `of`
say where the phrase before them is (`places`). Lists carry on what their first member began; a semicolon keeps the
subject, a full stop does not (`binding`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipbio.traits import phrases, phrases_fr
from clipbio.traits.binding import RULES
from clipbio.traits.drafts import Draft
from clipbio.traits.naming import on_nouns
from clipbio.traits.phrases import Phrase
from clipbio.traits.predicates import awaits_noun, on_adjectives
from clipbio.traits.scanner import Item
from clipbio.traits.speech import LISTS, Chunk, Speech, is_kind

__all__ = ["Linker"]

_GROUPS = {"en": phrases.group, "fr": phrases_fr.group}
_BEARERS = ("sex", "stage")
_ENDS_OF_SKIPPING = {"than": ("comma", "end", "stop", "but", "close", "with"), "resembling": ("end", "stop", "but")}


class Linker:
    """Walk over the sentences of one description; `side_holds`: a side told at the beginning holds until the next."""

    def __init__(self, *, side_holds: bool, language: str = "en") -> None:
        self._group = _GROUPS[language]
        self._speech = Speech(side_holds=side_holds)

    @property
    def drafts(self) -> list[Draft]:
        """The statements so far."""
        return self._speech.drafts

    def read(self, items: Sequence[Item]) -> None:
        """Take in the items of a sentence."""
        speech = self._speech
        chunks: list[Chunk] = [None, *self._group(items), None]
        speech.begin(chunks)
        for place in range(1, len(chunks) - 1):
            chunk, before, after = chunks[place], chunks[place - 1], chunks[place + 1]
            speech.place = place
            if speech.skipping and not is_kind(chunk, *_ENDS_OF_SKIPPING[speech.skipping]):
                continue
            speech.skipping = ""
            if isinstance(chunk, Phrase):
                _on_phrase(speech, chunk, before, after)
            elif chunk is not None and chunk.kind in RULES:
                RULES[chunk.kind](speech, chunk, before, after)


def _on_phrase(speech: Speech, phrase: Phrase, before: Chunk, after: Chunk) -> None:
    """Take in a phrase: as a name where it has nouns or tells a sex, else as adjectives."""
    state = speech.state
    names = [noun for noun in phrase.nouns if noun.kind != "nothing"]
    told = [item for item in phrase.adjectives if item.kind in _BEARERS]
    if not phrase.nouns and is_kind(after, "preposition") and [item.entry.value for item in told] == ["breeding"]:
        return  # `Individuals breeding along the coast`
    if not phrase.nouns and not told and is_kind(after, "be") and not isinstance(before, Phrase):
        state.subject, state.has_subject = [], True  # `but red is pinkish`
        return
    leads = not (state.has_subject or state.in_object)
    if told or (leads and names and names[-1].kind == "whole"):
        _set_scope(speech, told, before)
    if names or (told and len(told) == len(phrase.adjectives)):
        on_nouns(speech, phrase, names, before, after)
    elif awaits_noun(phrase, before):
        state.last, state.placing = [], False
    else:
        on_adjectives(speech, phrase, before, after)
    if not is_kind(after, *LISTS):
        state.is_not = False


def _set_scope(speech: Speech, told: Sequence[Item], before: Chunk) -> None:
    """Let a sex or stage hold: for the sentence, or of `spots on the male` for the spots; two of them for both."""
    values = {item.kind: item.entry.value for item in told}
    sex, stage = values.get("sex", ""), values.get("stage", "")
    governed = speech.state.governed
    if speech.state.placing:
        if told and not any(one.scope.negated for one in governed):
            scoped = [replace(one, scope=replace(one.scope, sex=sex, stage=stage)) for one in governed]
            speech.state.governed = speech.replace(governed, scoped)
    elif told and is_kind(before, "and", "or") and _bears(speech.chunks[speech.place - 2]):
        others = dict.fromkeys((*speech.scope.others, (sex, stage)))
        speech.scope = replace(speech.scope, others=tuple(others))
    else:
        speech.scope = replace(speech.scope, sex=sex, stage=stage, others=())


def _bears(chunk: Chunk) -> bool:
    """Tell whether a phrase names a sex or stage alone: the females of `females/immatures`."""
    return isinstance(chunk, Phrase) and not chunk.nouns and any(item.kind in _BEARERS for item in chunk.adjectives)
