"""Example queries out of an index's own descriptions, so that each of them finds something."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clipbio.search.tokens import Analyser, Token, analyser

__all__ = ["example_queries"]

# A flora speaks of the next organ behind a semicolon as behind a full stop.
_ENDS = re.compile(r"[.;:!?]\s|\n")
# Beyond stop words: what says nothing about a specimen, or where a clause of prose begins rather than a character.
_VAGUE = re.compile(
    r"\b(above|also|below|birds|both|compare|common|from|like|looks?|males|females|note|often|seen|some|usually|very)\b"
)
_LEAST, _MOST = 2, 4
_TIMES = 2


@dataclass(frozen=True)
class _Clause:
    """The first clause of a sentence: as it is written, and the forms of its words that say something."""

    text: str
    forms: frozenset[str]


def example_queries(texts: Sequence[str], language: str = "english", count: int = 5) -> list[str]:
    """Return queries made of clauses that stand in `texts`, the most general ones first.

    Only the first clauses of sentences are taken, which name what they are about ("leaves opposite"), of two to four
    words, and no word comes more than twice. Most queries join two clauses of one description.

    Args:
        texts: Descriptions of an index, or some of them.
        language: That of the texts.
        count: How many queries are wanted; fewer come if there are no such clauses.
    """
    taken = analyser(language)
    clauses_of = [list(_clauses(text, taken)) for text in texts]
    numbers = Counter(clause.forms for clauses in clauses_of for clause in clauses)
    written = _shortest(clause for clauses in clauses_of for clause in clauses)
    found: list[str] = []
    used: Counter[str] = Counter()
    for forms in sorted(numbers, key=lambda forms: (-numbers[forms], written[forms])):
        if len(found) == count:
            break
        if _is_fresh(forms, used):
            # Every third one is a single clause: the simplest question is one too.
            partners = [] if len(found) % 3 == 2 else _beside(forms, clauses_of, used)
            query = [forms, *sorted(partners, key=lambda other: (-numbers[other], written[other]))[:1]]
            found.append(", ".join(written[one] for one in query))
            used.update(form for one in query for form in one)
    return found


def _clauses(text: str, taken: Analyser) -> Iterator[_Clause]:
    for sentence in _ENDS.split(text):
        tokens = _first_clause(sentence, taken)
        shown = sentence[tokens[0].start : tokens[-1].end].lower() if tokens else ""
        forms = frozenset(token.form for token in tokens if not token.is_stop_word)
        is_short = len(forms) >= _LEAST and len(tokens) <= _MOST
        if is_short and not _VAGUE.search(shown) and not any(character.isdigit() for character in shown):
            yield _Clause(shown, forms)


def _first_clause(sentence: str, taken: Analyser) -> Sequence[Token]:
    """Return the tokens before the first comma or the like, without stop words before them.

    There are none in a negation, or where something else than words stands in the clause or at its end.
    """
    tokens = taken.sequence(sentence)
    tokens = tokens[: next((place for place, token in enumerate(tokens) if place and token.is_after_break), None)]
    start = next((place for place, token in enumerate(tokens) if not token.is_stop_word), len(tokens))
    if start == len(tokens) or tokens[-1].is_stop_word or any(token.form in taken.negators for token in tokens):
        return ()
    return tokens[start:] if re.match(r"\s*([,.;:!?]|$)", sentence[tokens[-1].end :]) else ()


def _shortest(clauses: Iterator[_Clause]) -> dict[frozenset[str], str]:
    written: dict[frozenset[str], str] = {}
    for clause in clauses:
        known = written.get(clause.forms, clause.text)
        written[clause.forms] = min(known, clause.text, key=lambda text: (len(text), text))
    return written


def _beside(forms: frozenset[str], clauses_of: Sequence[Sequence[_Clause]], used: Counter[str]) -> list[frozenset[str]]:
    """Return the other clauses of descriptions that have a clause, with words of their own."""
    having = [clauses for clauses in clauses_of if any(clause.forms == forms for clause in clauses)]
    others = {clause.forms for clauses in having for clause in clauses}
    return [other for other in others if other.isdisjoint(forms) and _is_fresh(other, used)]


def _is_fresh(forms: frozenset[str], used: Counter[str]) -> bool:
    """Tell whether no word was used twice, nor all of them once."""
    return all(used[form] < _TIMES for form in forms) and not all(used[form] for form in forms)
