"""From names and descriptions to the string that a model reads. Knows nothing of images, models and data."""

from clipbio.text.linting import LintReport, LintRow, lint
from clipbio.text.regime import TextRegime
from clipbio.text.rendering import (
    PROSE,
    TEXT_TYPES,
    MissingRanks,
    Named,
    Rendered,
    Unnameable,
    clibd_name,
    clibd_text,
    render,
)
from clipbio.text.template_sets import TEMPLATES, template_id, templates

__all__ = [
    "PROSE",
    "TEMPLATES",
    "TEXT_TYPES",
    "LintReport",
    "LintRow",
    "MissingRanks",
    "Named",
    "Rendered",
    "TextRegime",
    "Unnameable",
    "clibd_name",
    "clibd_text",
    "lint",
    "render",
    "template_id",
    "templates",
]
