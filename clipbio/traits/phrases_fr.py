"""Group French items into phrases: nouns with the adjectives behind them, or adjectives alone.

Adjectives right behind a noun speak of it, and so do those behind a comma that agree with it in gender and number: in
`à folioles ovales, dentées` the leaflets are toothed, in `à bord denté, velues` it is not the margin that is hairy.
Sizes that may be the subject's are. A few adjectives and all numbers stand before their noun.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from clipbio.traits.entries import Entry
from clipbio.traits.phrases import NOUNS, Phrase
from clipbio.traits.scanner import Item

__all__ = ["group"]

_ADJECTIVES = frozenset(("state", "count", "measure", "sex", "stage"))
_LISTS = frozenset(("comma", "and", "or"))
_VALUES = frozenset(("state", "count", "measure"))
_NAMING = NOUNS | _ADJECTIVES | {"other", "close"}
_PLACES = frozenset(("part", "side_noun", "nothing"))
# An adjective before these is told of more: `rayé de brun`, `rouge à la base`.
_PLACED = frozenset(("agent", "preposition"))
_PLURAL = frozenset(("mp", "fp"))
_BINDS = frozenset(("with", "of", "preposition", "without", "absent", "agent", "have"))


def group(items: Sequence[Item]) -> list[Item | Phrase]:
    """Return the items with phrases in place of nouns and adjectives; articles and idle words are gone."""
    reader = _Reader(_bound([item for item in items if item.kind != "skip"]))
    return reader.read()


def _bound(items: Sequence[Item]) -> list[Item]:
    """Say what `à la`, `au` and `de` do: they say where, what something has, whose it is, or nothing."""
    found: list[Item] = []
    is_idle = False
    for place, item in enumerate(items):
        if is_idle and item.kind == "article":  # d'un rouge vif
            continue
        is_idle = False
        before = found[-1] if found else None
        if item.kind == "at":
            noun = _ahead(items, place, _ADJECTIVES | {"article"})
            has = noun is not None and noun.kind in NOUNS - _PLACES
            found.append(replace(item, entry=Entry("with" if has else "preposition")))
        elif item.kind == "of":
            after = _ahead(items, place, {"article"})
            if before is not None and before.kind == "state" and before.entry.part:
                found.append(replace(item, entry=Entry("agent")))
            elif before is not None and before.kind in _NAMING and after is not None and after.kind not in _VALUES:
                found.append(item)
            else:
                is_idle = True
        elif item.kind == "than" and before is not None and before.kind == "state":
            found[-1] = item  # plus longs que les sépales
        else:
            found.append(item)
    return found


def _ahead(items: Sequence[Item], place: int, passing: Set[str]) -> Item | None:
    """Return the next item of another kind than those of `passing`."""
    while place + 1 < len(items):
        place += 1
        if items[place].kind not in passing:
            return items[place]
    return None


class _Reader:
    """Walk over the items of a sentence."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._subject: Item | None = None
        self._found: list[Item | Phrase] = []

    def read(self) -> list[Item | Phrase]:
        """Return items and phrases."""
        at, article = 0, False
        while at < len(self._items):
            kind = self._items[at].kind
            if kind == "article":
                article, at = True, at + 1
                continue
            if kind in NOUNS or kind in _ADJECTIVES:
                at = self._read_phrase(at, article)
            else:
                self._subject = None if kind in ("end", "stop") else self._subject
                self._found.append(self._items[at])
                at += 1
            article = False
        return self._found

    def _kind(self, at: int) -> str:
        return self._items[at].kind if at < len(self._items) else ""

    def _read_phrase(self, at: int, article: bool) -> int:
        """Read adjectives, the noun behind them, and the adjectives behind that; return where they end."""
        noun = self._behind_adjectives(at)
        if self._kind(noun) not in NOUNS:
            return self._alone(at, noun, article)
        self._subject = self._subject or self._items[noun]
        before = list(self._items[at:noun])
        nouns, behind = self._nouns(noun)
        is_place = bool(self._found) and _kind_of(self._found[-1]) == "preposition"
        own, others, behind = self._adjectives(behind, self._items[noun], is_place=is_place)
        is_arrangement = self._items[noun].entry.property == "arrangement"
        if own and (is_arrangement or self._speaks_of_several(own[0], self._items[noun])):
            own, others = [], [*own, *others]
        self._found.append(Phrase([*before, *own], nouns, article=article))
        if others:
            self._found.append(Phrase(others))
        return behind

    def _behind_adjectives(self, at: int) -> int:
        while self._kind(at) in _ADJECTIVES:
            at += 1
        return at

    def _nouns(self, at: int) -> tuple[list[Item], int]:
        """Read a noun, and whose it is: `l'apex des ailes antérieures` is one name, the organ first."""
        noun, behind = self._items[at], at + 1
        owner = behind + 1
        while self._kind(owner) == "article":
            owner += 1
        is_part = noun.kind in ("part", "marking", "mass", "side_noun", "nothing")
        if is_part and self._kind(behind) == "of" and self._kind(owner) == "organ":
            return [self._items[owner], noun], owner + 1
        return [noun], behind

    def _adjectives(self, at: int, noun: Item, *, is_place: bool) -> tuple[list[Item], list[Item], int]:
        """Read the adjectives behind a noun; apart from them one of which more is said: `rayée de brun`."""
        own: list[Item] = []
        at += self._is_unknown_adjective(at)
        while self._kind(at) in _ADJECTIVES:
            if self._kind(at + 1) in _PLACED:
                return own, [self._items[at]], at + 1
            own.append(self._items[at])
            at += 1
            at += self._is_unknown_adjective(at)
        while not is_place and (further := self._further(at, noun)) is not None:
            if self._kind(further + 1) in _PLACED:
                break
            own.append(self._items[further])
            at = further + 1
        return own, [], at

    def _is_unknown_adjective(self, at: int) -> bool:
        """Tell whether an unknown word right behind a noun is its adjective: `feuilles persistantes, coriaces`."""
        return self._kind(at) == "other" and self._kind(at + 1) in (*_LISTS, *_ADJECTIVES)

    def _further(self, at: int, noun: Item) -> int | None:
        """Return where a further adjective of the noun stands behind `,`, `et` or `ou`."""
        further = at
        while self._kind(further) in _LISTS and further < at + 2:
            further += 1
        is_adjective = self._kind(further) in _ADJECTIVES and self._kind(self._behind_adjectives(further)) not in NOUNS
        if further == at or not is_adjective:
            return None
        item = self._items[further]
        agrees = bool(item.forms & noun.forms)
        if self._kind(at) in ("and", "or"):
            return further if agrees or not item.forms or not noun.forms else None
        is_coloured = item.colour is not None and not item.forms  # vert foncé has one form
        if not (agrees or is_coloured):
            return None
        # A region of an organ and a size are the subject's where they may be.
        may_be_subject = self._subject is not None and bool(item.forms & self._subject.forms or is_coloured)
        yields = (noun.kind in _PLACES or item.kind == "measure") and self._subject is not noun and may_be_subject
        return None if yields else further

    def _speaks_of_several(self, adjective: Item, noun: Item) -> bool:
        """Tell whether an adjective in the plural stands behind the last of several nouns: `tête et dos noirs`."""
        before = self._found[-2] if len(self._found) > 1 else None
        if not (isinstance(before, Phrase) and before.nouns and not before.adjectives):
            return False
        is_plural = bool(adjective.forms) and adjective.forms <= _PLURAL
        return is_plural and (_kind_of(self._found[-1]) == "and" or not noun.forms & _PLURAL)

    def _alone(self, at: int, end: int, article: bool) -> int:
        """Add adjectives that no noun follows, unless they speak of an unknown noun."""
        is_unknown = len(self._found) > 1 and _kind_of(self._found[-1]) == "other"
        if not (is_unknown and _kind_of(self._found[-2]) in _BINDS):
            for place in range(at, end):
                self._found.append(Phrase([self._items[place]], article=article and place == at))
            end = self._joined(end)
        return end

    def _joined(self, at: int) -> int:
        """Add to the last adjective what `et` ties to it: both are `en dessous` in `blanches et velues en dessous`."""
        last = self._found[-1]
        while isinstance(last, Phrase) and self._kind(at) == "and" and self._kind(at + 1) in ("state", "count"):
            end = self._behind_adjectives(at + 1)
            if self._kind(end) in NOUNS or self._kind(end) in _PLACED:
                break
            last.adjectives += self._items[at + 1 : end]
            at = end
        return at


def _kind_of(chunk: Item | Phrase) -> str:
    return "" if isinstance(chunk, Phrase) else chunk.kind
