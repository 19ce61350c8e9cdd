"""What stands around a number and tells that it is no size and no count."""

from __future__ import annotations

from clipbio.traits.measures.amounts import Range, Tokens
from clipbio.traits.measures.lengths import Lengths

__all__ = ["is_counted", "is_place", "role_before", "sex_beside"]

_STEPS = ("link", "about", "from", "filler", "most")
_NEAR = 4
_YEARS = range(1500, 2101)


def role_before(tokens: Tokens, start: int) -> tuple[str, int]:
    """Return the dimension told before a measure (`wingspan: 3 cm`, `long de 3 cm`) and the token that begins it."""
    index = start - 1
    while index >= start - _NEAR and (tokens.kind(index) in _STEPS or tokens.at(index).name == ":"):
        index -= 1
    word = tokens.at(index)
    return (word.name, index) if word.kind in ("noun", "before") else ("", start)


def sex_beside(tokens: Tokens, found: Lengths, start: int) -> tuple[str, int, int]:
    """Return the sex told right behind a measure, or right before `start`, and where its words begin and end."""
    index = found.reach
    is_open = tokens.kind(index) == "open"
    index += is_open
    has_article = tokens.kind(index) == "article" or tokens.at(index).name == "in"
    word = tokens.at(index + has_article)
    is_sign = word.end - word.start == 1
    if word.kind == "sex" and (is_open or has_article or is_sign):
        end = index + has_article + 1
        return word.name, start, end + (is_open and tokens.kind(end) == "close")
    before = tokens.at(start - 1)
    return (before.name, start - 1, found.reach) if before.kind == "sex" else ("", start, found.reach)


def is_place(tokens: Tokens, found: Lengths, start: int) -> bool:
    """Tell a height above the sea, a depth or a distance from the size of a thing."""
    before, behind = tokens.at(start - 1), tokens.at(found.reach)
    near = (start - steps for steps in range(1, _NEAR) if not _is_parted(tokens, start, steps))
    is_far = any(tokens.kind(index) in ("place", "where") for index in near)
    if is_far or before.name in ("=", "°") or behind.name in ("/", "°"):
        return True
    if behind.kind in ("where", "place", "from", "over") or behind.name in ("n", "s", "e", "w"):
        return True
    is_bare = not any(found.roles)
    return is_bare and before.kind in ("at", "through") and found.ranges[-1].high.unit in ("m", "ft", "yd")


def _is_parted(tokens: Tokens, start: int, steps: int) -> bool:
    return any(tokens.at(start - nearer).name in (".", ";", ",") for nearer in range(1, steps))


def is_counted(tokens: Tokens, found: Range) -> bool:
    """Tell a count from labels, dates, fractions, sums, ratios and quantities of other kinds."""
    before, behind = tokens.at(found.start - 1), tokens.at(found.end)
    if before.kind in ("label", "month", "place", "times", "at") or before.name in tuple("=/°+#$€£*^_"):
        return False
    if behind.kind in ("quantity", "notcount", "times", "month", "unit", "feet", "inches", "code"):
        return False
    if behind.name in ("=", "/", "°", "%", "‰", "+", "^", "_", "of") or (
        behind.name == ":" and tokens.kind(found.end + 1) == "number"
    ):
        return False
    if before.kind == "open" and behind.kind == "close":
        return False
    if before.is_tight and (before.kind == "dash" or (before.name == ":" and tokens.kind(found.start - 2) == "number")):
        return False
    values = [amount.value for amount in found.amounts]
    is_year = found.is_single and values[0] in _YEARS
    return not is_year and all(value == int(value) for value in values) and values == sorted(values)
