"""Predictions as a sentence of a flora: `Leaves ovate (.83), alternate (.71); flowers red (.95).`"""

from __future__ import annotations

from collections.abc import Iterable

from clipbio.characters.describer import Prediction
from clipbio.traits.nouns import split_character, subject
from clipbio.traits.wording import wording

__all__ = ["sentence"]


def sentence(predictions: Iterable[Prediction]) -> str:
    """Return what is told of an image, organ by organ, with how sure it is; empty where nothing is.

    Organs stand in the order of their surest character, the whole organism as it is without a name.
    """
    organs: dict[str, list[str]] = {}
    for one in predictions:
        if one.answered:
            organ, part, property_ = split_character(one.character)
            words = wording(organ, part, property_, one.state).behind[0]
            organs.setdefault(organ, []).append(f"{words} ({_share(one.confidence)})")
    if not organs:
        return ""
    told = "; ".join(f"{subject(organ)} {', '.join(words)}".strip() for organ, words in organs.items())
    return f"{told[0].upper()}{told[1:]}."


def _share(value: float) -> str:
    """Return a share without its leading zero, never as a certainty."""
    return f"{min(value, 0.99):.2f}".lstrip("0")
