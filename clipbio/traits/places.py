"""Say where something is: `white spots on the wings`, `black at the tip of the bill`, `on HW a yellow band`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipbio.traits.drafts import NOWHERE, Target, moved
from clipbio.traits.phrases import Phrase
from clipbio.traits.scanner import Item
from clipbio.traits.speech import LISTS, LOCAL, Chunk, Speech, is_kind
from clipbio.traits.targets import targets_of

__all__ = ["begin_place", "locate", "locate_further"]


def begin_place(speech: Speech, item: Item, before: Chunk) -> bool:
    """Take in a preposition; tell whether it goes on with the place before: `at the tip` of the bill."""
    state = speech.state
    is_told = state.place_open and item.kind == "of"
    goes_on = is_told and isinstance(before, Phrase) and all(noun.kind != "organ" for noun in before.nouns)
    if state.place_open and is_kind(before, *LISTS):
        state.placing, state.is_further = True, True
        return goes_on
    state.leads = not isinstance(before, Phrase)
    state.placing, state.place_open, state.is_further = True, False, False
    if not goes_on:
        # The wing of `a patch in the secondaries of the wing` says nothing more of the patch.
        is_said = not is_told and (isinstance(before, Phrase) or is_kind(before, "be"))
        state.governed = [] if not is_said else state.last if state.last_is_named else state.chain or state.last
        state.governed_nouns = is_said and state.last_is_named
    return goes_on


def locate(speech: Speech, phrase: Phrase, names: Sequence[Item]) -> None:
    """Name the place behind a preposition, and put there what stands before it."""
    state = speech.state
    before, governed = state.last_targets, state.governed
    targets = _places(speech, names)
    is_of = state.marking == "of"
    state.placing, state.marking = False, ""
    _say_place(speech, phrase, names, targets)
    if not governed and state.leads and names and names[-1].kind not in ("kind", "whole"):
        state.owner = state.current = state.last_targets = targets
        if not (state.has_subject or state.in_object):
            state.subject = targets
        return
    _move(speech, targets, names, is_of=is_of)
    if is_of and state.governed_nouns:
        _tell_organ(speech, targets, names)
    if state.governed_nouns or not governed:
        state.last_targets = state.current or before
    state.place_open = bool(governed)
    if governed:
        state.last, state.last_is_named = state.governed, state.governed_nouns


def locate_further(speech: Speech, names: Sequence[Item]) -> None:
    """Add a place: `spots on head, neck and back`."""
    state = speech.state
    state.placing = False
    if any(name.kind not in ("organ", "part") for name in names):
        return
    targets, said = _places(speech, names), state.originals
    if state.governed_nouns:
        targets = [replace(one, part="") for one in targets if any(name.kind == "organ" for name in names)]
    else:
        said = [one for one in said if one.property in LOCAL]
    speech.drafts += [draft for place in targets for draft in moved(said, place)]


def _places(speech: Speech, names: Sequence[Item]) -> list[Target]:
    return targets_of(names, [replace(one, part="") for one in speech.state.subject or [NOWHERE]])


def _say_place(speech: Speech, phrase: Phrase, names: Sequence[Item], targets: list[Target]) -> None:
    """Say what the place itself is like; that holds even of what is lacking there."""
    is_growth = bool(names) and names[-1].kind == "kind" and not names[-1].entry.organ
    if names and not is_growth:
        negated = speech.scope.negated
        speech.negate(False)
        speech.say_nouns(phrase, names, targets)
        speech.negate(negated)


def _move(speech: Speech, targets: list[Target], names: Sequence[Item], *, is_of: bool) -> None:
    """Move statements to where a preposition puts them."""
    state = speech.state
    governed, kinds = state.governed, {name.kind for name in names}
    state.originals = governed
    if not names or not governed or kinds & {"whole", "kind", "ground"}:
        return
    if kinds == {"side_noun"}:
        side = targets[0].side or ""
        sided = [replace(one, target=replace(one.target, side=side)) for one in governed]
        state.governed = speech.replace(governed, sided)
    elif state.governed_nouns:
        _move_markings(speech, targets, is_organ="organ" in kinds)
    elif not is_of and not kinds & {"marking", "mass"}:
        # A line that tapers at the tip is no tip that tapers.
        of_marking = "organ" not in kinds and any(one.target.is_marking for one in governed)
        local = [one for one in governed if one.property in LOCAL and not of_marking]
        state.governed = speech.replace(local, [draft for place in targets for draft in moved(local, place)])


def _tell_organ(speech: Speech, targets: list[Target], names: Sequence[Item]) -> None:
    """Tell which organ a part is of: `tip of the forewing`, `underside of HW`."""
    state = speech.state
    is_part = all(one.part or one.side or not one.organ for one in state.current)
    if is_part and state.current and any(name.kind == "organ" for name in names):
        is_subject = state.subject is state.current
        state.current = [replace(one, organ=place.organ) for place in targets for one in state.current]
        if is_subject:
            state.subject = state.owner = state.current


def _move_markings(speech: Speech, targets: list[Target], *, is_organ: bool) -> None:
    """Put markings and regions on the organ of the place; an organ stays what it is."""
    state = speech.state
    governed = state.governed
    if is_organ and all(one.target.part or one.of_organ for one in governed):
        places = [replace(one, part="") for one in targets]
        state.governed = speech.replace(governed, [draft for place in places for draft in moved(governed, place)])
        state.current = [replace(one, organ=place.organ) for place in places for one in state.current]
