"""Link values to organs: a walk over the phrases of a sentence that keeps in mind what it speaks of.

The rules, each a method: the first nouns of a clause are its subject; nouns behind `with`, `has` and `bordered by`
belong to it; adjectives without a noun speak of the subject, or of the nouns right before them; `on`, `at` and `of` say
where the phrase before them is; lists carry on what their first member began. A semicolon keeps the subject, a full
stop does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from clipbio.traits import phrases, phrases_fr
from clipbio.traits.drafts import NOWHERE, Draft, Scope, Target, adjective_drafts, moved, noun_drafts
from clipbio.traits.phrases import Phrase
from clipbio.traits.scanner import Item
from clipbio.traits.targets import targets_of
from clipbio.traits.trait import Side

__all__ = ["Linker"]

_GROUPS = {"en": phrases.group, "fr": phrases_fr.group}
_LISTS = ("comma", "and", "or", "to")
_BREAKS = (None, "comma", "and", "or", "end", "stop", "but", "colon", "dash", "open")
# What may be so at one place of an organ only; leaves that are alternate at the base are alternate.
_LOCAL = ("colour", "pattern", "surface", "shape", "margin")
_BEHIND_NAMES = ("", "with", "have", "be", "comma", "stop", "end", "but", "function", "without", "open")
_ENDS_OF_SKIPPING = {"than": ("comma", "end", "stop", "but", "close", "with"), "resembling": ("end", "stop", "but")}


@dataclass(slots=True)
class _State:
    """What the walk keeps in mind.

    Args:
        subject: what the clause speaks of; empty where that is unknown.
        owner: what nouns without an organ belong to.
        current: the nouns that were just named, a list of them as one.
        last: the statements of the last phrase, and `last_targets` what they are of.
        governed: the statements that a preposition places, `originals` as they were before.
        is_further: a preposition carries on a list of places: `on the head and on the back`.
        leads: the place stands before what is said of it: `on HW a yellow band`.
        chain: the statements of adjectives bound by `and`: `black and white above`.
        side: that of adjectives right before: `yellow above with black borders`.
        marking: the part that `with` fills: the spot of `spotted with cream`.
    """

    subject: list[Target] = field(default_factory=lambda: [NOWHERE])
    owner: list[Target] = field(default_factory=lambda: [NOWHERE])
    current: list[Target] = field(default_factory=list)
    last: list[Draft] = field(default_factory=list)
    last_targets: list[Target] = field(default_factory=lambda: [NOWHERE])
    last_is_named: bool = False
    last_adjectives: list[Item] = field(default_factory=list)
    has_subject: bool = False
    in_object: bool = False
    placing: bool = False
    governed: list[Draft] = field(default_factory=list)
    governed_nouns: bool = False
    place_open: bool = False
    is_further: bool = False
    leads: bool = False
    originals: list[Draft] = field(default_factory=list)
    chain: list[Draft] = field(default_factory=list)
    marking: str = ""
    side: Side | None = None
    is_not: bool = False


class Linker:
    """Walk over the sentences of one description; `side_holds`: a side told at the beginning holds until the next."""

    def __init__(self, *, side_holds: bool, language: str = "en") -> None:
        self._group = _GROUPS[language]
        self.drafts: list[Draft] = []
        self._side_holds = side_holds
        self._standing_side: Side = ""

    def read(self, items: Sequence[Item]) -> None:
        """Take in the items of a sentence."""
        self._scope = Scope(side=self._standing_side)
        self._state = _State()
        self._stack: list[_State] = []
        self._skipping = ""
        chunks: list[Item | Phrase | None] = [None, *self._group(items), None]
        self._chunks = chunks
        for place in range(1, len(chunks) - 1):
            chunk = chunks[place]
            self._place = place
            if self._skipping:
                if isinstance(chunk, Phrase) or (chunk and chunk.kind not in _ENDS_OF_SKIPPING[self._skipping]):
                    continue
                self._skipping = ""
            if isinstance(chunk, Phrase):
                self._on_phrase(chunk, chunks, place)
            elif chunk is not None and (rule := getattr(self, f"_on_{chunk.kind}", None)):
                rule(chunk, chunks[place - 1], chunks[place + 1])

    # What binds.

    def _on_with(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        state = self._state
        owner = state.last_targets if isinstance(before, Phrase) else state.subject
        if _is(before, "side") and self._side_holds and state.side is not None:
            owner = [replace(one, side=state.side) for one in state.last_targets]
        marker = before.adjectives[-1] if isinstance(before, Phrase) and before.adjectives else None
        self._open_object(owner)
        is_marked = isinstance(before, Phrase) and not before.nouns and marker is not None
        if is_marked and marker is not None and marker.kind == "state" and marker.entry.part and marker.agent is None:
            state.marking = marker.entry.part

    _on_agent = _on_with

    def _on_have(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        self._open_object(self._state.subject)

    def _on_be(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        self._open_object(self._state.subject)
        self._state.in_object = True

    def _on_colon(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        self._open_object(self._state.last_targets if isinstance(before, Phrase) else self._state.subject)

    def _on_without(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        self._open_object(self._state.last_targets if isinstance(before, Phrase) else self._state.subject)
        self._scope = replace(self._scope, negated=True)

    def _on_not(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        self._state.is_not = True

    def _open_object(self, owner: list[Target]) -> None:
        state = self._state
        state.in_object, state.owner, state.current = True, owner, []
        state.placing = state.place_open = False
        state.marking, state.last_targets = "", owner
        self._scope = replace(self._scope, negated=False)

    def _on_comma(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        self._state.placing = False
        if not self._colours_follow():
            self._state.marking = ""
        if not (isinstance(after, Phrase) and after.is_bare):
            self._scope = replace(self._scope, negated=False)

    def _colours_follow(self) -> bool:
        """Tell whether colours alone follow up to an `and`: `banded with white, dark brown and gray`."""
        for place in range(self._place + 1, len(self._chunks) - 1):
            chunk = self._chunks[place]
            if isinstance(chunk, Phrase):
                if chunk.nouns or any(item.colour is None for item in chunk.adjectives):
                    return False
                if _is(self._chunks[place - 1], "and"):
                    return True
            elif chunk is None or chunk.kind not in _LISTS:
                break
        return False

    def _on_but(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        state = self._state
        state.placing = state.place_open = state.in_object = False
        state.current, state.owner, state.marking = [], state.subject, ""
        self._scope = replace(self._scope, negated=False)

    _on_dash = _on_but

    def _on_end(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        subject = self._state.subject or [NOWHERE]
        self._state = _State(subject=subject, owner=subject, last_targets=subject)
        self._scope = replace(self._scope, negated=False)

    def _on_stop(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        self._state = _State()
        self._scope = Scope(side=self._standing_side)

    def _on_open(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        state = self._state
        self._stack.append(state)
        self._state = _State(subject=state.last_targets, owner=state.last_targets, last_targets=state.last_targets)

    def _on_close(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        if self._stack:
            self._state = self._stack.pop()

    def _on_than(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        self._skipping = item.kind

    _on_resembling = _on_than

    def _on_other(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        """Take an unknown noun for the subject where one would stand: nothing is known of what follows."""
        leads = before is None or (isinstance(before, Item) and before.kind in _BREAKS)
        speaks = isinstance(after, Item) and after.kind == "be"
        told = isinstance(after, Phrase) and not after.nouns
        if leads and (speaks or told):
            self._state.subject, self._state.has_subject, self._state.in_object = [], True, False

    def _on_preposition(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        state = self._state
        is_told = state.place_open and item.kind == "of"
        goes_on = is_told and _is_of_place(item, before)
        is_listed = isinstance(before, Item) and before.kind in _LISTS
        if is_listed and state.place_open:
            state.placing, state.is_further = True, True
            return
        state.leads = not isinstance(before, Phrase)
        state.placing, state.place_open, state.is_further = True, False, False
        if not goes_on:
            # The wing of `a patch in the secondaries of the wing` says nothing more of the patch.
            is_said = not is_told and (isinstance(before, Phrase) or _is(before, "be"))
            state.governed = [] if not is_said else state.last if state.last_is_named else state.chain or state.last
            state.governed_nouns = is_said and state.last_is_named

    def _on_of(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        if isinstance(before, Phrase):
            goes_on = self._state.place_open and _is_of_place(item, before)
            self._on_preposition(item, before, after)
            self._state.marking = "" if goes_on else "of"

    def _on_to(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        if isinstance(before, Phrase) and before.nouns and isinstance(after, Phrase) and after.nouns:
            self._on_preposition(item, before, after)

    def _on_relative(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        """Speak of what was just named: `a mask that is bordered by yellow`."""
        if isinstance(before, Phrase):
            self._state.subject = self._state.owner = self._state.last_targets

    def _on_from(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        if isinstance(after, Phrase) and after.nouns:
            self._on_preposition(item, before, after)

    def _on_season(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        """Tell when it is so: `black during the breeding season`."""
        said = self._state.last
        self._replace(said, [replace(one, scope=replace(one.scope, stage=item.entry.value)) for one in said])

    def _on_side(self, item: Item, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        side: Side = "above" if item.entry.value == "above" else "below"
        if not isinstance(before, Phrase):
            if isinstance(before, Item) and before.kind in ("and", "or"):
                self._set_side("")
                self._standing_side = ""
                return
            self._scope = replace(self._scope, side=side)
            self._state.owner = self._state.subject = [replace(one, side=None) for one in self._state.subject]
            if self._side_holds:
                self._standing_side = side
        elif isinstance(after, Phrase) and after.nouns and before.nouns:
            self._on_preposition(item, before, after)
        else:
            self._set_side(side)
            if self._side_holds and self._state.subject == [NOWHERE]:
                self._standing_side = side
                self._scope = replace(self._scope, side=side)

    def _set_side(self, side: Side) -> None:
        """Give a side to what was just said, and to the nouns right before."""
        state = self._state
        said = state.chain or state.last
        self._replace(said, [replace(one, target=replace(one.target, side=side)) for one in said])
        state.chain, state.side = [], side
        if state.current:
            state.current = [replace(one, side=side) for one in state.current]
            if not state.in_object:
                state.subject = state.owner = state.current
            state.last_targets = state.current

    # Phrases.

    def _on_phrase(self, phrase: Phrase, chunks: Sequence[Item | Phrase | None], place: int) -> None:
        before, after = chunks[place - 1], chunks[place + 1]
        names = [noun for noun in phrase.nouns if noun.kind != "nothing"]
        told = [item for item in phrase.adjectives if item.kind in ("sex", "stage")]
        if not phrase.nouns and not told and _is(after, "be") and not isinstance(before, Phrase):
            self._state.subject, self._state.has_subject = [], True  # `but red is pinkish`
            return
        if not phrase.nouns and _is(after, "preposition") and [item.entry.value for item in told] == ["breeding"]:
            return  # `Individuals breeding along the coast`
        leads = not (self._state.has_subject or self._state.in_object)
        if told or (leads and names and names[-1].kind == "whole"):
            self._set_scope(phrase, told, before, chunks[place - 2] if place > 1 else None)
        if names or (told and len(told) == len(phrase.adjectives)):
            self._on_nouns(phrase, names, before, after)
        elif self._awaits(phrase, before):
            self._state.last, self._state.placing = [], False
        else:
            self._on_adjectives(phrase, before, after)
        if not (isinstance(after, Item) and after.kind in _LISTS):
            self._state.is_not = False

    def _awaits(self, phrase: Phrase, before: Item | Phrase | None) -> bool:
        """Tell whether the adjectives speak of an unknown noun; at the beginning that is the organism itself."""
        is_bird = before is None or (phrase.article and _is(before, "be"))
        is_bird = is_bird and all(item.kind != "count" for item in phrase.adjectives)
        is_bird = is_bird and (not phrase.dropped or phrase.beyond in _BEHIND_NAMES)
        has_own = any(item.kind == "bodied" for item in phrase.adjectives)
        return (phrase.dropped or (phrase.article and not phrase.nouns)) and not (is_bird or has_own)

    def _set_scope(self, phrase: Phrase, told: list[Item], before: Item | Phrase | None, earlier: object) -> None:
        values = {item.kind: item.entry.value for item in told}
        sex, stage = values.get("sex", ""), values.get("stage", "")
        if self._state.placing:
            if told and not any(one.scope.negated for one in self._state.governed):
                scoped = [replace(one, scope=replace(one.scope, sex=sex, stage=stage)) for one in self._state.governed]
                self._state.governed = self._replace(self._state.governed, scoped)
            return
        if isinstance(before, Item) and before.kind in ("and", "or") and isinstance(earlier, Phrase):
            is_pair = any(item.kind in ("sex", "stage") for item in earlier.adjectives) and not earlier.nouns
            if is_pair and told:
                self._scope = replace(self._scope, others=(*self._scope.others, (sex, stage)))
                return
        self._scope = replace(self._scope, sex=sex, stage=stage, others=())

    def _on_adjectives(self, phrase: Phrase, before: Item | Phrase | None, after: Item | Phrase | None) -> None:
        """Say adjectives that no noun follows."""
        state = self._state
        is_thing = isinstance(before, Item) and before.kind in ("with", "of", "have", "preposition", "agent")
        if is_thing and not phrase.nouns and not any(_stands_alone(item) for item in phrase.adjectives):
            state.last, state.placing = [], False
            return
        if state.placing and state.marking != "of":
            state.last, state.placing = [], False
            return
        is_chained = isinstance(before, Item) and before.kind in ("and", "or", "to")
        if is_chained and any(item.colour is None for item in phrase.adjectives):
            state.marking = ""
        targets = self._spoken_of(before, after, local=all(item.entry.property in _LOCAL for item in phrase.adjectives))
        if state.marking and state.marking != "of" and not (phrase.article and phrase.nouns):
            targets = [_filled(one, state.marking) for one in state.owner]
        state.placing = state.place_open = False
        is_of, head = state.marking == "of", state.last
        chain = state.chain if is_chained else []
        self._say(phrase.adjectives, targets)
        state.chain = [*chain, *state.last]
        state.last_targets = targets
        state.last_adjectives = phrase.adjectives
        if not (isinstance(before, Phrase) and before.nouns):
            state.current = []
        if is_of:
            state.last, state.marking = [*head, *state.last], ""
        else:
            state.last_is_named = False

    def _spoken_of(self, before: Item | Phrase | None, after: Item | Phrase | None, *, local: bool) -> list[Target]:
        """Return what adjectives speak of: what stands right before them, else the subject."""
        state = self._state
        if (
            isinstance(before, Phrase)
            or _is(before, "of")
            or (isinstance(before, Item) and before.kind in ("and", "or", "to"))
        ):
            is_list = isinstance(before, Item) and before.kind in ("and", "or", "to")
            # `margined with cream and pinnate`: margins are not.
            is_odd = is_list and not local and any(one.part for one in state.last_targets)
            if not (is_list and state.current) and not is_odd:
                return state.last_targets
        if _is(before, "comma") and state.in_object and state.current and _is(after, "agent"):
            return state.current
        if _is(before, "with") or _is(before, "agent") or _is(before, "have") or _is(before, "without"):
            return state.owner
        return state.subject

    def _on_nouns(
        self, phrase: Phrase, names: list[Item], before: Item | Phrase | None, after: Item | Phrase | None
    ) -> None:
        state = self._state
        speaks = _is(after, "be") or _is(after, "have") or (isinstance(after, Phrase) and not after.nouns)
        is_listed = isinstance(before, Item) and before.kind in _LISTS
        if state.placing and state.is_further:
            state.placing = False
            self._locate_further(names)
        elif state.placing:
            self._locate(phrase, names)
        elif state.place_open and is_listed and phrase.is_bare and not speaks:
            self._locate_further(names)
        elif is_listed and phrase.is_bare and state.current:
            self._list_further(phrase, names, speaks=speaks)
        else:
            self._name(phrase, names, before, speaks=speaks, told=isinstance(after, Item))

    def _name(
        self, phrase: Phrase, names: list[Item], before: Item | Phrase | None, *, speaks: bool, told: bool
    ) -> None:
        """Name something: the subject, an object of it, or a part of what stands right before."""
        state = self._state
        is_tied = isinstance(before, Phrase) and bool(before.nouns)
        owner = state.current if is_tied and state.current else state.owner if state.in_object else state.subject
        if names and names[0].kind == "side_noun" and (before is None or _is(before, "end") or _is(before, "stop")):
            owner = [NOWHERE]
        targets = targets_of(names, owner or [NOWHERE])
        is_subject = not is_tied and not state.in_object and not state.has_subject
        is_organ = any(name.kind == "organ" for name in names)
        is_new = speaks and is_organ and (told or phrase.is_bare or not state.in_object)
        self._say_nouns(phrase, names, targets)
        state.current, state.place_open = targets, False
        if self._side_holds and is_subject and targets[0].organ == "" and targets[0].side:
            self._standing_side = targets[0].side
            self._scope = replace(self._scope, side=targets[0].side)
        if is_subject or is_new:
            state.subject = state.owner = targets
            state.has_subject, state.in_object = True, False

    def _list_further(self, phrase: Phrase, names: list[Item], *, speaks: bool) -> None:
        """Add nouns to those before: `gray head and back`, `head, neck and breast black`."""
        state = self._state
        targets = targets_of(names, [replace(one, part="", is_marking=False) for one in state.current])
        previous, adjectives = state.current, state.last_adjectives
        is_subject = state.subject is previous
        self._say_nouns(phrase, names, targets)
        if adjectives and not speaks:
            self._say(adjectives, targets)
        together = targets if adjectives and speaks else [*previous, *targets]
        state.current, state.last_targets = together, together
        state.last_adjectives = [] if speaks else adjectives
        if is_subject:
            state.subject = state.owner = together
        elif speaks and any(name.kind == "organ" for name in names):
            state.subject = state.owner = together
            state.in_object = False

    def _locate(self, phrase: Phrase, names: list[Item]) -> None:
        """Say where the phrase before is: `white spots on the wings`, `black at the tip`."""
        state = self._state
        before, governed = list(state.last_targets), state.governed
        owner = state.subject or [NOWHERE]
        targets = targets_of(names, [replace(one, part="") for one in owner])
        is_of = state.marking == "of"
        state.placing, state.marking = False, ""
        scope, self._scope = self._scope, replace(self._scope, negated=False)
        if names and (names[-1].kind != "kind" or names[-1].entry.organ):
            self._say_nouns(phrase, names, targets)
        self._scope = scope
        if not governed and state.leads and names and names[-1].kind not in ("kind", "whole"):
            state.owner = state.current = state.last_targets = targets
            if not (state.has_subject or state.in_object):
                state.subject = targets
            return
        self._move(governed, targets, names, nouns=state.governed_nouns, is_of=is_of)
        if state.governed_nouns or not governed:
            state.last_targets = state.current or before
        state.place_open = bool(governed)
        if governed:
            state.last, state.last_is_named = state.governed, state.governed_nouns

    def _move(
        self, governed: list[Draft], targets: list[Target], names: list[Item], *, nouns: bool, is_of: bool
    ) -> None:
        """Move statements to where a preposition puts them."""
        state = self._state
        state.originals = governed
        kinds = {name.kind for name in names}
        if not names or not governed or kinds & {"whole", "kind", "ground"}:
            return
        if kinds == {"side_noun"}:
            side = targets[0].side or ""
            sided = [replace(one, target=replace(one.target, side=side)) for one in governed]
            state.governed = self._replace(governed, sided)
            return
        if nouns:
            if "organ" not in kinds or not all(one.target.part or one.of_organ for one in governed):
                return
            places = [replace(one, part="") for one in targets]
            state.governed = self._replace(governed, [draft for place in places for draft in moved(governed, place)])
            state.current = [replace(one, organ=place.organ) for place in places for one in state.current]
        elif not is_of and not kinds & {"marking", "mass"}:
            # A line that tapers at the tip is no tip that tapers.
            of_marking = "organ" not in kinds and any(one.target.is_marking for one in governed)
            local = [one for one in governed if one.property in _LOCAL and not of_marking]
            state.governed = self._replace(local, [draft for place in targets for draft in moved(local, place)])

    def _locate_further(self, names: list[Item]) -> None:
        """Add a place: `spots on head, neck and back`."""
        state = self._state
        targets = targets_of(names, [replace(one, part="") for one in state.subject or [NOWHERE]])
        if any(name.kind not in ("organ", "part") for name in names):
            return
        local = [one for one in state.originals if one.property in _LOCAL or state.governed_nouns]
        if state.governed_nouns:
            targets = [replace(one, part="") for one in targets if any(name.kind == "organ" for name in names)]
        self.drafts += [draft for place in targets for draft in moved(local, place)]

    def _say_nouns(self, phrase: Phrase, names: list[Item], targets: list[Target]) -> None:
        """Say what nouns and the adjectives before them say."""
        state = self._state
        kept = self._scope
        head = names[-1] if names else None
        said: list[Draft] = []
        if head is not None:
            scope = replace(kept, negated=kept.negated != state.is_not)
            said = [draft for target in targets for draft in noun_drafts(head, target, scope)]
        # Branched panicles are no branched flowers.
        is_arrangement = head is not None and head.entry.property == "arrangement"
        if not (kept.negated and said) and not is_arrangement:
            self._say(phrase.adjectives, targets)
        else:
            state.last = []
        self.drafts += said
        state.last = [*state.last, *said]
        state.last_targets, state.last_adjectives, state.last_is_named = targets, phrase.adjectives, bool(names)
        state.chain = []

    def _say(self, adjectives: Sequence[Item], targets: list[Target]) -> None:
        """Say adjectives of targets."""
        scope = replace(self._scope, negated=self._scope.negated != self._state.is_not)
        said = [draft for item in adjectives for target in targets for draft in adjective_drafts(item, target, scope)]
        self.drafts += said
        self._state.last = said

    def _replace(self, old: Sequence[Draft], new: list[Draft]) -> list[Draft]:
        """Put other statements in the place of the newest ones."""
        olds = {id(draft) for draft in old}
        self.drafts = [draft for draft in self.drafts if id(draft) not in olds] + list(new)
        if self._state.last and {id(draft) for draft in self._state.last} & olds:
            self._state.last = new
        return new


def _filled(target: Target, marking: str) -> Target:
    """Return what `with` fills: the spots of `spotted with cream`, the rim of `a spot ringed with red`."""
    return replace(target, part=f"{target.part} {marking}" if target.is_marking else marking, is_marking=True)


def _is_of_place(item: Item, before: Item | Phrase | None) -> bool:
    """Tell whether `of` tells more of a place: spots at the edge of the wing, black on the tip of the bill."""
    return item.kind == "of" and isinstance(before, Phrase) and all(noun.kind != "organ" for noun in before.nouns)


def _stands_alone(item: Item) -> bool:
    """Tell whether an adjective may stand for a thing: `with yellow at the tip`, but not the light of `in light`."""
    return item.colour is not None and item.colour.has_hue


def _is(chunk: Item | Phrase | None, kind: str) -> bool:
    return isinstance(chunk, Item) and chunk.kind == kind
