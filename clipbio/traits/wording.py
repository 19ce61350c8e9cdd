"""What can stand before and behind the name of an organ to say a state of a character."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clipbio.traits.nouns import MARKINGS, article, is_single, plural, subject, with_marking, with_region
from clipbio.traits.numerals import is_one, measured, number_words

__all__ = ["Wording", "wording"]

_ADJECTIVES = {
    "spot": "spotted",
    "band": "banded",
    "bar": "barred",
    "stripe": "striped",
    "streak": "streaked",
    "line": "lined",
    "blotch": "blotched",
    "mottling": "mottled",
    "speckling": "speckled",
    "striation": "striated",
    "margin": "margined",
    "ring": "ringed",
    "dot": "dotted",
    "checker": "checkered",
}
_BY_NAME = {
    ("venation", "pinnate"): ("pinnately veined", "feather-veined"),
    ("venation", "palmate"): ("palmately veined", "radiately veined"),
    ("venation", "parallel"): ("parallel-veined", "straight-veined"),
    ("structure", "pinnate"): ("pinnate", "pinnately compound"),
    ("structure", "palmate"): ("palmate", "palmately compound"),
}
_CLUSTERS = frozenset(("raceme", "spike", "umbel", "panicle", "cyme", "corymb", "cluster", "head", "catkin", "whorl"))
_AXES = {
    "length": ("long", "in length"),
    "width": ("wide", "broad", "in width"),
    "height": ("high", "tall", "in height"),
    "thickness": ("thick", "in thickness"),
    "diameter": ("across", "in diameter"),
}
_NOUN_OF_WHOLE = frozenset(("colour", "shape", "size", "form"))


@dataclass(frozen=True, slots=True)
class Wording:
    """The ways to say a state.

    Args:
        before: what stands before the name of the organ: `ovate` leaves.
        behind: what stands behind it: leaves `ovate`, leaves `with serrate margins`; never empty.
        predicates: those of `behind` that may follow `are`.
        whole: captions in which organ and state cannot be parted: `black spots on the forewings`.
    """

    before: tuple[str, ...]
    behind: tuple[str, ...]
    predicates: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


def wording(organ: str, part: str, property_: str, state: str) -> Wording:
    """Return the ways to say that an organ, or a part of it, is in a state."""
    say = _of_marking if part in MARKINGS else _of_region if part else _SAYINGS.get(property_, _of_adjectives)
    return say(organ, part, property_, state)


def _of_adjectives(organ: str, part: str, property_: str, state: str) -> Wording:
    del part
    words = _adjectives(property_, state)
    if _is_phrase(state):
        return Wording((), words, words)
    more = (f"{state} in {property_}",) if not organ and property_ in _NOUN_OF_WHOLE else ()
    return Wording(words if organ else (), (*words, *more), words)


def _of_pattern(organ: str, part: str, property_: str, state: str) -> Wording:
    del part
    words = _adjectives(property_, state)
    if state == "plain":
        return Wording(words, (*words, "of one colour"), (*words, "of one colour"))
    markings = with_marking("", state)
    if state == "margin":
        return Wording(words, (*words, "edged"), (*words, "edged"))
    where = (f"{markings} on the {subject(organ)}",) if organ else (markings,)
    known = words if state in _ADJECTIVES else ()
    return Wording(known if organ else (), (*known, f"with {markings}"), known, where)


def _of_margin(organ: str, part: str, property_: str, state: str) -> Wording:
    del part, property_
    whole = (f"{organ} margins {state}", f"{organ} edges {state}") if organ else (f"{state} margins",)
    margins = "margin" if is_single(organ) else "margins"
    told = article(f"{state} {margins}") if margins == "margin" else f"{state} {margins}"
    return Wording((state,) if organ else (), (f"with {told}",), (), whole)


def _of_arrangement(organ: str, part: str, property_: str, state: str) -> Wording:
    if state not in _CLUSTERS:
        more = {"basal": ("in a basal rosette",), "whorled": ("in whorls",)}.get(state, ())
        said = _of_adjectives(organ, part, property_, state)
        return Wording(said.before, (*said.behind, *more), (*said.predicates, *more))
    if organ == "inflorescence":
        return Wording((), (article(state),), (article(state),), (f"flowers in {plural(state)}", plural(state)))
    ways = (f"in {plural(state)}", f"in {article(state)}")
    return Wording((), ways, ways, (f"{plural(state)} of {subject(organ)}",) if organ else ())


def _of_type(organ: str, part: str, property_: str, state: str) -> Wording:
    if state in ("fibrous", "fleshy", "dry", "woody") or state.endswith(("ous", "ed")):
        said = _of_adjectives(organ, part, property_, state)
        return Wording(said.before, said.behind, said.predicates, (f"{state} {plural(organ)}",) if organ else ())
    return Wording((), (article(state),), (article(state),), (plural(state), f"with {article(state)}"))


def _of_count(organ: str, part: str, property_: str, state: str) -> Wording:
    del part, property_
    ways = number_words(state)
    if not organ:
        return Wording((), ways)
    noun = organ if is_one(state) else plural(organ)
    return Wording((), ways, (), tuple(f"{lead}{way} {noun}" for lead in ("", "with ") for way in ways))


def _of_measure(organ: str, part: str, property_: str, state: str) -> Wording:
    del part
    said, ways = measured(state, property_), _AXES[property_]
    if not any(character.isdigit() for character in said):
        return Wording((said,) if organ else (), (said,), (said,))
    behind = tuple(f"{said} {way}" for way in ways)
    named = f"{organ} {property_}".strip()
    return Wording((), behind, behind, (f"{named} {said}", f"{named} of {said}"))


def _of_wingspan(organ: str, part: str, property_: str, state: str) -> Wording:
    del part
    said = measured(state, property_)
    ways = (f"wingspan {said}", f"with a wingspan of {said}", f"{said} across the wings")
    return Wording((), ways if not organ else tuple(way for way in ways if way.startswith("with")), (), ())


def _of_region(organ: str, part: str, property_: str, state: str) -> Wording:
    if property_ in _AXES:
        return _of_part_measure(organ, part, property_, state)
    adjective = _as_adjective(property_, state)
    told = with_region(adjective, part)
    regions = told.removeprefix(f"{article(adjective)} ").removeprefix(f"{adjective} ")
    named = f"{organ} {regions}".strip()
    return Wording((), (f"with {told}",), (), (f"{named} {adjective}", f"{adjective} {named}"))


def _of_marking(organ: str, part: str, property_: str, state: str) -> Wording:
    if property_ in _AXES:
        return _of_part_measure(organ, part, property_, state)
    if property_ == "count":
        told = [f"{way} {part if is_one(state) else plural(part)}" for way in number_words(state)]
    else:
        told = [with_marking(_as_adjective(property_, state), part)]
    where = f" on the {subject(organ)}" if organ else ""
    return Wording((), tuple(f"with {words}" for words in told), (), tuple(f"{words}{where}" for words in told))


def _of_part_measure(organ: str, part: str, property_: str, state: str) -> Wording:
    said = f"{plural(part)} {_of_measure('', '', property_, state).behind[0]}"
    where = f" on the {subject(organ)}" if organ else ""
    return Wording((), (f"with {said}",), (), (f"{plural(part)}{where} {said.removeprefix(plural(part)).strip()}",))


def _adjectives(property_: str, state: str) -> tuple[str, ...]:
    if property_ == "pattern":
        return ("plain", "unmarked") if state == "plain" else (_ADJECTIVES.get(state, state),)
    return _BY_NAME.get((property_, state), (state,))


def _as_adjective(property_: str, state: str) -> str:
    """Return a state as it stands before the name of a part."""
    return number_words(state)[0] if property_ == "count" else _adjectives(property_, state)[0]


def _is_phrase(state: str) -> bool:
    """Tell whether a state stands behind its noun only, as `in whorls` or `with hairs` does."""
    return state.startswith(("in ", "with ", "of ", "at ", "on ", "like "))


_SAYINGS: dict[str, Callable[[str, str, str, str], Wording]] = {
    "pattern": _of_pattern,
    "margin": _of_margin,
    "arrangement": _of_arrangement,
    "type": _of_type,
    "count": _of_count,
    "wingspan": _of_wingspan,
    **dict.fromkeys(_AXES, _of_measure),
}
