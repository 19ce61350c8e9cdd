"""Numbers and measures as one reads them: `five`, `4-6 cm`, `up to 11 cm`."""

from __future__ import annotations

import re

from clipbio.traits.trait import Trait

__all__ = ["is_one", "measured", "number_words", "state_of"]

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_RANGE = re.compile(r"(\d+) ?(?:-|–|to) ?(\d+)")
_MEASURE = re.compile(r"(?P<lead>\D*)(?P<low>\d[\d.]*)(?: ?(?:-|–|to) ?(?P<high>\d[\d.]*))? ?(?P<unit>[a-zµ]*)")
# Floras and guides measure in centimetres from about here on, wings later than leaves.
_IN_CM, _WINGS_IN_CM, _IN_M = 30.0, 200.0, 3000.0


def number_words(state: str) -> tuple[str, ...]:
    """Return the ways to write a number: `five` and `5`, `4-6` and `four to six`; those above twelve as they are."""
    state = state.strip()
    if state.isdecimal() and 1 <= int(state) <= len(_WORDS):
        return (_WORDS[int(state) - 1], state)
    found = _RANGE.fullmatch(state)
    if found and all(1 <= int(number) <= len(_WORDS) for number in found.groups()):
        low, high = (_WORDS[int(number) - 1] for number in found.groups())
        return (f"{found[1]}-{found[2]}", f"{low} to {high}")
    return (state,)


def is_one(state: str) -> bool:
    """Tell whether a number is one."""
    return state.strip() in ("1", "one")


def measured(state: str, property_: str) -> str:
    """Return a measure in the unit that one would read; a state that is none, such as `long`, as it is.

    Millimetres become centimetres from 30 mm on (wingspans from 200 mm) and metres from 3 m on.
    """
    found = _MEASURE.fullmatch(state.strip())
    if not found:
        return state.strip()
    numbers = [float(text) for text in (found["low"], found["high"]) if text]
    if found["unit"] not in ("mm", ""):
        return f"{found['lead']}{_joined(numbers)} {found['unit']}"
    threshold = _WINGS_IN_CM if property_ == "wingspan" else _IN_CM
    unit, scale = ("m", 1000) if max(numbers) >= _IN_M else ("cm", 10) if numbers[0] >= threshold else ("mm", 1)
    return f"{found['lead']}{_joined([number / scale for number in numbers])} {unit}"


def state_of(trait: Trait) -> str:
    """Return the value of a trait as `captions` takes it: numbers out of its bounds, colours with their shade."""
    if trait.low is not None or trait.high is not None:
        unit = f" {trait.unit}" if trait.unit else ""
        if trait.low is None:
            return f"up to {trait.high:g}{unit}"
        return f"at least {trait.low:g}{unit}" if trait.high is None else f"{_joined([trait.low, trait.high])}{unit}"
    if trait.shade and trait.shade != trait.value:
        return f"{trait.shade} {trait.value}"
    return trait.value


def _joined(numbers: list[float]) -> str:
    return "-".join(dict.fromkeys(f"{number:g}" for number in numbers))
