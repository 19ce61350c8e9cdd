"""Group items into phrases: nouns with the adjectives before them, or adjectives alone.

`dark brown, pointed wings` is one phrase; in `wings dark brown, with pointed tips` there are three and a `with`. What
decides is what stands before: after an article, `with` or at the beginning adjectives wait for their noun, after a noun
or `are` they speak of what was named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from clipbio.traits.scanner import Item

__all__ = ["NOUNS", "Phrase", "group"]

NOUNS = frozenset(("organ", "part", "marking", "mass", "kind", "whole", "side_noun", "nothing", "ground"))
_THINGS = frozenset(("organ", "part", "marking", "mass", "whole"))
_ADJECTIVES = frozenset(("state", "count", "measure", "sex", "stage", "bodied"))
_BEARERS = frozenset(("sex", "stage"))
_LISTS = frozenset(("comma", "and", "or", "to"))
_WAITING = frozenset(
    (
        *(
            "with",
            "have",
            "preposition",
            "without",
            "absent",
            "agent",
            "of",
            "article",
            "other",
            "function",
            "loose",
            "open",
            "colon",
        ),
        *("but", "end", "stop", "dash", "than"),
    )
)


@dataclass(slots=True)
class Phrase:
    """Adjectives and the nouns behind them; either may be missing, not both.

    Args:
        adjectives: states, counts, measures, sexes and stages.
        nouns: compounds as they stand: `FW`, `tip`.
        article: one stands before it.
        idle: an adjective that says nothing stands before it: `a striking head`.
        dropped: an unknown noun stands right behind the adjectives: they speak of it.
        beyond: what follows that noun.
    """

    adjectives: list[Item] = field(default_factory=list)
    nouns: list[Item] = field(default_factory=list)
    article: bool = False
    dropped: bool = False
    idle: bool = False
    beyond: str = ""

    @property
    def start(self) -> int:
        """Where it begins in the text."""
        return (self.adjectives or self.nouns)[0].start

    @property
    def is_bare(self) -> bool:
        """Nouns without an article and without adjectives."""
        return not self.article and not self.adjectives and not self.idle


def group(items: Sequence[Item]) -> list[Item | Phrase]:
    """Return the items with phrases in place of nouns and adjectives; articles and idle words are gone."""
    items, idle = _without_idle(items)
    found: list[Item | Phrase] = []
    at, article = 0, False
    while at < len(items):
        kind = items[at].kind
        if kind == "article":
            article, at = True, at + 1
        elif _is_grouping(items, at):
            article, at = False, at + 1
        elif kind in NOUNS or kind in _ADJECTIVES:
            start = items[at].start
            at = _read(items, at, found, article)
            if start in idle and isinstance(found[-1], Phrase) and found[-1].start == start:
                found[-1].idle = True
            article = False
        else:
            article = False
            found.append(items[at])
            at += 1
    return found


def _read(items: Sequence[Item], at: int, found: list[Item | Phrase], article: bool) -> int:
    """Read the phrases that begin at `at` up to their nouns; return where they end."""
    chain, behind = _chain(items, at)
    nouns: list[Item] = []
    while behind < len(items) and items[behind].kind in NOUNS:
        nouns.append(items[behind])
        behind += 1
    if _is_grouping(items, behind):
        return behind + 1  # `Two rows of white spots` are white spots, and not two.
    if not nouns:
        return _alone(items, at, chain, found, article)
    first = _first_of_noun(items, chain, _waits(found, article) or nouns[-1].kind == "whole")
    for index in range(first):
        _add(found, items, chain, index, article)
    found.append(Phrase([items[place] for place in chain[first:]], nouns, article=article))
    return behind


def _is_grouping(items: Sequence[Item], at: int) -> bool:
    return at + 1 < len(items) and items[at].kind == "grouping" and items[at + 1].kind == "of"


def _without_idle(items: Sequence[Item]) -> tuple[list[Item], set[int]]:
    """Return the items without those that say nothing, and where the words behind these begin.

    Idle are adverbs, and unknown adjectives of known things: `black zigzag lines`, `a thick, powerful bill`.
    """
    kept: list[Item] = []
    idle: set[int] = set()
    for item, after in zip(items, [*items[1:], None], strict=False):  # a lone quotation mark leaves no item
        is_unknown = item.kind == "other" or (item.kind == "grouping" and after is not None and after.kind != "of")
        # `Brownish smudged necks`, but not `black fading to brown`.
        is_unknown = is_unknown or (item.kind == "loose" and after is not None and after.kind in _THINGS)
        is_adjective = is_unknown and not item.is_plural and after is not None and _qualifies(kept, after)
        if item.kind == "preposition" and after is not None and after.kind in ("with", "agent"):
            continue  # `edged inside with black`
        if is_adjective and kept[-1].kind == "comma":
            kept.pop()
        if kept and kept[-1].kind == "comparing":
            kept.pop()
            if item.kind == "state":
                continue  # `more olive` is a comparison
        if (item.kind == "skip" or is_adjective) and after is not None:
            idle.add(after.start)
        elif item.kind not in ("skip", "position"):
            kept.append(item)
    return kept, idle


def _qualifies(before: Sequence[Item], after: Item) -> bool:
    """Tell whether an unknown word stands among the adjectives of a thing."""
    adjective = before[-2] if len(before) > 1 and before[-1].kind == "comma" else before[-1] if before else None
    return (
        adjective is not None and adjective.kind in ("state", "count", "bodied") and after.kind in ("state", *_THINGS)
    )


def _chain(items: Sequence[Item], at: int) -> tuple[list[int], int]:
    """Return the places of the adjectives from `at` on, commas and `and` between them, and what follows the last."""
    chain: list[int] = []
    place = at
    while place < len(items) and items[place].kind in _ADJECTIVES:
        chain.append(place)
        place += 1
        ahead = place
        while ahead < len(items) and items[ahead].kind in _LISTS and ahead < place + 2:
            ahead += 1
        if ahead > place and ahead < len(items) and items[ahead].kind in _ADJECTIVES:
            if items[ahead].kind in _BEARERS and items[chain[-1]].kind in _BEARERS:
                break
            place = ahead
    return chain, (chain[-1] + 1 if chain else at)


def _alone(items: Sequence[Item], at: int, chain: list[int], found: list[Item | Phrase], article: bool) -> int:
    """Add the adjectives of a chain that no noun ends."""
    behind = chain[-1] + 1
    is_dropped = behind < len(items) and items[behind].kind in ("other", "elsewhere")
    before = len(found)
    for index in range(len(chain)):
        _add(found, items, chain, index, article)
    beyond = items[behind + 1].kind if is_dropped and behind + 1 < len(items) else ""
    for phrase in found[before:]:
        if isinstance(phrase, Phrase):
            phrase.dropped, phrase.article, phrase.beyond = is_dropped, article, beyond
    return behind


def _add(found: list[Item | Phrase], items: Sequence[Item], chain: list[int], index: int, article: bool) -> None:
    """Add adjective `index` of a chain: to the phrase before it, or behind the marks that part them."""
    item = items[chain[index]]
    between = items[chain[index - 1] + 1 : chain[index]] if index else []
    last = found[-1] if found else None
    if index and not between and isinstance(last, Phrase):
        last.adjectives.append(item)
        return
    found.extend(between)
    found.append(Phrase([item], article=article and index == 0))


def _waits(found: list[Item | Phrase], article: bool) -> bool:
    """Tell whether adjectives wait here for a noun."""
    if article or not found:
        return True
    last = found[-1]
    if isinstance(last, Phrase):
        return False
    if last.kind in _LISTS:
        before = next((one for one in reversed(found) if isinstance(one, Phrase) or one.kind not in _LISTS), None)
        return isinstance(before, Phrase) and bool(before.nouns)
    return last.kind in _WAITING


def _first_of_noun(items: Sequence[Item], chain: list[int], waits: bool) -> int:
    """Return the first adjective of the chain that belongs to the noun behind it."""
    first = len(chain)
    joined = _is_joined(items, chain)
    while first > 0:
        place = chain[first - 1]
        between = items[place + 1 : chain[first]] if first < len(chain) else []
        if between and not waits:
            break
        if between and not joined and _same(items[place], items[chain[first]]):
            break
        first -= 1
    return first


def _is_joined(items: Sequence[Item], chain: list[int]) -> bool:
    """Tell whether an `and` stands in the chain: `black, brown and blue spots`; `black, white spots` has none."""
    return any(items[place].kind in ("and", "or", "to") for place in range(chain[0], chain[-1])) if chain else False


def _same(one: Item, other: Item) -> bool:
    """Tell whether both are colours: black, white spots are white; a long, pointed bill is both."""
    return one.colour is not None and other.colour is not None
