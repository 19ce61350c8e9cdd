"""Numbers with their units, and ranges of them."""

from __future__ import annotations

from dataclasses import dataclass

from clipbio.traits.measures.tokens import END, Token

__all__ = ["NUMBERS", "Amount", "Range", "Tokens", "read_amount", "read_unit"]

NUMBERS = ("number", "fraction", "word")
"""Kinds of tokens that have a value."""
# What may stand behind `in` where it is the unit, and behind the full stop of an abbreviated unit.
_BEHIND_INCH = ("after", "dash", "times", "open", "close", "to", "by", "end")
_BEHIND_STOP = ("after", "dash", "times", "open", "close", "by", "to")


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


def read_amount(tokens: Tokens, index: int, *, units: bool) -> tuple[Amount | None, int]:
    """Return the number that token `index` is, with `units` also its unit, and the token behind."""
    number = tokens.at(index)
    if number.kind not in NUMBERS and not (units and number.kind == "single"):
        return None, index
    unit, behind = read_unit(tokens, index + 1) if units else ("", index + 1)
    if not unit:
        return (None, index) if number.kind == "single" else (Amount(number.value), index + 1)
    inches = tokens.at(behind)
    if unit == "ft" and inches.kind in ("number", "fraction") and inches.value < 12:
        further, end = read_unit(tokens, behind + 1)
        if further == "in":
            return Amount(number.value * 12 + inches.value, "in"), end
    return Amount(number.value, unit), behind


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
