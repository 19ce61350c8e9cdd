"""What has been said so far: statements, what holds for them, and what the sentence speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from clipbio.traits.drafts import NOWHERE, Draft, Scope, Target, adjective_drafts, noun_drafts
from clipbio.traits.phrases import Phrase
from clipbio.traits.scanner import Item
from clipbio.traits.trait import Side

__all__ = ["LISTS", "LOCAL", "MOST", "Chunk", "Speech", "State", "is_kind", "is_predicate"]

Chunk = Item | Phrase | None
"""A phrase or what binds phrases; None is the beginning or end of a sentence."""
LISTS = ("comma", "and", "or", "to")
LOCAL = ("colour", "pattern", "surface", "shape", "margin")
"""What may be so at one place of an organ only; leaves that are alternate at the base are alternate."""
MOST = 24
"""How many members of a list are kept in mind; no description has more, and time grows with the length of a text."""


def is_kind(chunk: Chunk, *kinds: str) -> bool:
    """Tell whether a chunk binds in one of these ways."""
    return isinstance(chunk, Item) and chunk.kind in kinds


def is_predicate(chunk: Chunk) -> bool:
    """Tell whether a chunk says something of the nouns right before it: `leaves ovate`, `leaves are`, `leaves not`."""
    return is_kind(chunk, "be", "have", "not") or (isinstance(chunk, Phrase) and not chunk.nouns)


@dataclass(slots=True)
class State:
    """What a clause keeps in mind.

    Args:
        subject: what it speaks of; empty where that is unknown.
        owner: what nouns without an organ belong to.
        current: the nouns that were just named, a list of them as one.
        last: the statements of the last phrase, `last_targets` what they are of, `last_adjectives` what made them, and
            `last_is_named` whether it had nouns.
        chain: the statements of adjectives bound by `and`: `black and white above`.
        side: that of adjectives right before: `yellow above with black borders`.
        has_subject: it was named.
        in_object: behind `with` or `has`.
        placing: behind a preposition.
        is_further: which carries on a list of places: `on the head and on the back`.
        leads: the place stands before what is said of it: `on HW a yellow band`.
        governed: the statements that a preposition places, `originals` as they were before.
        governed_nouns: they are of something named.
        place_open: a list of places may go on.
        marking: the part that `with` fills: the spot of `spotted with cream`; `of` behind that word.
        is_not: behind `not`.
        elided: adjectives whose noun is still to come: `1 small near the tip and 1 large spot`.
    """

    subject: list[Target] = field(default_factory=lambda: [NOWHERE])
    owner: list[Target] = field(default_factory=lambda: [NOWHERE])
    current: list[Target] = field(default_factory=list)
    last: list[Draft] = field(default_factory=list)
    last_targets: list[Target] = field(default_factory=lambda: [NOWHERE])
    last_adjectives: list[Item] = field(default_factory=list)
    last_is_named: bool = False
    chain: list[Draft] = field(default_factory=list)
    side: Side | None = None
    has_subject: bool = False
    in_object: bool = False
    placing: bool = False
    is_further: bool = False
    leads: bool = False
    governed: list[Draft] = field(default_factory=list)
    originals: list[Draft] = field(default_factory=list)
    governed_nouns: bool = False
    place_open: bool = False
    marking: str = ""
    is_not: bool = False
    elided: list[Item] = field(default_factory=list)

    @classmethod
    def about(cls, subject: list[Target]) -> State:
        """Return a fresh state with a known subject."""
        return cls(subject=subject, owner=subject, last_targets=subject)


class Speech:
    """The statements of a description as they are made.

    Args:
        side_holds: a side told at the beginning holds until another one.
    """

    def __init__(self, *, side_holds: bool) -> None:
        self.drafts: list[Draft] = []
        self.side_holds = side_holds
        self.standing_side: Side = ""
        self.begin([None])

    def begin(self, chunks: Sequence[Chunk]) -> None:
        """Begin a sentence of these chunks."""
        self.chunks, self.place = chunks, 0
        self.scope = Scope(side=self.standing_side)
        self.state = State()
        self.stack: list[State] = []
        self.skipping = ""

    def negate(self, negated: bool) -> None:
        """Say from here on what is not so, or what is."""
        if self.scope.negated != negated:
            self.scope = replace(self.scope, negated=negated)

    def stand(self, side: Side) -> None:
        """Let a side hold from here on, and for the next sentences where sides do."""
        self.scope = replace(self.scope, side=side)
        if self.side_holds:
            self.standing_side = side

    def open_object(self, owner: list[Target]) -> None:
        """Begin what something has or is."""
        state = self.state
        state.in_object, state.owner, state.current = True, owner, []
        state.placing = state.place_open = False
        state.marking, state.last_targets = "", owner
        self.negate(False)

    def say(self, adjectives: Iterable[Item], targets: Sequence[Target]) -> None:
        """Say adjectives of targets."""
        scope = self._scope_now()
        said = [draft for item in adjectives for target in targets for draft in adjective_drafts(item, target, scope)]
        self.drafts += said
        self.state.last = said

    def say_nouns(self, phrase: Phrase, names: Sequence[Item], targets: list[Target]) -> None:
        """Say what nouns and the adjectives before them say."""
        state, head = self.state, names[-1] if names else None
        said: list[Draft] = []
        if head is not None:
            scope = self._scope_now()
            said = [draft for target in targets for draft in noun_drafts(head, target, scope)]
        # Branched panicles are no branched flowers; without white spots, it may have black ones.
        is_arrangement = head is not None and head.entry.property == "arrangement"
        is_silent = is_arrangement or bool(self.scope.negated and said)
        self.say([] if is_silent else phrase.adjectives, targets)
        self.drafts += said
        state.last = [*state.last, *said]
        state.last_targets, state.last_adjectives, state.last_is_named = targets, phrase.adjectives, bool(names)
        state.chain = []

    def replace(self, old: Sequence[Draft], new: list[Draft]) -> list[Draft]:
        """Put other statements in the place of the newest ones."""
        olds, kept = {id(draft) for draft in old}, []
        while olds and self.drafts:
            draft = self.drafts.pop()
            if id(draft) in olds:
                olds.remove(id(draft))
            else:
                kept.append(draft)
        self.drafts += [*reversed(kept), *new]
        if {id(draft) for draft in self.state.last} & {id(draft) for draft in old}:
            self.state.last = new
        return new

    def set_side(self, side: Side, *, names: bool = True) -> None:
        """Give a side to what was just said, and to the nouns right before unless it does not name them.

        All that follows `leaves green above` is not above, but what guides say of a butterfly that is brown above.
        """
        state = self.state
        said = state.chain or state.last
        self.replace(said, [replace(one, target=replace(one.target, side=side)) for one in said])
        state.chain, state.side = [], side
        if state.current and (self.side_holds or (names and not said)):
            state.current = [replace(one, side=side) for one in state.current]
            if not state.in_object:
                state.subject = state.owner = state.current
            state.last_targets = state.current

    def _scope_now(self) -> Scope:
        return replace(self.scope, negated=not self.scope.negated) if self.state.is_not else self.scope
