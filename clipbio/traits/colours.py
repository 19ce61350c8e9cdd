"""Read the colour that a run of words names: `bright burnt-orange` is a bright orange, `yellowish green` yellow-green.

The last colour word is the colour. One of the hues right before it makes a pair; all other words before it only shade
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipbio.traits.lexicon import Lexicon, Word

__all__ = ["Colour", "read_colour"]

_LONGEST = 10


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour of the palette, or `dark`, `pale`, `bright` without a hue; `num_words` words long, up to `end`."""

    value: str
    shade: str
    end: int
    num_words: int

    @property
    def has_hue(self) -> bool:
        """Tell whether more is told than dark, pale or bright."""
        return self.value not in ("dark", "pale", "bright")


@dataclass(slots=True)
class _Run:
    """What has been read so far: up to word `at`, of which those before `end` make a colour."""

    at: int
    end: int = -1
    shade: str = ""
    value: str = ""
    hue: str = ""


def read_colour(words: Sequence[Word], at: int, lexicon: Lexicon) -> Colour | None:
    """Return the colour that begins at word `at`, or None."""
    run = _Run(at)
    while run.at < min(len(words), at + _LONGEST) and _reads_on(words, run, lexicon):
        pass
    if run.end < 0:
        return None
    shade = run.shade if run.value else ""
    return Colour(run.value or run.shade, shade, words[run.end - 1].end, run.end - at)


def _reads_on(words: Sequence[Word], run: _Run, lexicon: Lexicon) -> bool:
    """Read one more word of the run; tell whether there was one that belongs to it."""
    word, at = words[run.at], run.at
    shade = None if run.value else lexicon.shade(words, at)
    colour = lexicon.colour(words, at)
    if colour is not None and shade is not None and at + 1 < len(words) and lexicon.colour(words, at + 1):
        colour = None  # the blackish of "blackish brown"
    if colour is not None:
        _take(run, colour, lexicon.vocabulary.hue_words.get(word.text, "") if colour[1] == 1 else "")
    elif shade is not None:
        run.shade = run.shade or shade[0]
        run.at = run.end = at + shade[1]
    elif run.value:
        if word.joined and word.text in lexicon.vocabulary.colour_nouns:
            run.end = at + 1
        return False
    elif compared := lexicon.vocabulary.comparatives.get((word.text,)):
        run.shade, run.at = run.shade or compared, at + 1
    elif (
        (word.text == "," and run.shade and _goes_on(words, at + 1, lexicon))
        or word.text in lexicon.vocabulary.tints
        or _is_tied_to_colour(words, at, lexicon)
    ):
        run.at = at + 1
    else:
        return False
    return True


def _goes_on(words: Sequence[Word], at: int, lexicon: Lexicon) -> bool:
    """Tell whether the shade before a comma is that of a hue: `bright, burnt-orange`, `paler, duskier orange`."""
    if at >= len(words):
        return False
    is_next = (words[at].text,) in lexicon.vocabulary.comparatives or lexicon.shade(words, at) is None
    return (is_next and (words[at].text,) in lexicon.vocabulary.comparatives) or _is_tied_to_colour(words, at, lexicon)


def _take(run: _Run, colour: tuple[str, int], hue: str) -> None:
    paired = run.hue and hue and run.hue != hue
    run.value = f"{run.hue}-{hue}" if paired else colour[0]
    run.hue = hue
    run.at = run.end = run.at + colour[1]


def _is_tied_to_colour(words: Sequence[Word], at: int, lexicon: Lexicon) -> bool:
    """Tell whether the word is the burnt of `burnt-orange`."""
    tied = at + 1 < len(words) and words[at + 1].joined and words[at].text[0].isalpha()
    return tied and words[at].text not in ("and", "or") and lexicon.colour(words, at + 1) is not None
