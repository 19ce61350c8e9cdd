"""What the small words of a sentence do: one rule for each kind, a function of what stands before and behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clipbio.traits.drafts import NOWHERE, Scope, Target
from clipbio.traits.phrases import Phrase
from clipbio.traits.places import begin_place
from clipbio.traits.scanner import Item
from clipbio.traits.speech import LISTS, MOST, Chunk, Speech, State, is_kind, is_predicate
from clipbio.traits.trait import Side

__all__ = ["RULES"]

_BREAKS = ("comma", "and", "or", "end", "stop", "but", "colon", "dash", "open")
_ENDS = ("comma", "end", "stop", "but", "close")
_FARTHEST = 16

Rule = Callable[[Speech, Item, Chunk, Chunk], None]


def _with(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    """Begin what the words right before have; behind `spotted`, what the spots are."""
    state = speech.state
    marking = _marking_before(before)
    speech.open_object(_spoken_of(speech, before))
    state.marking = marking


def _spoken_of(speech: Speech, before: Chunk) -> list[Target]:
    state = speech.state
    if is_kind(before, "side") and speech.side_holds and state.side is not None:
        return [replace(one, side=state.side) for one in state.last_targets]
    return state.last_targets if isinstance(before, Phrase) else state.subject


def _marking_before(before: Chunk) -> str:
    if not isinstance(before, Phrase) or before.nouns:
        return ""
    marker = before.adjectives[-1]
    return marker.entry.part if marker.kind == "state" and marker.agent is None else ""


def _have(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    speech.open_object(speech.state.subject)


def _colon(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    speech.open_object(speech.state.last_targets if isinstance(before, Phrase) else speech.state.subject)


def _without(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    if not is_kind(before, "not"):
        speech.state.is_not = False
    _colon(speech, item, before, after)
    speech.negate(True)


def _absent(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    """Deny what was named right before, `spots absent`; else what follows: `lacking spots`."""
    named = speech.chunks[speech.place - 2] if is_kind(before, "be") else before
    if not (isinstance(named, Phrase) and named.nouns) or not (after is None or is_kind(after, *_ENDS)):
        _without(speech, item, before, after)
        return
    words = {id(one) for one in (*named.adjectives, *named.nouns)}
    said = [one for one in speech.drafts[-MOST:] if id(one.item) in words]
    carried = [one for one in speech.state.last if id(one.item) not in words]  # `leaves ovate, stipules absent`
    denied = [replace(one, scope=replace(one.scope, negated=not one.scope.negated)) for one in said]
    speech.replace([*said, *carried], denied)
    state, starts = speech.state, {one.start for one in named.nouns}
    state.current, state.has_subject = [], False  # `crest absent, bill red`
    state.subject = state.owner = [one for one in state.subject if one.start not in starts] or state.subject


def _not(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    speech.state.is_not = True


def _comma(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    state = speech.state
    state.placing = False
    if state.marking and not _colours_follow(speech):
        state.marking = ""
    if speech.scope.negated and not _lacks_further(speech):
        speech.negate(False)
        state.current = []
    state.is_not = state.is_not and _alternatives_follow(speech)


def _lacks_further(speech: Speech) -> bool:
    """Tell whether a list of what is lacking goes on: `without spots, bands`, but `without spots, bands black`."""
    place = speech.place + 1
    if is_kind(speech.chunks[place], "and", "or"):
        place += 1
    if not _is_bare(speech.chunks[place]):
        return False
    while is_kind(speech.chunks[place + 1], "and") and _is_bare(speech.chunks[place + 2]):
        place += 2
    return not is_predicate(speech.chunks[place + 1])


def _is_bare(chunk: Chunk) -> bool:
    return isinstance(chunk, Phrase) and chunk.is_bare


def _alternatives_follow(speech: Speech) -> bool:
    """Tell whether a list of adjectives goes on up to an `or`: `not red, orange or yellow`, but `not hairy, green`."""
    for chunk in speech.chunks[speech.place + 1 : speech.place + _FARTHEST]:
        if is_kind(chunk, "or"):
            return True
        if not is_kind(chunk, "comma") and not (isinstance(chunk, Phrase) and not chunk.nouns):
            break
    return False


def _colours_follow(speech: Speech) -> bool:
    """Tell whether colours alone follow up to an `and`: `banded with white, dark brown and gray`."""
    before: Chunk = None
    for chunk in speech.chunks[speech.place + 1 : speech.place + _FARTHEST]:
        if isinstance(chunk, Phrase):
            if chunk.nouns or any(item.colour is None for item in chunk.adjectives):
                return False
            if is_kind(before, "and"):
                return True
        elif not is_kind(chunk, *LISTS):
            break
        before = chunk
    return False


def _but(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    state = speech.state
    state.placing = state.place_open = state.in_object = False
    state.current, state.owner, state.marking = [], state.subject, ""
    speech.negate(False)


def _end(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    """End a clause: the organ goes on to be spoken of, not its part."""
    subject = [replace(one, part="", is_marking=False) for one in speech.state.subject]
    speech.state = State.about(subject or [NOWHERE])
    speech.negate(False)


def _stop(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    speech.state = State()
    speech.scope = Scope(side=speech.standing_side)


def _open(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    speech.stack.append(speech.state)
    speech.state = State.about(speech.state.last_targets)


def _close(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    if speech.stack:
        speech.state = speech.stack.pop()


def _compare(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    speech.skipping = item.kind


def _unknown(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    """Take an unknown noun for the subject where one would stand: nothing is known of what follows."""
    if not isinstance(after, Phrase):
        speech.state.placing = False  # it was the place: `throughout the range black`
    leads = before is None or is_kind(before, *_BREAKS)
    speaks = is_kind(after, "be") or (isinstance(after, Phrase) and not after.nouns)
    if leads and speaks:
        state = speech.state
        state.subject, state.has_subject, state.in_object = [], True, False


def _preposition(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    begin_place(speech, item, before)


def _of(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    if isinstance(before, Phrase):
        goes_on = begin_place(speech, item, before)
        speech.state.marking = "" if goes_on else "of"


def _to(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    if isinstance(before, Phrase) and before.nouns and isinstance(after, Phrase) and after.nouns:
        begin_place(speech, item, before)


def _from(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    if isinstance(after, Phrase) and after.nouns:
        begin_place(speech, item, before)


def _relative(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    """Speak of what was just named: `a mask that is bordered by yellow`."""
    if isinstance(before, Phrase):
        speech.state.subject = speech.state.owner = speech.state.last_targets


def _season(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    """Tell when it is so: `black during the breeding season`."""
    said = speech.state.last
    speech.replace(said, [replace(one, scope=replace(one.scope, stage=item.entry.value)) for one in said])


def _side(speech: Speech, item: Item, before: Chunk, after: Chunk) -> None:
    side: Side = "above" if item.entry.value == "above" else "below"
    state = speech.state
    if isinstance(before, Phrase):
        if isinstance(after, Phrase) and after.nouns and before.nouns:
            begin_place(speech, item, before)
            return
        speech.set_side(side, names=bool(before.nouns))
        if speech.side_holds and state.subject == [NOWHERE]:
            speech.stand(side)
    elif is_kind(before, "and", "or"):
        speech.set_side("")  # above and below
        speech.standing_side = ""
    elif speech.side_holds or not is_kind(before, "function", "loose"):  # paler beneath
        speech.stand(side)
        state.owner = state.subject = [replace(one, side=None) for one in state.subject]


RULES: dict[str, Rule] = {
    "with": _with,
    "agent": _with,
    "have": _have,
    "be": _have,
    "colon": _colon,
    "without": _without,
    "absent": _absent,
    "not": _not,
    "comma": _comma,
    "but": _but,
    "dash": _but,
    "end": _end,
    "stop": _stop,
    "open": _open,
    "close": _close,
    "than": _compare,
    "resembling": _compare,
    "other": _unknown,
    "preposition": _preposition,
    "of": _of,
    "to": _to,
    "from": _from,
    "relative": _relative,
    "season": _season,
    "side": _side,
}
"""By the kind of the word."""
