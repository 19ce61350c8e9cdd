"""What is read: measures with their dimensions, and counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Count", "Dimension", "Measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One length of a measure, in millimetres.

    Args:
        low: the usual smallest; None where only the largest is told (`to 11 cm`).
        high: the usual largest; None where only the smallest is told (`at least 5 cm`).
        minimum: the extreme in brackets before the range.
        maximum: the extreme behind it.
        unit: as stated: `um mm cm dm m in ft yd`.
        role: `length width height thickness diameter wingspan`, or empty where words do not say it; what they leave
            open of `a × b × c` is length, width and thickness.
    """

    low: float | None
    high: float | None
    minimum: float | None = None
    maximum: float | None = None
    unit: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A size in a text.

    Args:
        start: where numbers and units begin, with `up to` and `ca.`, in characters.
        end: where they end.
        phrase: what stands there.
        dimensions: one to three.
        is_approximate: `ca.`, `about`, `±`, `3(?)`.
        sex: `male`, `female` where it stands right beside, as in `3 mm (pistillate)`.
        reach: the span with the words around that belong to it (`long`, `wingspan:`, `(pistillate)`): they say nothing
            else.
    """

    start: int
    end: int
    phrase: str
    dimensions: tuple[Dimension, ...]
    is_approximate: bool = False
    sex: str = ""
    reach: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A number of things in a text; what is counted follows it.

    Args:
        start: where it begins in the text, in characters.
        end: where it ends, behind the word of `of`.
        phrase: what stands there.
        low: the usual smallest; None where only the largest is told (`up to 12`), or no number.
        high: the usual largest; None where only the smallest is told (`5 or more`), or no number.
        minimum: the extreme in brackets before the range.
        maximum: the extreme behind it.
        is_approximate: `ca. 20`, `about 20`.
        of: the word tied to the number by a hyphen, in small letters without accents: `lobed`, `merous`.
        word: `many`, `several` or `few` in place of a number, else empty.
    """

    start: int
    end: int
    phrase: str
    low: int | None = None
    high: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    is_approximate: bool = False
    of: str = ""
    word: str = ""
