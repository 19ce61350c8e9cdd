"""Cut a text into numbers, the words that mean something beside a number, and all else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from clipbio.traits.measures.grammar import WORD, Grammar, Phrase, folded

__all__ = ["END", "Token", "tokenize"]

_VULGAR = dict(
    zip(
        "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞",
        (1 / 2, 1 / 3, 2 / 3, 1 / 4, 3 / 4, 0.2, 0.4, 0.6, 0.8, 1 / 6, 5 / 6, 0.125, 0.375, 0.625, 0.875),
    )
)
_SLASHED = re.compile(r"(?:(\d+)[ -])?(\d+)[/⁄](\d+)")
_DENOMINATORS = {2, 3, 4, 5, 6, 8, 10, 12, 16, 32, 64}
_LONGEST = 9
_NARROW = "\u00a0\u2009\u202f"
_SIGNS = {
    **dict.fromkeys(("-", "--", "–", "—", "−", "‒", "‐", "‑"), "dash"),
    **dict.fromkeys(("×", "✕", "x", "X", "*"), "times"),
    **dict.fromkeys("([", "open"),
    **dict.fromkeys(")]", "close"),
    **dict.fromkeys(('"', "″", "”", "''", "’’"), "inches"),
    **dict.fromkeys(("'", "′", "’"), "feet"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text.

    Args:
        kind: `number`, `fraction`, `code` (digits that are no number), `word` (a number in letters), a kind of the
            grammar (`unit`, `after` ...), a sign (`dash`, `times`, `open` ...), `text` or `sign`.
        name: the canonical name of what the kind leaves open: `mm`, `length`; for other words and signs themselves.
        value: of a number.
        start: where it begins in the text.
        end: where it ends.
        is_tight: nothing stands between it and the token before.
    """

    kind: str
    name: str
    value: float
    start: int
    end: int
    is_tight: bool


END = Token("end", "", 0.0, -1, -1, False)
"""What stands before the first token and behind the last."""


@cache
def _lexer(comma: bool) -> re.Pattern[str]:
    blank = f"[ {_NARROW}]" if comma else f"[{_NARROW}]"
    decimals = r"\d+[.,]\d+" if comma else r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+\.\d+|\d+,\d{1,2}(?![\d,])"
    vulgar = "".join(_VULGAR)
    number = (
        rf"(?:\d+[ -]?)?[{vulgar}]|(?:\d+[ -])?\d+[/⁄]\d+|\d{{1,3}}(?:{blank}\d{{3}})+(?![\d.,]\d)|{decimals}"
        r"|(?<![\w.,])[.,]\d+|\d+"
    )
    times = r"(?<![^\W\d_])[xX](?=[\s\d(\[.])"
    return re.compile(rf"(?P<number>{number})|(?P<times>{times})|(?P<word>{WORD})|(?P<sign>--|''|’’|\S)")


def tokenize(text: str, language: Grammar) -> list[Token]:
    """Return the tokens of `text` in order; blanks fall away."""
    pieces: list[Token] = []
    for match in _lexer(language.comma).finditer(text):
        start, end = match.span()
        tight = bool(pieces) and pieces[-1].end == start
        pieces.append(_piece(match.lastgroup or "", match.group(), start, end, tight, comma=language.comma))
    return _without_codes(_with_phrases(pieces, language))


def _piece(group: str, written: str, start: int, end: int, tight: bool, *, comma: bool) -> Token:
    if group == "number":
        kind, value = _value(written, comma=comma)
        return Token(kind, written, value, start, end, tight)
    sign = _SIGNS.get(written) if group != "word" else None
    if sign in ("inches", "feet"):
        return Token(sign, written, 0.0, start, end, tight)
    return Token(sign or ("text" if group == "word" else "sign"), folded(written), 0.0, start, end, tight)


def _value(written: str, *, comma: bool) -> tuple[str, float]:
    """Return what kind of number is written, and its value."""
    if len(written) > _LONGEST + 3:
        return "code", 0.0
    if written[-1] in _VULGAR:
        return "fraction", float(written[:-1].strip(" -") or 0) + _VULGAR[written[-1]]
    slashed = _SLASHED.fullmatch(written)
    if slashed:
        whole, above, below = (int(digits or 0) for digits in slashed.groups())
        is_fraction = below in _DENOMINATORS and above < below
        return ("fraction", whole + above / below) if is_fraction else ("code", 0.0)
    digits = re.sub(rf"[ {_NARROW}]", "", written)
    if not comma and re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    return "number", float(digits.replace(",", "."))


def _with_phrases(pieces: list[Token], language: Grammar) -> list[Token]:
    """Join the words of each phrase of the grammar to one token."""
    joined: list[Token] = []
    index = 0
    while index < len(pieces):
        piece = pieces[index]
        phrase, after = _phrase_at(pieces, index, language) if piece.kind in ("text", "sign") else (None, index + 1)
        if phrase is not None:
            end = pieces[after - 1].end
            name = phrase.name or piece.name
            piece = Token(phrase.kind, name, phrase.value, piece.start, end, piece.is_tight)
        joined.append(piece)
        index = after
    return joined


def _phrase_at(pieces: list[Token], index: int, language: Grammar) -> tuple[Phrase | None, int]:
    for phrase in language.phrases.get(pieces[index].name, ()):
        after = index
        for word in phrase.words:
            name = pieces[after].name if after < len(pieces) else ""
            if name == word:
                after += 1
            elif word != ".":  # the full stop of an abbreviation may be missing
                break
        else:
            return phrase, after
    return None, index + 1


def _without_codes(tokens: list[Token]) -> list[Token]:
    """Mark numbers that letters or further digits follow at once (`2n`, `12B`, `1.5.2000`) as codes."""
    marked = list(tokens)
    for index in range(1, len(tokens)):
        before, token = tokens[index - 1], tokens[index]
        if before.kind not in ("number", "fraction") or not token.is_tight:
            continue
        if token.kind in ("number", "fraction", "code") or (token.kind != "unit" and token.name[:1].isalpha()):
            if token.kind == "times":
                continue
            marked[index - 1] = Token("code", *_rest(before))
            if token.kind in ("number", "fraction"):
                marked[index] = Token("code", *_rest(token))
    return marked


def _rest(token: Token) -> tuple[str, float, int, int, bool]:
    return token.name, token.value, token.start, token.end, token.is_tight
