"""Ranges of numbers in the notations of floras: `(12-)23-34`, `[5–]7–25[–32]`, `up to 11`, `between 3 and 5`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clipbio.traits.measures.tokens import END, Token

__all__ = ["Amount", "Range", "Tokens", "read_bound", "read_range", "read_unit", "read_upper"]

_NUMBERS = ("number", "fraction", "word")
_QUALIFIERS = ("about", "most", "least", "to", "under", "over", "between", "from")
_EXTREMES = ("dash", "to", "most", "rarely", "filler", "about", "through")
_BOUNDS = {"ormore": "least", "orless": "most", "least": "least", "most": "most"}
_MOST_QUALIFIERS = 4
# What may stand behind `in` where it is the unit, and behind the full stop of an abbreviated unit.
_BEHIND_INCH = ("after", "dash", "times", "open", "close", "to", "by", "end")
_BEHIND_STOP = ("after", "dash", "times", "open", "by", "to")


class Tokens(list[Token]):
    """Tokens of a text, with `END` beyond both ends."""

    def at(self, index: int) -> Token:
        """Return a token, or `END`."""
        return self[index] if 0 <= index < len(self) else END

    def kind(self, index: int) -> str:
        """Return the kind of a token, or `end`."""
        return self.at(index).kind


@dataclass(frozen=True, slots=True)
class Amount:
    """A number and its unit, empty until it is told."""

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """Up to four numbers, the words that bound them, and the tokens from `start` to `end`.

    Args:
        low: the lower number of the range itself.
        high: the upper one.
        minimum: the extreme in brackets before it.
        maximum: the one behind it.
        marks: kinds of the qualifiers: `about`, `most`, `least` ...
        start: its first token.
        end: the token behind its last one.
        is_broken: a chain of numbers (`12-34-56`) that is no range.
    """

    low: Amount
    high: Amount
    minimum: Amount | None
    maximum: Amount | None
    marks: frozenset[str]
    start: int
    end: int
    is_broken: bool = False

    @property
    def amounts(self) -> tuple[Amount, ...]:
        """The numbers that are told, in order."""
        return tuple(amount for amount in (self.minimum, self.low, self.high, self.maximum) if amount is not None)

    @property
    def is_single(self) -> bool:
        """One number, no range."""
        return self.low == self.high


def read_range(tokens: Tokens, start: int, *, units: bool) -> Range | None:
    """Read the range that begins with token `start`; with `units`, also those between its numbers."""
    index, marks = _qualifiers(tokens, start)
    minimum, index = _lower(tokens, index)
    first, index = _amount(tokens, index, units=units)
    if first is None:
        return None
    index, is_doubtful = _question(tokens, index)
    second, index, joined = _second(tokens, index, first, marks, units=units)
    if ("between" in marks and joined != "and") or ("from" in marks and joined not in ("to", "through", "most")):
        return None
    marks |= {"about"} if is_doubtful else frozenset()
    if second is not None and not first.unit:
        first = Amount(first.value, second.unit)
    found = Range(first, second or first, minimum, None, marks, start, index)
    if tokens.kind(index) == "dash" and tokens.kind(index + 1) in _NUMBERS:
        return _broken(tokens, found)
    return read_upper(tokens, found)


def read_upper(tokens: Tokens, found: Range) -> Range:
    """Read the extreme behind a range: `(–7)`, `(7)` without a blank, `(rarely to 7 cm)`, `, rarely 7`."""
    index = found.end
    is_open = tokens.kind(index) == "open"
    if not is_open and not (tokens.at(index).name == "," and tokens.kind(index + 1) == "rarely"):
        return found
    inside = index + 1
    while tokens.kind(inside) in _EXTREMES and inside < index + _MOST_QUALIFIERS:
        inside += 1
    is_marked = inside > index + 1
    amount, end = _amount(tokens, inside, units=True)
    if amount is None or not (is_marked or (tokens.at(index).is_tight and not found.high.unit)):
        return found
    if is_open and tokens.kind(end) == "dash":  # a range of extremes: (7-9)
        further, behind = _amount(tokens, end + 1, units=True)
        amount, end = (further, behind) if further is not None else (amount, end)
    if is_open and tokens.kind(end) != "close":
        return found
    if amount.unit == found.high.unit and amount.value < found.high.value:
        return found
    low, high = (known if known.unit else Amount(known.value, amount.unit) for known in (found.low, found.high))
    return replace(found, low=low, high=high, maximum=amount, end=end + is_open)


def read_bound(tokens: Tokens, found: Range) -> Range:
    """Read the words behind a number that bound it: `or more`, `5+`, `au moins`."""
    token, behind = tokens.at(found.end), tokens.at(found.end + 1)
    kind = _BOUNDS.get(token.kind, "")
    is_next = behind.kind in _NUMBERS and (token.name == "+" or token.kind in ("most", "least"))
    if not kind or is_next or not found.is_single or (token.name == "+" and not token.is_tight):
        return found
    return replace(found, marks=found.marks | {kind}, end=found.end + 1)


def read_unit(tokens: Tokens, index: int) -> tuple[str, int]:
    """Return the unit that token `index` is, and the token behind it."""
    token = tokens.at(index)
    if token.kind == "dash" and token.is_tight and tokens.at(index + 1).is_tight and tokens.kind(index + 1) == "unit":
        token, index = tokens.at(index + 1), index + 1
    behind = tokens.at(index + 1)
    if token.kind == "inch":
        stop = behind.name == "." and behind.is_tight
        unit = "in" if stop or behind.kind in _BEHIND_INCH or behind.name in (",", ";") else ""
    elif token.kind in ("inches", "feet"):
        is_quoted = tokens.at(index - 1).is_tight and tokens.kind(index - 2) == token.kind
        is_mark = token.is_tight and not is_quoted and not (behind.is_tight and behind.kind == "text")
        unit = {"inches": "in", "feet": "ft"}[token.kind] if is_mark else ""
    else:
        unit = token.name if token.kind == "unit" else ""
    if not unit:
        return "", index
    stops = behind.name == "." and behind.is_tight
    goes_on = tokens.kind(index + 2) in _BEHIND_STOP or (unit == "ft" and tokens.kind(index + 2) == "number")
    return unit, index + 2 if stops and goes_on else index + 1


def _qualifiers(tokens: Tokens, index: int) -> tuple[int, frozenset[str]]:
    marks: set[str] = set()
    while tokens.kind(index) in _QUALIFIERS or (marks and tokens.kind(index) == "filler"):
        marks.add(tokens.kind(index))
        index += 1
        if len(marks) == _MOST_QUALIFIERS or tokens.kind(index) == tokens.kind(index - 1):
            break
    return index, frozenset(marks)


def _lower(tokens: Tokens, start: int) -> tuple[Amount | None, int]:
    """Read the extreme before a range: `(12-)`, `[5–]`, `(2)` without a blank behind it."""
    if tokens.kind(start) != "open":
        return None, start
    index = start + 1
    while tokens.kind(index) in ("rarely", "filler") and index < start + _MOST_QUALIFIERS:
        index += 1
    amount, index = _amount(tokens, index, units=False)
    has_dash = tokens.kind(index) in ("dash", "to", "through")
    index += has_dash
    if amount is None or tokens.kind(index) != "close":
        return None, start
    index += 1
    if tokens.kind(index) == "dash":
        has_dash, index = True, index + 1
    number = tokens.at(index)
    is_range = number.kind in _NUMBERS and (has_dash or number.is_tight)
    return (amount, index) if is_range and amount.value <= number.value else (None, start)


def _amount(tokens: Tokens, index: int, *, units: bool) -> tuple[Amount | None, int]:
    number = tokens.at(index)
    if number.kind not in _NUMBERS:
        return None, index
    unit, behind = read_unit(tokens, index + 1) if units else ("", index + 1)
    if not unit:
        return Amount(number.value), index + 1
    inches = tokens.at(behind)
    if unit == "ft" and inches.kind in ("number", "fraction") and inches.value < 12:
        further, end = read_unit(tokens, behind + 1)
        if further == "in":
            return Amount(number.value * 12 + inches.value, "in"), end
    return Amount(number.value, unit), behind


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
    second, end = _amount(tokens, join, units=units)
    if second is None or (first.unit and not second.unit):
        return None, index, ""
    return second, end, kind


def _broken(tokens: Tokens, found: Range) -> Range:
    index = found.end
    while tokens.kind(index) == "dash" and tokens.kind(index + 1) in _NUMBERS:
        index += 2
    return replace(found, end=index, is_broken=True)
