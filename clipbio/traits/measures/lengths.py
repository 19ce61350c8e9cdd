"""Read a measure from tokens: ranges, units, crosses, and the words that say which dimension is meant."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from clipbio.traits.measures.amounts import Amount, Range, Tokens, read_unit
from clipbio.traits.measures.extremes import read_bound, read_upper
from clipbio.traits.measures.measure import Dimension
from clipbio.traits.measures.ranges import read_range
from clipbio.traits.measures.units import is_metric, millimetres

__all__ = ["Lengths", "read_lengths"]

_MOST_DIMENSIONS = 3
_LONGEST_MM = 200_000.0
_ORDER = ("length", "width", "thickness")
_MOST = {"most", "to", "under"}
_LEAST = {"least", "over"}


@dataclass(slots=True)
class Lengths:
    """A measure from token `start` on.

    Args:
        start: its first token.
        end: the token behind its numbers and units.
        reach: the token behind the words that say the role.
        ranges: one per dimension, with a unit or without.
        roles: of the dimensions, empty where not told.
        metric: the same dimensions as brackets state them in the other system.
    """

    start: int
    end: int = 0
    reach: int = 0
    ranges: list[Range] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    metric: dict[int, Dimension] = field(default_factory=dict)

    @property
    def is_approximate(self) -> bool:
        """Some number is told as about so large."""
        return any("about" in part.marks for part in self.ranges)

    def dimensions(self) -> tuple[Dimension, ...]:
        """Return the sizes in millimetres; nothing where no unit is told, or where they can be no sizes."""
        found = []
        roles = _filled(self.roles)
        for number, part in enumerate(_with_units(self.ranges)):
            dimension = None if part is None or part.is_broken else _dimension(part, roles[number])
            if dimension is None:
                return ()
            told = self.metric.get(number)
            found.append(dimension if told is None else replace(told, role=told.role or roles[number]))
        return tuple(found)


def read_lengths(tokens: Tokens, start: int, *, role: str = "", nested: bool = False) -> Lengths | None:
    """Read the measure that begins with token `start`.

    Args:
        tokens: those of the text.
        start: the first token.
        role: of the first dimension, as told by words before it.
        nested: within the brackets of another measure, which then holds no brackets itself.

    Returns:
        None where no number begins here.
    """
    found = Lengths(start)
    index = start
    while len(found.ranges) < _MOST_DIMENSIONS:
        part = _read_part(tokens, index)
        if part is None:
            break
        found.ranges.append(part)
        found.roles.append("" if len(found.ranges) > 1 else role)
        found.end = found.reach = part.end
        if not nested:
            _read_conversion(tokens, found)
        _read_role(tokens, found)
        if not nested and len(found.ranges) - 1 not in found.metric:
            _read_conversion(tokens, found)
        if tokens.kind(found.reach) not in ("times", "by"):
            break
        index = found.reach + 1
    return found if found.ranges else None


def _read_part(tokens: Tokens, index: int) -> Range | None:
    part = read_range(tokens, index, units=True)
    if part is None or part.is_broken:
        return part
    part = read_bound(tokens, part)
    unit, end = read_unit(tokens, part.end)
    if unit and not part.high.unit:
        part = replace(part, low=_in(part.low, unit), high=_in(part.high, unit), end=end)
    if part.high.unit and part.maximum is None:
        part = read_upper(tokens, part)
    return read_bound(tokens, part)


def _in(amount: Amount, unit: str) -> Amount:
    return amount if amount.unit else Amount(amount.value, unit)


def _read_role(tokens: Tokens, found: Lengths) -> None:
    """Step over the words behind a number that say what it measures: `long`, `(in diameter)`, `wingspan`."""
    index = found.reach
    is_open = tokens.kind(index) == "open"
    index += is_open or (tokens.kind(index) == "dash" and tokens.at(index).is_tight)
    word = tokens.at(index)
    if is_open and tokens.kind(index + 1) != "close":
        return
    is_noun = word.kind == "noun" and not found.roles[-1] and not _has_number(tokens, index + 1)
    if word.kind != "after" and not is_noun:
        return
    found.roles[-1] = word.name
    found.reach = index + 1 + is_open


def _has_number(tokens: Tokens, index: int) -> bool:
    steps = ("link", "about", "most", "least", "from", "between", "to", "open", "filler")
    while tokens.kind(index) in steps or tokens.at(index).name == ":":
        index += 1
    return tokens.kind(index) in ("number", "fraction", "word")


def _read_conversion(tokens: Tokens, found: Lengths) -> None:
    """Read the same sizes in another system: `2-3 in (5-8 cm)`, `5 in/12.7 cm`; the metric numbers are kept."""
    opens = tokens.kind(found.reach) == "open"
    if not opens and tokens.at(found.reach).name != "/":
        return
    other = read_lengths(tokens, found.reach + 1, nested=True)
    if other is None or (
        opens and tokens.kind(other.reach) != "close" and tokens.at(other.reach).name not in (",", ";")
    ):
        return
    sizes, first = other.dimensions(), len(found.ranges) - len(other.ranges)
    mine = found.ranges[-1].high.unit
    if not sizes or not mine or first < 0 or is_metric(sizes[0].unit) == is_metric(mine):
        return
    for number, size in enumerate(sizes, start=first):
        if is_metric(size.unit):
            found.metric[number] = replace(size, role=other.roles[number - first])
    found.end = found.reach = other.reach + (opens and tokens.kind(other.reach) == "close")


def _with_units(ranges: list[Range]) -> list[Range | None]:
    """Give ranges without a unit that of the next one that has one, else that of the one before."""
    units = [part.high.unit for part in ranges]
    filled: list[Range | None] = []
    for number, part in enumerate(ranges):
        unit = next(filter(None, [*units[number:], *reversed(units[:number])]), "")
        extremes = [amount and _in(amount, unit) for amount in (part.minimum, part.maximum)]
        named = replace(
            part, low=_in(part.low, unit), high=_in(part.high, unit), minimum=extremes[0], maximum=extremes[1]
        )
        filled.append(named if unit else None)
    return filled


def _filled(roles: list[str]) -> list[str]:
    """Call what words leave open length, width and thickness; a single dimension stays without a name."""
    if len(roles) == 1:
        return roles
    filled = list(roles)
    for number, role in enumerate(roles):
        if not role:
            free = [name for name in _ORDER if name not in filled]
            filled[number] = _ORDER[number] if _ORDER[number] in free else free[0]
    return filled


def _dimension(part: Range, role: str) -> Dimension | None:
    low, high = sorted(millimetres(amount.value, amount.unit) for amount in (part.low, part.high))
    minimum, maximum = (
        None if amount is None else millimetres(amount.value, amount.unit) for amount in (part.minimum, part.maximum)
    )
    inside = (minimum is None or minimum <= low) and (maximum is None or maximum >= high)
    if not inside or high <= 0 or max(high, maximum or 0) > _LONGEST_MM:
        return None
    is_most, is_least = (part.is_single and bool(part.marks & marks) for marks in (_MOST, _LEAST))
    return Dimension(
        low=None if is_most else low,
        high=None if is_least else high,
        minimum=minimum,
        maximum=maximum,
        unit=part.high.unit,
        role=role,
    )
