"""The phrases of a description on a picture: a span of the text, and where on the picture it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from clipbio.grounding.grounder import DISTRACTORS, Grounder
from clipbio.grounding.heat import Heat
from clipbio.traits import Group, caption, extract

__all__ = ["Linked", "Span", "ground_description", "spans_of"]


@dataclass(frozen=True, slots=True)
class Span:
    """Words of a text that say one thing: `text[start:end]`, and what a model is asked for them."""

    start: int
    end: int
    phrase: str
    query: str
    character: str


@dataclass(frozen=True)
class Linked:
    """Spans of a description and the map of each, in the same order; None where the text says nothing of organs."""

    spans: tuple[Span, ...]
    heat: Heat | None


def spans_of(text: str, *, group: Group | None = None, language: str = "en", most: int = 24) -> tuple[Span, ...]:
    """Return what a description says of organs, in its order; what it denies or says twice is left out.

    Args:
        text: The description.
        group: What it is about; None is told by its words.
        language: Of the text.
        most: How many spans at most.
    """
    found: dict[str, Span] = {}
    for trait in extract(text, group=group, language=language):
        query = caption(trait)
        if not trait.negated and trait.organ and query not in found:
            found[query] = Span(trait.start, trait.end, trait.phrase, query, trait.character)
    return tuple(sorted(found.values(), key=lambda one: one.start))[:most]


def ground_description(
    grounder: Grounder,
    image: bytes | Image.Image,
    text: str,
    *,
    distractors: Sequence[str] = DISTRACTORS,
    group: Group | None = None,
    language: str = "en",
) -> Linked:
    """Return where on a picture the phrases of a description are.

    Args:
        grounder: Looks.
        image: An encoded picture, or one in RGB.
        text: The description.
        distractors: What else there may be.
        group: What the description is about; None is told by its words.
        language: Of the text.

    Raises:
        ClipbioError: The picture cannot be read.
    """
    spans = spans_of(text, group=group, language=language)
    if not spans:
        return Linked((), None)
    return Linked(spans, grounder.heat(image, [span.query for span in spans], distractors=distractors))
