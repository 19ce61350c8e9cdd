"""Adjectives that no noun follows: what they speak of."""

from __future__ import annotations

from dataclasses import replace

from clipbio.traits.drafts import Target
from clipbio.traits.phrases import Phrase
from clipbio.traits.speech import LOCAL, MOST, Chunk, Speech, is_kind

__all__ = ["awaits_noun", "on_adjectives"]

_BEHIND_NAMES = (
    "",
    "with",
    "have",
    "be",
    "comma",
    "stop",
    "end",
    "but",
    "function",
    "loose",
    "without",
    "absent",
    "open",
)
_BEFORE_THINGS = ("with", "of", "have", "preposition", "agent")


def awaits_noun(phrase: Phrase, before: Chunk) -> bool:
    """Tell whether adjectives speak of an unknown noun; at the beginning of a sentence that is the organism itself."""
    is_organism = before is None or (phrase.article and is_kind(before, "be"))
    is_organism = is_organism and all(item.kind != "count" for item in phrase.adjectives)
    is_organism = is_organism and (not phrase.dropped or phrase.beyond in _BEHIND_NAMES)
    has_own = any(item.kind == "bodied" for item in phrase.adjectives)
    return (phrase.dropped or (phrase.article and not phrase.nouns)) and not (is_organism or has_own)


def on_adjectives(speech: Speech, phrase: Phrase, before: Chunk, after: Chunk) -> None:
    """Say adjectives of the words right before them, of the subject, or of the markings that `with` fills."""
    state = speech.state
    if (state.placing and state.marking != "of") or _lacks_thing(phrase, before):
        state.last, state.placing = [], False
        return
    is_count = bool(phrase.adjectives) and phrase.adjectives[0].kind == "count"
    is_count = is_count and not speech.stack  # of `black spots (2 on the female)` the noun has been named
    if is_count and is_kind(after, "preposition") and not isinstance(before, Phrase):
        state.last, state.elided = [], phrase.adjectives
        return
    is_chained = is_kind(before, "and", "or", "to")
    if is_chained and any(item.colour is None for item in phrase.adjectives):
        state.marking = ""
    targets = _spoken_of(speech, phrase, before, after)
    is_of, head, chain = state.marking == "of", state.last, state.chain if is_chained else []
    state.placing = state.place_open = False
    speech.say(phrase.adjectives, targets)
    state.chain = [*chain, *state.last][-MOST:]
    state.last_targets, state.last_adjectives = targets, phrase.adjectives
    if not (isinstance(before, Phrase) and before.nouns):
        state.current = []
    if is_of:
        state.last, state.marking = [*head, *state.last], ""
    else:
        state.last_is_named = False


def _lacks_thing(phrase: Phrase, before: Chunk) -> bool:
    """Tell whether a thing must follow and none does: `with yellow` is one, `in light` is none."""
    has_hue = any(item.colour is not None and item.colour.has_hue for item in phrase.adjectives)
    return is_kind(before, *_BEFORE_THINGS) and not phrase.nouns and not has_hue


def _spoken_of(speech: Speech, phrase: Phrase, before: Chunk, after: Chunk) -> list[Target]:
    state = speech.state
    if state.marking and state.marking != "of" and not (phrase.article and phrase.nouns):
        return [_filled(one, state.marking) for one in state.owner]
    if isinstance(before, Phrase) or state.marking == "of":
        return state.last_targets
    if is_kind(before, "and", "or", "to") and not state.current and not _is_odd(speech, phrase):
        return state.last_targets
    if is_kind(before, "comma") and state.in_object and state.current and is_kind(after, "agent"):
        return state.current
    if is_kind(before, "of"):  # an amount of black is none of the spots before
        return [replace(one, part="", is_marking=False) for one in state.owner]
    return state.owner if is_kind(before, "with", "agent", "have", "without", "absent") else state.subject


def _is_odd(speech: Speech, phrase: Phrase) -> bool:
    """Tell whether adjectives cannot be of the part before: `margined with cream and pinnate`, margins are not."""
    is_local = all(item.entry.property in LOCAL for item in phrase.adjectives)
    return not is_local and any(one.part for one in speech.state.last_targets)


def _filled(target: Target, marking: str) -> Target:
    """Return what `with` fills: the spots of `spotted with cream`, the rim of `a spot ringed with red`."""
    return replace(target, part=f"{target.part} {marking}" if target.is_marking else marking, is_marking=True)
