"""Ranges of numbers in the notations of floras: `(12-)23-34`, `[5–]7–25[–32]`, `up to 11`, `between 3 and 5`."""

from __future__ import annotations

from dataclasses import replace

from clipbio.traits.measures.amounts import NUMBERS, Amount, Range, Tokens, read_amount
from clipbio.traits.measures.extremes import read_lower, read_upper

__all__ = ["read_range"]

_QUALIFIERS = ("about", "most", "least", "to", "under", "over", "between", "from")
_MOST_QUALIFIERS = 4


def read_range(tokens: Tokens, start: int, *, units: bool) -> Range | None:
    """Read the range that begins with token `start`; with `units`, also those between its numbers."""
    index, marks = _qualifiers(tokens, start)
    minimum, index = read_lower(tokens, index, units=units)
    first, index = read_amount(tokens, index, units=units)
    if first is None:
        return None
    index, is_doubtful = _question(tokens, index)
    if tokens.at(index).name == "±":
        return _deviating(tokens, start, index, first, units=units)
    second, index, joined = _second(tokens, index, first, marks, units=units)
    if ("between" in marks and joined != "and") or ("from" in marks and joined not in ("to", "through", "most")):
        return None
    marks |= {"about"} if is_doubtful else frozenset()
    if second is not None and not first.unit:
        first = Amount(first.value, second.unit)
    found = Range(first, second or first, minimum, None, marks, start, index)
    if tokens.kind(index) == "dash" and tokens.kind(index + 1) in NUMBERS:
        return _broken(tokens, found)
    return read_upper(tokens, found)


def _qualifiers(tokens: Tokens, index: int) -> tuple[int, frozenset[str]]:
    marks: set[str] = set()
    while tokens.kind(index) in _QUALIFIERS or (marks and tokens.kind(index) == "filler"):
        marks.add(tokens.kind(index))
        index += 1
        if len(marks) == _MOST_QUALIFIERS or tokens.kind(index) == tokens.kind(index - 1):
            break
    return index, frozenset(marks)


def _question(tokens: Tokens, index: int) -> tuple[int, bool]:
    """Step over the doubt in `3(?) cm`."""
    names = tuple(tokens.at(index + offset).name for offset in range(3))
    if names in (("(", "?", ")"), ("[", "?", "]")):
        return index + 3, True
    is_mark = names[0] == "?" and tokens.at(index).is_tight
    return index + is_mark, is_mark


def _second(
    tokens: Tokens, index: int, first: Amount, marks: frozenset[str], *, units: bool
) -> tuple[Amount | None, int, str]:
    """Read the other end of a range, if one follows; also say what joins them."""
    join = index
    if tokens.kind(join) == "dash" and tokens.kind(join + 1) in ("to", "or", "through"):  # 5- to 7-lobed
        join += 1
    kind = tokens.kind(join)
    joins = kind in ("dash", "to", "through") or (kind == "or" and not first.unit)
    joins = joins or (kind == "and" and "between" in marks) or (kind == "most" and "from" in marks)
    if not joins:
        return None, index, ""
    join += 1 + (tokens.kind(join + 1) == "about")
    second, end = read_amount(tokens, join, units=units)
    if second is None or (first.unit and not second.unit):
        return None, index, ""
    return second, end, kind


def _broken(tokens: Tokens, found: Range) -> Range:
    index = found.end
    while tokens.kind(index) == "dash" and tokens.kind(index + 1) in NUMBERS:
        index += 2
    return replace(found, end=index, is_broken=True)


def _deviating(tokens: Tokens, start: int, index: int, mean: Amount, *, units: bool) -> Range | None:
    """Read `3 ± 0.5 mm`."""
    deviation, end = read_amount(tokens, index + 1, units=units)
    if deviation is None:
        return None
    unit = mean.unit or deviation.unit
    low, high = (Amount(round(mean.value + sign * deviation.value, 6), unit) for sign in (-1, 1))
    return Range(low, high, None, None, frozenset(("about",)), start, end)
