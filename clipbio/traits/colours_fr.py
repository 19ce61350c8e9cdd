"""Read the colour that French words name: `vert foncé` is green and dark, `jaune verdâtre` green-yellow.

The first word is the colour. One of the hues right behind it makes a pair, written as in English with the modifier
first; other words behind it only shade it.
"""

from __future__ import annotations

from collections.abc import Sequence

from clipbio.traits.colours import Colour
from clipbio.traits.lexicon import Lexicon, Word

__all__ = ["read_colour"]


def read_colour(words: Sequence[Word], at: int, lexicon: Lexicon) -> Colour | None:
    """Return the colour that begins at word `at`, or None; a shade alone (`clair`) is one."""
    head = lexicon.colour(words, at)
    if head is None:
        shade = lexicon.shade(words, at)
        return None if shade is None else Colour(shade[0], "", words[at + shade[1] - 1].end, shade[1])
    value, behind = head[0], at + head[1]
    hue = lexicon.vocabulary.hue_words.get(words[at].text, "") if head[1] == 1 else ""
    value, behind = _paired(words, behind, value, hue, lexicon)
    tone = ""
    while behind < len(words):
        shade = lexicon.shade(words, behind)
        if shade is not None:
            tone, behind = tone or shade[0], behind + shade[1]
        elif words[behind].text in lexicon.vocabulary.tints:
            behind += 1
        else:
            break
    return Colour(value, tone, words[behind - 1].end, behind - at)


def _paired(words: Sequence[Word], behind: int, value: str, hue: str, lexicon: Lexicon) -> tuple[str, int]:
    """Read a second colour: the `verdâtre` of `jaune verdâtre`, the `violet` of `bleu-violet`."""
    second = lexicon.colour(words, behind) if behind < len(words) else None
    if second is None or lexicon.shade(words, behind) is not None:  # the noirâtre of `bleu noirâtre` only darkens
        return value, behind
    other = lexicon.vocabulary.hue_words.get(words[behind].text, "") if second[1] == 1 else ""
    pair = f"{other}-{hue}" if hue and other and other != hue else value
    return pair, behind + second[1]
