"""Grounding as a benchmark: on pictures with masks, phrases about a part must be found where the part is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from clipbio.data.masks import masks_of
from clipbio.data.pictures import read_picture
from clipbio.data.specimen import Specimen
from clipbio.data.splits import SplitRows
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.figures import flatten
from clipbio.evaluation.grounding_detail import GroundingDetail, GroundingSheet
from clipbio.grounding.asking import Asked, Question, Sheet
from clipbio.grounding.grounder import DISTRACTORS, SCORINGS, Grounder, opened
from clipbio.grounding.tally import Tally
from clipbio.models.dense import dense_methods
from clipbio.progress import progress_bar
from clipbio.seeding import derive_seed, rng

__all__ = ["ARCHIVAL", "Grounding"]

logger = logging.getLogger(__name__)

ARCHIVAL = ("label", "ruler", "colour card", "tape", "flower card")
"""What masks may name and no phrase is about."""

_METHODS = ("raw", "maskclip", "sclip", "conv", "crop", "saliency")


class Grounding:
    """Find on pictures what phrases are about, and compare with masks.

    Figures under `grounding/SPLIT/METHOD/PART/MEASURE`, by part of the mask (`flower`, or `specimen` where a mask names
    none): `pointing` (the hottest pixel lies in the part), `soft_iou`, `mass` (of the heat inside), `precision` (of the
    pixels by heat), with 95 % intervals over specimens; `chance` is the share of the picture that the part covers.
    `plain/...` asks for the part by its name alone, `wrong_part/...` uses phrases about the other parts, and
    `told_from_wrong_value` is the share of phrases that are hotter inside the part than the same with the value of
    another species (chance one half). `centre` is a bell in the middle, `layout` the mean mask of the part over the
    other specimens, which knows where things lie on sheets of this kind and looks at none.

    Args:
        methods: Ways to look, see `Grounder`; those that the trunk cannot do are left out. `saliency` reads no text.
        scoring: `auto`, `softmax`, `margin`, `cosine`, `contribution` or `contrast`, see `Grounder`.
        temperature: Of the softmax.
        distractors: What is asked beside the phrase and the names of the other parts.
        ignored: Parts of masks that no phrase is about.
        phrases: At most so many phrases about each part, its colour first.
        specimens: At most so many of a split, drawn by seed.
        shown: So many of them are shown in the report.
        image_size: Side of the pixels that are made of a window; None as in `Grounder`.
        tiles: How many times smaller the sides of windows are than the picture.
        levels: Sizes of squares of `crop`.
        splits: The splits to run on; None is all that are evaluated.
        bootstrap: Resamples of the intervals, 0 for none.
        seed: Of all that is drawn.
    """

    def __init__(
        self,
        methods: Sequence[str] = _METHODS,
        *,
        scoring: str = "auto",
        temperature: float = 0.07,
        distractors: Sequence[str] = DISTRACTORS,
        ignored: Sequence[str] = ARCHIVAL,
        phrases: int = 1,
        specimens: int = 200,
        shown: int = 4,
        image_size: int | None = None,
        tiles: int = 1,
        levels: int = 3,
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("grounding", "methods", methods, _METHODS)
        check_choices("grounding", "scoring", [scoring], SCORINGS)
        for name, value in (("phrases", phrases), ("specimens", specimens)):
            if value < 1:
                raise ClipbioError(f"benchmark grounding: {name}={value}; give a whole number from 1 up")
        self.methods = tuple(methods)
        self.settings: dict[str, Any] = {
            "scoring": scoring,
            "temperature": temperature,
            "image_size": image_size,
            "tiles": tiles,
            "levels": levels,
        }
        self.distractors, self.ignored = tuple(distractors), frozenset(ignored)
        self.phrases, self.specimens, self.shown = phrases, specimens, shown
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap, self.seed = bootstrap, seed

    def run_on_pictures(self, split: SplitRows, model: Any) -> Result:
        """Look at the specimens of one split that have a mask.

        Raises:
            ClipbioError: None has one, or the model cannot look.
        """
        grounders = self._grounders(model)
        sheets = self._sheets(split)
        question = Question(sheets, grounders, distractors=self.distractors, seed=self.seed)
        tally = Tally()
        shown: list[GroundingSheet] = []
        with progress_bar() as bar:
            task = bar.add_task(f"grounding {split.name}", total=len(sheets))
            for sheet in sheets:
                bar.advance(task)
                try:
                    picture = opened(_picture(split, sheet))
                except ClipbioError as error:
                    logger.warning("specimen '%s' is left out: %s", sheet.id, error)
                    continue
                asked = question.ask(sheet, picture)
                tally.add(asked)
                if len(shown) < self.shown:
                    shown.append(_shown(asked))
        seed = derive_seed(self.seed, "grounding", split.name)
        metrics = flatten(tally.figures("grounding", split.name, resamples=self.bootstrap, seed=seed))
        return Result(metrics, (GroundingDetail("grounding", split.name, tuple(shown)),))

    def _grounders(self, model: Any) -> dict[str, Grounder]:
        known = {*dense_methods(model.tower("image").trunk), "crop"} if "image" in model.modalities else set()
        known |= {"saliency"} if len(known) > 1 else set()
        chosen = [name for name in self.methods if name in known]
        if not chosen:
            raise ClipbioError(f"grounding: the model can do none of {', '.join(self.methods)}")
        return {name: Grounder(model, method=name, **self.settings) for name in chosen}

    def _sheets(self, split: SplitRows) -> list[Sheet]:
        """Draw specimens that have a mask, with what is asked about each of their parts."""
        order = rng(self.seed, "grounding", split.name).permutation(len(split.rows))
        found: list[Sheet] = []
        for place in order.tolist():
            row = int(split.rows[place])
            sheet = self._sheet(row, split.index.read(row))
            if sheet is not None:
                found.append(sheet)
            if len(found) == self.specimens:
                break
        if not found:
            raise ClipbioError(
                f"grounding: no specimen of split '{split.name}' has a picture, a mask and texts about what it shows: "
                "give a table with a column mask (docs/grounding.md), or data.source.masks=true"
            )
        return found

    def _sheet(self, row: int, specimen: Specimen) -> Sheet | None:
        if specimen.image is None or specimen.mask is None:
            return None
        masks = {name: mask for name, mask in masks_of(specimen).items() if name not in self.ignored and mask.any()}
        sheet = Sheet.of(row, specimen, masks, most=self.phrases)
        return sheet if sheet.parts else None


def _picture(split: SplitRows, sheet: Sheet) -> bytes:
    image = split.index.read(sheet.row).image
    assert image is not None
    return read_picture(image)


def _shown(asked: Asked) -> GroundingSheet:
    return GroundingSheet(asked.sheet.id, np.asarray(asked.picture), asked.rows())
