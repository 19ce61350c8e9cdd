"""The parameters of a search as the page of the HTTP interface shows them; `question.read` is what reads them."""

from __future__ import annotations

from typing import Any, get_args

from clipbio.search.query import Engine, Show
from clipbio.serving.limits import Limits
from clipbio.serving.question import Key

__all__ = ["FILTERS", "SEARCH", "body", "parameter"]

_TEXT: dict[str, Any] = {"type": "string"}
_WEIGHT: dict[str, Any] = {"type": "number", "minimum": 0.001, "maximum": 1000, "default": 1}


def parameter(
    name: str, schema: dict[str, Any], description: str, *, example: Any = None, nothing: Any = ""
) -> dict[str, Any]:
    """Return a parameter of a URL as OpenAPI describes it.

    Args:
        name: Of the parameter.
        schema: Of its values.
        description: What it means.
        example: A value; a page that fills its form with examples begins with `nothing`, so that it asks one thing.
        nothing: The value that stands for none.
    """
    found = {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
    if example is None:
        return found
    return {**found, "examples": {"nothing": {"value": nothing}, "an example": {"value": example}}}


def _choice(values: tuple[str, ...], default: str | None = None) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)} | ({} if default is None else {"default": default})


_QUESTION = [
    {
        **parameter("q", _TEXT, 'Words. `-word`, `-"two words"`, `not ...` leave out; "quoted words" must be there.'),
        "example": "leaves opposite, serrate margin, -hairy",
    },
    parameter("dna", _TEXT, "A barcode: its letters.", example="AACTTTATATTTTATTTTTGGAATTTGATCAGGAATAGTTGGAACTTC"),
    parameter("specimen", _TEXT, "The id of a specimen of the index: what is like it.", example="specimen-17"),
    parameter("vector", _TEXT, "A picture or barcode as `POST /api/vector` returns it.", example="_zk9PQCr..."),
    *(
        parameter(f"weight_{kind}", _WEIGHT, f"The share of `{name}` where several are given, such as 0.5.")
        for kind, name in (("text", "q"), ("dna", "dna"), ("specimen", "specimen"), ("vector", "vector"))
    ),
]

FILTERS = [
    {
        **parameter(
            "filters",
            {"type": "object", "additionalProperties": {"type": "string"}},
            "`f.COLUMN=VALUE`: only rows whose column has the value, in any letter case. Columns are the seven ranks "
            "(`species` is the binomial), `name`, `id`, `label`, `licence`, `source`, `split` and metadata. "
            "Repeated for one column: any of the values. Numbers may be a range: `1900..1950`, `..1950`, `1900..`. "
            "`f.trait=leaf shape=ovate` asks for what descriptions tell (`/api/traits`), measures as "
            "`f.trait=leaf length=20..30` in mm; of several characters all must hold.",
            example={"f.family": "Rosaceae"},
            nothing={},
        ),
        "style": "form",
        "explode": True,
    }
]
"""Any column of the index may be one, so they cannot be listed."""

SEARCH = [
    *_QUESTION,
    *FILTERS,
    parameter("engine", _choice(get_args(Engine), "fused"), "Which lists are ranked: all, those of words, of vectors."),
    parameter("show", _choice(get_args(Show), "specimens"), "What the hits are."),
    parameter("key", _choice(get_args(Key)), "Which vectors a picture, barcode or specimen is compared with."),
    parameter("page", {"type": "integer", "minimum": 1, "default": 1}, "Which page of hits."),
    parameter(
        "size", {"type": "integer", "minimum": 1, "maximum": Limits().page_size, "default": 20}, "Hits on a page."
    ),
]


def body(json_example: dict[str, Any], *, names: tuple[str, ...]) -> dict[str, Any]:
    """Return a body as OpenAPI describes it: JSON, or a form with a file `image`.

    Args:
        json_example: What JSON may look like.
        names: Parameters that the form may have beside the picture.
    """
    fields = {one["name"]: {**one["schema"], "description": one["description"]} for one in SEARCH}
    image = {"type": "string", "format": "binary", "description": "A JPEG, PNG, WebP, TIFF, BMP or GIF."}
    form = {"type": "object", "properties": {"image": image, **{name: fields[name] for name in names}}}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "application/json": {"schema": {"type": "object"}, "example": json_example},
        },
    }
