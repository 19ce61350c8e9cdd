"""What a query of words says: what is sought, what must be there word for word, what must not be there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clipbio.search.languages import Language, fold, language

__all__ = ["Words", "parse"]

_QUOTES, _MINUS = '"“”„«»', "-−–"
_LETTER = r"[^\W\d_][\u0300-\u036f]*"
# Nothing but space, a bracket or a mark stands before a sign: the hyphens of dark-brown and 3-5 are none.
_FREE = r"(?<![^\s(,;:])"
_PIECE = re.compile(
    rf"""(?:(?P<minus>{_FREE}[{_MINUS}])|{_FREE})[{_QUOTES}](?P<quoted>[^{_QUOTES}]*)[{_QUOTES}](?=[\s,;:.!?)]|$)
    |{_FREE}[{_MINUS}](?P<negated>{_LETTER}(?:\w|[-‐‑'’](?=\w)|[\u0300-\u036f])*)
    |(?P<word>\w(?:\w|[-‐‑'’.,](?=\w)|[\u0300-\u036f])*)
    |(?P<end>[,;.:!?])
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Words:
    """A query of words.

    `positive` is all that is sought, as it was written, quoted phrases included but without quotes; `phrases` have to
    be contained; `negative` must not be.
    """

    positive: str = ""
    phrases: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether it asks for nothing."""
        return not self.positive and not self.negative


def parse(text: str, language_name: str = "english") -> Words:
    """Take a query apart.

    `-word` and `-"two words"` negate, so do the negations of the language ("not hairy beneath") up to a comma,
    semicolon, full stop or "and", "but", "with"; after an "or" the next words are negated too. `"two words"` have to
    stand together. A hyphen inside of a word or before a number is no sign.
    """
    of = language(language_name)
    pieces = list(_pieces(text))
    kept: list[str] = []
    phrases: list[str] = []
    negative: list[str] = []
    place = 0
    while place < len(pieces):
        kind, value = pieces[place]
        place += 1
        if kind == "word" and fold(value) in of.negators:
            length, negated = _negated(pieces[place:], of)
            place += length
            negative += negated
            kept.append(" " if negated else value)
        elif kind == "negated":
            negative.append(value)
        else:
            kept.append(value)
            phrases += [value] if kind == "quoted" else []
    positive = _tidied("".join(kept), of.joiners | of.alternatives if negative else frozenset())
    return Words(positive, _distinct(phrases), _distinct(negative))


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a query consists of, with its kind: quoted, negated, word, end, space or other."""
    for match in _PIECE.finditer(text):
        if match["quoted"] is not None:
            yield ("negated" if match["minus"] else "quoted"), " ".join(match["quoted"].split())
        else:
            kind = str(match.lastgroup)
            yield kind, match[kind]


def _negated(pieces: Sequence[tuple[str, str]], of: Language) -> tuple[int, list[str]]:
    """Return how many pieces the negation before them takes in, none if it negates nothing, and what it negates."""
    runs: list[list[str]] = [[]]
    length = 0
    for length, (kind, value) in enumerate(pieces):
        folded = fold(value)
        if kind == "quoted" and runs == [[]]:
            return length + 1, [value]
        if kind == "word" and runs[-1] and folded in of.alternatives:
            runs.append([])
        elif kind == "word" and not (folded in of.joiners | of.negators or (not runs[-1] and value[0].isdigit())):
            runs[-1].append(value)
        elif kind != "space":
            break
    else:
        length = len(pieces)
    negated = [" ".join(run) for run in runs if run]
    return (length if negated else 0), negated


def _distinct(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _tidied(text: str, joining: frozenset[str]) -> str:
    """Return what is left of a query without the marks and joining words that stood beside what was taken out."""
    if not re.search(r"[^\W_]", text):
        return ""
    text = re.sub(r"\s+(?=[,;])", "", " ".join(re.sub(r"\(\s*\)", " ", text).split()))
    words = re.sub(r"([,;])(?:\s*[,;])+", r"\1", text).strip(" ,;").split()
    while words and fold(words[0]) in joining:
        words.pop(0)
    while words and fold(words[-1]) in joining:
        words.pop()
    return " ".join(words)
