"""Name something: the subject of a clause, an object of it, a further member of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipbio.traits.drafts import NOWHERE, Target
from clipbio.traits.phrases import Phrase
from clipbio.traits.places import locate, locate_further
from clipbio.traits.scanner import Item
from clipbio.traits.speech import LISTS, MOST, Chunk, Speech, is_kind, is_predicate
from clipbio.traits.targets import targets_of

__all__ = ["on_nouns"]


def on_nouns(speech: Speech, phrase: Phrase, names: Sequence[Item], before: Chunk, after: Chunk) -> None:
    """Take in a phrase with nouns; `names` are those that mean something."""
    state = speech.state
    speaks = is_predicate(after)
    goes_on = is_kind(before, *LISTS) and phrase.is_bare
    if state.placing and not state.is_further:
        locate(speech, phrase, names)
    elif state.placing or (state.place_open and goes_on and not speaks):
        locate_further(speech, names)
    elif goes_on and state.current:
        _list_further(speech, phrase, names, speaks=speaks)
    else:
        _name(speech, phrase, names, before, after, speaks=speaks)


def _name(speech: Speech, phrase: Phrase, names: Sequence[Item], before: Chunk, after: Chunk, *, speaks: bool) -> None:
    """Name the subject, an object of it, or a part of what stands right before."""
    state = speech.state
    is_tied = isinstance(before, Phrase) and bool(before.nouns)
    targets = targets_of(names, _owner(speech, names, before, is_tied=is_tied) or [NOWHERE])
    is_subject = not (is_tied or state.in_object or state.has_subject)
    is_told = is_kind(after, "be", "have") or phrase.is_bare or not state.in_object
    is_new = speaks and is_told and any(name.kind == "organ" for name in names)
    speech.say_nouns(phrase, names, targets)
    if state.elided and names and names[-1].kind == "marking":
        said = state.last
        speech.say(state.elided, targets)
        state.last, state.elided = [*said, *state.last], []
    state.current, state.place_open = targets, False
    if speech.side_holds and is_subject and targets[0].side and not targets[0].organ:
        speech.stand(targets[0].side)
    if is_subject or is_new:
        state.subject = state.owner = targets
        state.has_subject, state.in_object = True, False


def _owner(speech: Speech, names: Sequence[Item], before: Chunk, *, is_tied: bool) -> list[Target]:
    """Return what a noun without an organ belongs to: the HW of `HW black tip`, what has it, or the subject."""
    state = speech.state
    if names and names[0].kind == "side_noun" and (before is None or is_kind(before, "end", "stop")):
        return [NOWHERE]
    if is_tied and state.current:
        return state.current
    return state.owner if state.in_object else state.subject


def _list_further(speech: Speech, phrase: Phrase, names: Sequence[Item], *, speaks: bool) -> None:
    """Add nouns to those before: `gray head and back`, `head, neck and breast black`."""
    state = speech.state
    previous, adjectives = state.current, state.last_adjectives
    targets = targets_of(names, [replace(one, part="", is_marking=False) for one in previous])
    is_subject = state.subject is previous
    speech.say_nouns(phrase, names, targets)
    if adjectives and not speaks:
        speech.say(adjectives, targets)
    together = targets if adjectives and speaks else [*previous, *targets][-MOST:]
    state.current = state.last_targets = together
    state.last_adjectives = [] if speaks else adjectives
    if is_subject:
        state.subject = state.owner = together
    elif speaks and any(name.kind == "organ" for name in names):
        state.subject = state.owner = together
        state.in_object = False
