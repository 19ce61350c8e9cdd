"""Where on a picture words are: heat maps of phrases, and how well they meet what is known of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipbio.lazy import lazily

if TYPE_CHECKING:
    from clipbio.grounding.drawing import overlay
    from clipbio.grounding.grounder import DISTRACTORS, Grounder
    from clipbio.grounding.heat import Box, Heat, Peak
    from clipbio.grounding.spans import Linked, Span, ground_description, spans_of

__all__ = [
    "DISTRACTORS",
    "Box",
    "Grounder",
    "Heat",
    "Linked",
    "Peak",
    "Span",
    "ground_description",
    "overlay",
    "spans_of",
]

_LAZY = {
    "DISTRACTORS": "grounder",
    "Grounder": "grounder",
    "Box": "heat",
    "Heat": "heat",
    "Peak": "heat",
    "overlay": "drawing",
    "Linked": "spans",
    "Span": "spans",
    "ground_description": "spans",
    "spans_of": "spans",
}

__getattr__ = lazily(__name__, _LAZY)
