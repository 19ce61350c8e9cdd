"""The naive peer of `traits.py`: words of the vocabulary by regular expression, each of the nearest organ word."""

from __future__ import annotations

import re
from functools import cache

from clipbio.traits import Group
from clipbio.traits.agreement import Assertion
from clipbio.traits.entries import Entry
from clipbio.traits.numbers import numbers_of, span
from clipbio.traits.vocabulary import vocabulary

__all__ = ["nearest_organ"]

_SENTENCE = re.compile(r"[^.;]+")


def nearest_organ(text: str, group: Group) -> list[Assertion]:
    """Return what the words of `text` say, each of the organ word next to it in its sentence."""
    return [one for found in _SENTENCE.finditer(text) for one in _sentence(text, found.start(), found.end(), group)]


def _sentence(text: str, start: int, end: int, group: Group) -> list[Assertion]:
    organs, states = [], []
    for found in _pattern(group).finditer(text, start, end):
        entry = _meanings(group)[_folded(found.group())]
        if entry.kind == "organ":
            organs.append((found.start(), entry.value))
        else:
            states.append((found.start(), found.end(), entry.property, entry.value))
    for number in numbers_of(text[start:end], "en").values():
        at, behind = start + number.start, start + number.end
        states += [(at, behind, one.role or "length", f"{span(one.low, one.high)} mm") for one in number.dimensions]
        if number.count is not None:
            states.append((at, behind, "count", span(number.count.low, number.count.high)))
    return [_assertion(state, organs, group) for state in states]


def _assertion(state: tuple[int, int, str, str], organs: list[tuple[int, str]], group: Group) -> Assertion:
    start, end, property_, value = state
    nearest = min(organs, key=lambda organ: abs(organ[0] - start), default=None)
    organ = nearest[1] if nearest else vocabulary(group).default["organ"]
    return Assertion((" ".join(filter(None, (organ, property_))),), value, start, end)


@cache
def _meanings(group: Group) -> dict[str, Entry]:
    words = vocabulary(group)
    found = {
        " ".join(phrase): Entry("state", colour, property="colour")
        for colours in (words.shades, words.colours)
        for phrase, colour in colours.items()
    }
    for phrase, entry in words.entries.items():
        if entry.kind in ("organ", "kind") or (entry.kind == "state" and entry.property):
            found[" ".join(phrase)] = entry
        elif entry.kind in ("marking", "mass"):
            found[" ".join(phrase)] = Entry("state", entry.value, property="pattern")
    return found


@cache
def _pattern(group: Group) -> re.Pattern[str]:
    phrases = sorted(_meanings(group), key=len, reverse=True)
    return re.compile(
        r"\b(?:" + "|".join(re.escape(phrase).replace(r"\ ", r"[\s-]") for phrase in phrases) + r")\b", re.I
    )


def _folded(phrase: str) -> str:
    return " ".join(phrase.lower().replace("-", " ").split())
