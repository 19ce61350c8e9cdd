"""What a specimen is called this time: a weighted mixture of text types, drawn from explicit seeds."""

from __future__ import annotations

import logging
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Literal, TypeVar, get_args

from clipbio.errors import ClipbioError, nearest
from clipbio.seeding import derive_seed
from clipbio.sentences import split_clauses, split_sentences
from clipbio.text.rendering import PROSE, MissingRanks, Named, Rendered, Unnameable, check_type, render
from clipbio.text.template_sets import template_id, templates
from clipbio.text.told import told_texts, told_traits
from clipbio.traits import Trait, prose

__all__ = ["TextRegime"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
DrawPer = Literal["sample", "batch"]
Unit = Literal["whole", "sentence", "clause"]


class TextRegime:
    """Draw one caption for a specimen, as a pure function of seeds.

    A drawn type that the specimen lacks is replaced along `FALLBACKS`, so the shares of the other types stay as set and
    every specimen takes part; `Rendered.type` tells what was used. Of a view of one organ, such as a crop,
    descriptions and traits tell what is about that organ alone.

    Args:
        weights: share of each text type, in any scale; a type of weight 0 is left out.
        draw: draw the type for each `sample`, or once for the whole global `batch` as BioCLIP's code does.
        template: name of a template set, one template, or a list; of several, one is drawn for each sample.
        missing_ranks: what a lineage with a missing rank is called, see `render`.
        unit: what a description is cut into before some of it is drawn: `whole`, `sentence` or `clause`.
        min_units: fewest units drawn, of one description drawn among those of the specimen.
        max_units: most units drawn; they keep their order. A description of at most `min_units` is used whole.
        min_traits: fewest traits drawn for a caption of type `traits`, of those of all descriptions together.
        max_traits: most of them; they keep their order, and of the wordings of each one is drawn.
        name_probability: share of descriptions and traits that begin with the name: `Danaus plexippus: FW long.`
        name_type: the text type of that name.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        draw: DrawPer = "sample",
        template: str | Sequence[str] = "photo",
        missing_ranks: MissingRanks = "skip",
        unit: Unit = "whole",
        min_units: int = 1,
        max_units: int = 3,
        min_traits: int = 2,
        max_traits: int = 5,
        name_probability: float = 0.0,
        name_type: str = "scientific",
    ) -> None:
        self.weights = _normalised(weights)
        self.types = tuple(self.weights)
        self.draw_per = _one_of("draw", draw, DrawPer)
        self.template_id = template_id(template)
        self.templates = templates(template)
        self.missing_ranks: MissingRanks = _one_of("missing_ranks", missing_ranks, MissingRanks)
        self.unit = _one_of("unit", unit, Unit)
        self.min_units, self.max_units = _range("units", min_units, max_units)
        self.min_traits, self.max_traits = _range("traits", min_traits, max_traits)
        if not 0 <= name_probability <= 1:
            raise ClipbioError(f"text: name_probability must lie in 0..1, got {name_probability}")
        if check_type(name_type) in PROSE:
            raise ClipbioError(
                f"text: name_type must be a kind of name, got '{name_type}'; use 'scientific' or 'common'"
            )
        self.name_probability, self.name_type = name_probability, name_type
        self._bounds = [*accumulate(self.weights.values())][:-1]
        if name_probability > 0 and not PROSE & set(self.types):
            logger.warning("text: name_probability has no effect, 'description' is not among %s", list(self.types))

    def draw(self, named: Named, *, sample_seed: int, batch_seed: int) -> Rendered:
        """Return the caption of `named` for this sample of this batch.

        Raises:
            Unnameable: nothing names it.
        """
        seed = derive_seed(batch_seed if self.draw_per == "batch" else sample_seed, "text_type")
        text_type = self.types[bisect_right(self._bounds, seed / 2**63)]
        return self.draw_as(named, text_type, sample_seed=sample_seed)

    def draw_as(self, named: Named, text_type: str, *, sample_seed: int) -> Rendered:
        """Return the caption of `named` as `text_type`, template and part of the description drawn."""
        if text_type in PROSE:
            random = Random(derive_seed(sample_seed, "text"))
            if text_type == "traits" and (traits := told_traits(named)):
                return Rendered(self._with_name(named, self._told(traits, random), random), "traits")
            if texts := told_texts(named):
                return Rendered(self._describe(named, texts, random), "description")
        template = self.templates[derive_seed(sample_seed, "template") % len(self.templates)]
        return render(named, text_type, template=template, missing_ranks=self.missing_ranks)

    def describe(self) -> str:
        """Return one line that tells a reader of a log what the captions are."""
        shares = ", ".join(f"{name} {100 * share:.3g} %" for name, share in self.weights.items())
        line = f"{shares}; drawn per {self.draw_per}; template {self.template_id}; missing ranks: {self.missing_ranks}"
        if "description" in self.weights:
            part = "whole" if self.unit == "whole" else f"{self.min_units} to {self.max_units} {self.unit}s"
            line += f"; descriptions: {part}, with the {self.name_type} name in {100 * self.name_probability:.3g} %"
        if "traits" in self.weights:
            line += f"; traits: {self.min_traits} to {self.max_traits}"
        return line

    def __repr__(self) -> str:
        return f"TextRegime({self.describe()})"

    def _describe(self, named: Named, texts: tuple[str, ...], random: Random) -> str:
        return self._with_name(named, self._part(texts[0] if len(texts) == 1 else random.choice(texts), random), random)

    def _with_name(self, named: Named, body: str, random: Random) -> str:
        if random.random() >= self.name_probability:
            return body
        try:
            name = render(named, self.name_type, template="{}", missing_ranks=self.missing_ranks).text
        except Unnameable:
            return body
        # Some descriptions open with the name already.
        return body if body.casefold().startswith(name.casefold()) else f"{name}: {body}"

    def _told(self, traits: tuple[Trait, ...], random: Random) -> str:
        count = min(random.randint(self.min_traits, self.max_traits), len(traits))
        drawn = [traits[place] for place in sorted(random.sample(range(len(traits)), count))]
        return prose(drawn, random.choice)

    def _part(self, text: str, random: Random) -> str:
        if self.unit == "whole":
            return text
        pieces = split_clauses(text) if self.unit == "clause" else split_sentences(text)
        count = random.randint(self.min_units, self.max_units)
        if count >= len(pieces):
            return text
        drawn = " ".join(pieces[i] for i in sorted(random.sample(range(len(pieces)), count)))
        return f"{drawn[:-1]}." if drawn.endswith(";") else drawn


def _range(name: str, low: int, high: int) -> tuple[int, int]:
    if not 1 <= low <= high:
        raise ClipbioError(f"text: need 1 <= min_{name} <= max_{name}, got {low} and {high}")
    return low, high


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the positive weights scaled to a sum of 1, in the order given."""
    if not isinstance(weights, Mapping):
        raise ClipbioError(f"text: weights must give each text type a number, such as {{common: 1}}, got {weights!r}")
    for text_type, weight in weights.items():
        is_number = isinstance(weight, int | float) and math.isfinite(weight)
        if not is_number or weight < 0:
            raise ClipbioError(f"text: the weight of '{check_type(text_type)}' must be a number >= 0, got {weight!r}")
    total = sum(weights.values())
    if total == 0:
        raise ClipbioError("text: no text type has a weight above 0; set one, such as text.weights.common=1")
    return {check_type(text_type): weight / total for text_type, weight in weights.items() if weight > 0}


def _one_of(name: str, value: T, literal: object) -> T:
    valid = get_args(literal)
    if value not in valid:
        raise ClipbioError(f"text: unknown {name} '{value}'{nearest(str(value), valid)}")
    return value
