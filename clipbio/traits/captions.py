"""Traits in the language of floras and field guides: `ovate leaves`, `leaves with serrate margins`, `five petals`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from clipbio.traits.nouns import is_single, split_character, subject
from clipbio.traits.numerals import state_of
from clipbio.traits.trait import Trait
from clipbio.traits.wording import Wording, wording

__all__ = ["caption", "captions", "prose"]

_STAGES = {"juvenile": "in juveniles", "breeding": "in breeding plumage", "nonbreeding": "in nonbreeding plumage"}


def captions(character: str, state: str) -> tuple[str, ...]:
    """Return several wordings of a state of a character, the most usual one first, without repeats.

    Args:
        character: as `Trait.character` names it: `leaf shape`, `forewing spot colour`, `wingspan`.
        state: a canonical value, with its shade where it has one: `ovate`, `dark green`, `5`, `4-6`, `22-28 mm`.
    """
    return _wordings(*split_character(character), state)


def caption(trait: Trait) -> str:
    """Return what a trait says in its most usual wording: `wings blue above in males`, `breast not streaked`."""
    return f"{subject(trait.organ)} {_behind(trait, _first)}".strip()


def prose(traits: Iterable[Trait], choose: Callable[[Sequence[str]], str] | None = None) -> str:
    """Join traits as floras do, organ by organ: `leaves ovate, with serrate margins; petals five, white`.

    Args:
        traits: what is to be said; organs stand in the order of their first trait, equal wordings once. Markings whose
            colour, size or number is told are not told once more by themselves.
        choose: which of several wordings to take, by default the most usual one.
    """
    organs: dict[str, dict[str, Trait]] = {}
    for trait in _telling(list(traits)):
        organs.setdefault(trait.organ, {}).setdefault(caption(trait), trait)
    return "; ".join(_of_organ(list(said.values()), choose or _first) for said in organs.values())


def _telling(traits: Sequence[Trait]) -> list[Trait]:
    told = {(trait.organ, trait.part) for trait in traits if not trait.negated}
    return [one for one in traits if one.property != "pattern" or (one.organ, one.value) not in told or one.negated]


def _of_organ(traits: Sequence[Trait], choose: Callable[[Sequence[str]], str]) -> str:
    first = traits[0]
    if len(traits) == 1 and not (first.negated or first.side or first.sex or first.stage):
        return choose(_wordings(first.organ, first.part, first.property, state_of(first)))
    return f"{subject(first.organ)} {', '.join(_behind(trait, choose) for trait in traits)}".strip()


def _behind(trait: Trait, choose: Callable[[Sequence[str]], str]) -> str:
    """Return what stands behind the name of the organ, with side, sex and stage."""
    words = choose(wording(trait.organ, trait.part, trait.property, state_of(trait)).behind)
    if trait.negated:
        words = f"without {words.removeprefix('with ')}" if words.startswith("with ") else f"not {words}"
    return " ".join(filter(None, (words, trait.side, _of_whom(trait))))


def _of_whom(trait: Trait) -> str:
    if not trait.sex:
        return _STAGES.get(trait.stage, "")
    return " ".join(filter(None, ("in", trait.stage, f"{trait.sex}s")))


def _wordings(organ: str, part: str, property_: str, state: str) -> tuple[str, ...]:
    said, named = wording(organ, part, property_, state), subject(organ)
    return tuple(dict.fromkeys(_worded(organ, named, said)))


def _worded(organ: str, named: str, said: Wording) -> Iterable[str]:
    if not organ:
        yield from said.behind
        yield from said.whole
        return
    yield f"{named} {said.behind[0]}"
    yield from (f"{before} {named}" for before in said.before)
    for words in said.predicates[:1]:
        yield f"the {named} is {words}" if is_single(organ) else f"{named} are {words}"
    yield from said.whole
    yield from (f"{named} {behind}" for behind in said.behind[1:])


def _first(ways: Sequence[str]) -> str:
    return ways[0]
