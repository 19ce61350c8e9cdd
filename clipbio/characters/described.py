"""All that is told of a picture: predictions, the sentence they make, and the real descriptions that are nearest.

Shape suffixes: N images, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipbio.characters.describer import Array, Describer, Nearest, Prediction
from clipbio.characters.sentence import sentence

__all__ = ["PictureDescriber", "PictureText"]


@dataclass(frozen=True)
class PictureText:
    """What is told of a picture; the surest predictions stand first, those that are too unsure last.

    `caption` is what a captioning model wrote of it, unchecked; empty without one.
    """

    picture: str
    predictions: tuple[Prediction, ...]
    nearest: tuple[Nearest, ...]
    caption: str = ""

    @property
    def sentence(self) -> str:
        """Return what is sure enough as a sentence, empty where nothing is."""
        return sentence(self.predictions)


@dataclass(frozen=True)
class PictureDescriber:
    """A describer, and how many real descriptions it shows beside."""

    describer: Describer
    nearest: int

    def of(self, names: Sequence[str], image_ND: Array, captions: Sequence[str] = ()) -> list[PictureText]:
        """Return what is told of pictures with these names and unit vectors, and captions if there are any."""
        predicted = self.describer.predict(image_ND)
        near = self.describer.nearest(image_ND, self.nearest)
        rows = zip(names, predicted, near, captions or [""] * len(names), strict=True)
        return [PictureText(name, tuple(one), tuple(texts), caption) for name, one, texts, caption in rows]
