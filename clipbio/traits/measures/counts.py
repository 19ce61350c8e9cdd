"""Read a count from tokens: `5`, `2 or 3`, `(3-)5-7-lobed`, `numerous`."""

from __future__ import annotations

from dataclasses import replace

from clipbio.traits.measures.amounts import Range, Tokens
from clipbio.traits.measures.context import is_counted
from clipbio.traits.measures.extremes import read_bound
from clipbio.traits.measures.measure import Count
from clipbio.traits.measures.ranges import read_range

__all__ = ["read_count"]

_LARGEST = 10_000
_MOST = {"most"}
_LEAST = {"least"}
# Before a count these are prepositions: `to 3 lobes`, `under 5 bracts`.
_PREPOSITIONS = ("to", "under", "over")


def read_count(tokens: Tokens, text: str, start: int) -> tuple[Count | None, int]:
    """Read the count that begins with token `start`; return it and the token behind what was read."""
    if tokens.kind(start) == "vague":
        token = tokens.at(start)
        if tokens.kind(start + 1) == "unit":
            return None, start + 2
        of, end = _tied(tokens, start + 1)
        span = (token.start, tokens.at(end - 1).end)
        return Count(start=span[0], end=span[1], phrase=text[slice(*span)], of=of, word=token.name), end
    found = None if tokens.kind(start) in _PREPOSITIONS else read_range(tokens, start, units=False)
    if found is None:
        return None, start + 1
    found = read_bound(tokens, _listed(tokens, found))
    has_fraction = any(tokens.kind(index) in ("fraction", "code") for index in range(found.start, found.end))
    of, end = _tied(tokens, found.end)
    if found.is_broken or has_fraction or not is_counted(tokens, found):
        return None, max(found.end, start + 1)
    return _count(tokens, text, found, of, end), end


def _listed(tokens: Tokens, found: Range) -> Range:
    """Take `4, 5 or 6` for one range."""
    if tokens.at(found.end).name != "," or not found.is_single:
        return found
    further = read_range(tokens, found.end + 1, units=False)
    is_list = further is not None and any(tokens.kind(index) == "or" for index in range(further.start, further.end))
    if further is None or not is_list or further.low.value <= found.low.value:
        return found
    return replace(found, high=further.high, maximum=further.maximum, end=further.end)


def _tied(tokens: Tokens, end: int) -> tuple[str, int]:
    """Return the word that a hyphen ties to what ends before token `end`."""
    dash, word = tokens.at(end), tokens.at(end + 1)
    is_tied = dash.kind == "dash" and dash.is_tight and word.is_tight and word.name[:1].isalpha()
    return (word.name, end + 2) if is_tied else ("", end)


def _count(tokens: Tokens, text: str, found: Range, of: str, end: int) -> Count | None:
    start, stop = tokens.at(found.start).start, tokens.at(end - 1).end
    if found.amounts[-1].value > _LARGEST:
        return None
    is_most, is_least = (found.is_single and bool(found.marks & marks) for marks in (_MOST, _LEAST))
    return Count(
        start=start,
        end=stop,
        phrase=text[start:stop],
        low=None if is_most else int(found.low.value),
        high=None if is_least else int(found.high.value),
        minimum=None if found.minimum is None else int(found.minimum.value),
        maximum=None if found.maximum is None else int(found.maximum.value),
        is_approximate="about" in found.marks,
        of=of,
    )
