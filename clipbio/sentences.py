"""Split descriptions into sentences or clauses, in the telegraphic English of floras and field guides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

__all__ = ["clause_spans", "sentence_spans", "split_clauses", "split_sentences"]

# Never the end of a sentence, because something must follow.
_LEADING_WORDS = """
    c ca cf aff nr approx sp spp subsp ssp var subvar fo f sect subg subgen ser auct syn e.g i.e viz vs al incl excl
    esp usu oft occ min max no nos fig figs pl pls tab vol p pp ed eds dr mr mrs ms prof st ste mt lvs lf fls fl frs fr
"""
# The end of a sentence only when a capitalised word follows: "to 40 cm. tall" but "to 40 cm. Leaves opposite".
_EITHER_WORDS = """
    mm cm dm m km µm μm um nm in ins ft yd oz lb lbs g kg mg ml l sec hr hrs yr yrs diam alt elev lat infl etc jr sr
    jan feb mar apr jun jul aug sep sept oct nov dec
"""
_LEADING = frozenset(_LEADING_WORDS.split())
_EITHER = frozenset(_EITHER_WORDS.split())
_END = re.compile(r"""[.!?…]+["'”’»)\]]*(?=\s)|[。！？]+|;(?=\s)""")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")
_ENUMERATOR = re.compile(r"\(?(?:\d{1,2}|[A-Za-z])")
_OPENERS = "\"'“‘«([-–—•"
_SIGNS = "♂♀×•"
_MIN_WORDS = 3


def split_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of `text` in order, each with its full stop.

    Full stops of abbreviations, initials, decimals and within brackets do not end a sentence. A piece of one or two
    words ("Large.", "(89-102 mm).") joins its neighbour: alone it would be the same caption for many species.
    """
    return _split(text, clauses=False)


def split_clauses(text: str) -> tuple[str, ...]:
    """Return the sentences of `text`, cut at semicolons too, as floras separate organ from organ."""
    return _split(text, clauses=True)


def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return where in `text` each of its sentences begins and ends, white space round it left out.

    `text[start:end]` is a sentence of `split_sentences` but for the white space in it.
    """
    return _spans(text, split_sentences(text))


def clause_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return where in `text` each of its clauses begins and ends, as `sentence_spans` does for sentences.

    A clause of one or two words stands by itself, other than in `split_clauses`.
    """
    return _spans(text, _cut(" ".join(text.split()), clauses=True))


def _spans(text: str, pieces: Sequence[str]) -> tuple[tuple[int, int], ...]:
    spans, at = [], 0
    for piece in pieces:
        start = at + len(text[at:]) - len(text[at:].lstrip())
        at = start + len(piece) if text.startswith(piece, start) else _end_of(piece, text, start)
        spans.append((start, at))
    return tuple(spans)


def _end_of(piece: str, text: str, start: int) -> int:
    """Return where `piece` ends in `text`: behind as many letters as it has."""
    letters = sum(not character.isspace() for character in piece)
    places = (place for place in range(start, len(text)) if not text[place].isspace())
    return next(islice(places, letters - 1, None)) + 1


@lru_cache(maxsize=16384)
def _split(text: str, *, clauses: bool) -> tuple[str, ...]:
    return tuple(_merge_short(_cut(" ".join(text.split()), clauses=clauses)))


def _cut(flat: str, *, clauses: bool) -> list[str]:
    pieces, start = [], 0
    is_lower = flat == flat.lower()
    for end in _END.finditer(flat):
        piece = flat[start : end.end()].strip()
        following = flat[end.end() :].lstrip()
        if not following or _in_brackets(piece, following):
            continue
        if clauses if end.group() == ";" else _ends_sentence(piece, end.group(), following, is_lower):
            pieces.append(piece)
            start = end.end()
    rest = flat[start:].strip()
    return [*pieces, rest] if rest else pieces


def _in_brackets(piece: str, following: str) -> bool:
    return any(piece.count(left) > piece.count(right) and right in following for left, right in ("()", "[]"))


def _ends_sentence(piece: str, mark: str, following: str, is_lower: bool) -> bool:
    """Tell whether `mark` at the end of `piece` ends a sentence, given what follows."""
    if mark[0] in "。！？":
        return True
    first = following.lstrip(_OPENERS)[:1]
    # In a text without any capital letter a small one may begin a sentence.
    begins = first in _SIGNS or (first.isalnum() and (is_lower or not first.islower()))
    if not begins or mark[0] != ".":
        return begins
    before = piece[: -len(mark)]
    word = before.rsplit(None, 1)[-1].lstrip(_OPENERS) if before else ""
    if (word.casefold() if len(word) > 1 else word) in _EITHER:
        return first.isupper()
    if len(mark) > 1:
        return True
    is_number_before_number = word[-1:].isdigit() and first.isdigit()
    is_initial = len(word) == 1 and word.isalpha()
    is_abbreviation = word.casefold() in _LEADING or _DOTTED.fullmatch(word) is not None
    return not (is_number_before_number or is_initial or is_abbreviation or _ENUMERATOR.fullmatch(before))


def _merge_short(pieces: list[str]) -> list[str]:
    """Join short pieces to the next one, the last of them to the one before."""
    merged: list[str] = []
    for piece in pieces:
        if merged and _is_short(merged[-1]):
            merged[-1] = f"{merged[-1]} {piece}"
        else:
            merged.append(piece)
    if len(merged) > 1 and _is_short(merged[-1]):
        merged[-2:] = [f"{merged[-2]} {merged[-1]}"]
    return merged


def _is_short(piece: str) -> bool:
    # Numbers do not count: a measure alone says nothing that a picture shows. Scripts without spaces are left alone.
    return piece.isascii() and sum(any(c.isalpha() for c in word) for word in piece.split()) < _MIN_WORDS
