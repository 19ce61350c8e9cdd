"""A list of results as a file: all its hits up to a bound, as CSV or JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from clipbio.errors import ClipbioError, nearest
from clipbio.search.export import csv_text, records
from clipbio.search.results import Results
from clipbio.serving.answers import plain
from clipbio.serving.parameters import SEARCH, parameter
from clipbio.serving.question import Question, read
from clipbio.serving.schemas import Error
from clipbio.serving.service import Service, service_of

__all__ = ["router"]

Format = Literal["csv", "json"]
_MEDIA: dict[Format, str] = {"csv": "text/csv", "json": "application/json"}
_PARAMETERS = [
    parameter("format", {"type": "string", "enum": list(get_args(Format)), "default": "csv"}, "What is written."),
    *(one for one in SEARCH if one["name"] not in ("page", "size")),
]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}, "application/json": {}}, "description": "The file."},
    "4XX": {"model": Error, "description": "A parameter is missing, unknown or no valid value."},
}

router = APIRouter()


@router.get(
    "/api/export",
    tags=["search"],
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra={"parameters": _PARAMETERS},
)
async def export(request: Request, service: Annotated[Service, Depends(service_of)]) -> Response:
    """Return all hits of a search, 10,000 at most, as one file: flat records as CSV, or hits as JSON.

    It takes the parameters of a search; those that choose a page have no effect.
    """
    pairs = request.query_params.multi_items()
    kind = _format([value for name, value in pairs if name == "format"])
    question = read([pair for pair in pairs if pair[0] != "format"], service.limits)
    results = await service.search(replace(question, page=1, size=service.limits.hits))
    text = await to_thread.run_sync(_csv if kind == "csv" else _json, results, question)
    headers = {"content-disposition": f'attachment; filename="results.{kind}"'}
    return Response(text, media_type=_MEDIA[kind], headers=headers)


def _format(given: list[str]) -> Format:
    value = next((one for one in given if one), "csv")
    for kind in get_args(Format):
        if value == kind:
            return kind  # type: ignore[no-any-return]
    raise ClipbioError(f"format={value[:40]}: there is no such format{nearest(value[:40], _MEDIA)}")


def _csv(results: Results, question: Question) -> str:
    return csv_text(records(results))


def _json(results: Results, question: Question) -> str:
    found = {"link": question.link(page=1, size=Question.size), **plain(results)}
    return json.dumps(found, ensure_ascii=False, indent=1)
