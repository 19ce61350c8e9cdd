"""What stands around a range: extremes in brackets, and words that leave one end open."""

from __future__ import annotations

from dataclasses import replace

from clipbio.traits.measures.amounts import NUMBERS, Amount, Range, Tokens, read_amount, read_unit

__all__ = ["read_bound", "read_lower", "read_upper"]

_EXTREMES = ("dash", "to", "or", "most", "rarely", "filler", "about", "through")
_BOUNDS = {"ormore": "least", "orless": "most", "least": "least", "most": "most"}
_MOST_EXTREMES = 4


def read_lower(tokens: Tokens, start: int, *, units: bool) -> tuple[Amount | None, int]:
    """Read the extreme before a range: `(12-)`, `[5–]`, `(2)`; where no unit follows, without a blank behind it."""
    if tokens.kind(start) != "open":
        return None, start
    index = start + 1
    while tokens.kind(index) in ("rarely", "filler") and index < start + _MOST_EXTREMES:
        index += 1
    amount, index = read_amount(tokens, index, units=False)
    has_dash = tokens.kind(index) in ("dash", "to", "through")
    index += has_dash
    if amount is None or tokens.kind(index) != "close":
        return None, start
    index += 1
    if tokens.kind(index) == "dash":
        has_dash, index = True, index + 1
    number = tokens.at(index)
    is_range = number.kind in NUMBERS and (has_dash or units or number.is_tight)
    return (amount, index) if is_range and amount.value <= number.value else (None, start)


def read_upper(tokens: Tokens, found: Range) -> Range:
    """Read the extreme behind a range: `(–7)`, `(7)`, `(rarely to 7 cm)`, `, rarely 7`; or the range of a mean."""
    index = found.end
    is_open = tokens.kind(index) == "open"
    if not is_open and not (tokens.at(index).name == "," and tokens.kind(index + 1) == "rarely"):
        return found
    inside = index + 1
    while tokens.kind(inside) in _EXTREMES and inside < index + _MOST_EXTREMES:
        inside += 1
    amount, end = read_amount(tokens, inside, units=True)
    first = amount
    if is_open and amount is not None and tokens.kind(end) == "dash":  # (7-9)
        further, behind = read_amount(tokens, end + 1, units=True)
        amount, end = (further, behind) if further is not None else (amount, end)
    if first is None or amount is None or (is_open and tokens.kind(end) != "close"):
        return found
    end += is_open
    if inside > index + 1 or _is_close(tokens, found, index, end, has_unit=bool(amount.unit)):
        return _extended(found, first, amount, end)
    return found


def _is_close(tokens: Tokens, found: Range, index: int, end: int, *, has_unit: bool) -> bool:
    """Tell whether a number in brackets without a word belongs to the one before: `5(7) mm`, `5 (7) mm`."""
    if found.high.unit:
        return False
    return tokens.at(index).is_tight or (not has_unit and bool(read_unit(tokens, end)[0]))


def _extended(found: Range, first: Amount, last: Amount, end: int) -> Range:
    """Take the last of the numbers in brackets as the extreme, or both of them as the range of a mean before."""
    unit = found.high.unit or last.unit
    if first is not last and found.is_single and first.value <= found.low.value <= last.value:
        return replace(found, low=Amount(first.value, unit), high=Amount(last.value, unit), end=end)
    if last.unit == found.high.unit and last.value < found.high.value:
        return found
    low, high = (known if known.unit else Amount(known.value, last.unit) for known in (found.low, found.high))
    return replace(found, low=low, high=high, maximum=last, end=end)


def read_bound(tokens: Tokens, found: Range) -> Range:
    """Read the words behind a number that bound it: `or more`, `5+`, `au moins`."""
    token, behind = tokens.at(found.end), tokens.at(found.end + 1)
    kind = _BOUNDS.get(token.kind, "")
    is_next = behind.kind in NUMBERS and (token.name == "+" or token.kind in ("most", "least"))
    if not kind or is_next or (token.name == "+" and not token.is_tight):
        return found
    return replace(found, marks=found.marks | {kind}, end=found.end + 1)
