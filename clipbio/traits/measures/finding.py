"""Find the sizes and the counts of a text.

A lexer and a parser of our own: spaCy's English tokenizer cuts `(12-)23-34` apart and takes seconds to start.
"""

from __future__ import annotations

from functools import lru_cache

from clipbio.traits.measures.amounts import Tokens
from clipbio.traits.measures.context import is_place, role_before, sex_beside
from clipbio.traits.measures.counts import read_count
from clipbio.traits.measures.grammar import grammar
from clipbio.traits.measures.lengths import Lengths, read_lengths
from clipbio.traits.measures.measure import Count, Measure
from clipbio.traits.measures.tokens import tokenize

__all__ = ["find_counts", "find_measures"]

_STARTS = (
    "number",
    "fraction",
    "word",
    "single",
    "open",
    "about",
    "most",
    "least",
    "to",
    "under",
    "over",
    "between",
    "from",
    "vague",
)


def find_measures(text: str, language: str = "en") -> list[Measure]:
    """Return the sizes that `text` tells, in order.

    Numbers without a unit, heights above the sea, depths and distances are left out as far as words tell them.

    Args:
        text: a description or a part of it.
        language: `en` or `fr`.

    Raises:
        ClipbioError: descriptions of that language cannot be read.
    """
    return list(_find(text, language)[0])


def find_counts(text: str, language: str = "en") -> list[Count]:
    """Return the numbers of things that `text` tells, in order.

    Years, labels (`fig. 3`), fractions, ratios, times, weights and percentages are left out.

    Args:
        text: a description or a part of it.
        language: `en` or `fr`.

    Raises:
        ClipbioError: descriptions of that language cannot be read.
    """
    return list(_find(text, language)[1])


@lru_cache(maxsize=1024)
def _find(text: str, language: str) -> tuple[tuple[Measure, ...], tuple[Count, ...]]:
    tokens = Tokens(tokenize(text, grammar(language)))
    measures: list[Measure] = []
    counts: list[Count] = []
    index = 0
    while index < len(tokens):
        if tokens.kind(index) not in _STARTS:
            index += 1
            continue
        role, first = role_before(tokens, index)
        lengths = read_lengths(tokens, index, role=role)
        if lengths is not None and any(part.high.unit for part in lengths.ranges):
            measure = _measure(tokens, text, lengths, first)
            measures += [measure] if measure is not None else []
            index = lengths.reach
            continue
        count, index = read_count(tokens, text, index)
        counts += [count] if count is not None else []
    return tuple(measures), tuple(counts)


def _measure(tokens: Tokens, text: str, lengths: Lengths, first: int) -> Measure | None:
    dimensions = lengths.dimensions()
    if not dimensions or is_place(tokens, lengths, lengths.start):
        return None
    start, end = tokens.at(lengths.start).start, tokens.at(lengths.end - 1).end
    sex, before, behind = sex_beside(tokens, lengths, first)
    return Measure(
        start=start,
        end=end,
        phrase=text[start:end],
        dimensions=dimensions,
        is_approximate=lengths.is_approximate,
        sex=sex,
        reach=(tokens.at(min(first, before)).start, tokens.at(behind - 1).end),
    )
