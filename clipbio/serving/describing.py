"""Routes about characters: what pictures show, and the evidence of the sheets of a species for its descriptions."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from clipbio.errors import ClipbioError
from clipbio.serving.answers import plain
from clipbio.serving.characters import evidence_answer
from clipbio.serving.parameters import parameter
from clipbio.serving.question import Question, read
from clipbio.serving.schemas import Error, PictureCharacters, Verdicts
from clipbio.serving.service import Service, service_of

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["characters"])
Served = Annotated[Service, Depends(service_of)]

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Error, "description": "What is asked is not there, or the server has no describer."}
}
_SPECIMEN = parameter("specimen", {"type": "string"}, "The id of a specimen of the index.", example="specimen-17")
_VECTOR = parameter("vector", {"type": "string"}, "A picture as `POST /api/vector` returns it.", example="_zk9PQCr...")


@router.get(
    "/describe", response_model=PictureCharacters, responses=_ERRORS, openapi_extra={"parameters": [_SPECIMEN, _VECTOR]}
)
async def describe(request: Request, service: Served) -> JSONResponse:
    """Return the characters that a picture shows, the surest first, and the descriptions that are nearest to it."""
    question = _read(request, service, "specimen", "vector")
    shown = await service.shown(question)
    found = {name: plain(getattr(shown, name)) for name in ("sentence", "descriptions")}
    return JSONResponse({"characters": plain(shown.predictions), **found})


@router.get("/evidence", response_model=Verdicts, responses=_ERRORS, openapi_extra={"parameters": [_SPECIMEN]})
async def evidence(request: Request, service: Served) -> JSONResponse:
    """Return what the sheets of the species of a specimen say for or against each trait of its descriptions."""
    question = _read(request, service, "specimen")
    hit = await service.specimen(question.specimen)
    texts = await service.run(partial(service.index.descriptions_of, hit.row))
    traits = [trait for text in texts for trait in text["traits"]]
    return JSONResponse(evidence_answer(await service.run(partial(service.characters.judged, hit.row, traits))))


def _read(request: Request, service: Service, *names: str) -> Question:
    """Return what one of some parameters says; the others are not there."""
    pairs = request.query_params.multi_items()
    question = read(pairs, service.limits)
    if len(pairs) != 1 or pairs[0][0] not in names or not pairs[0][1].strip():
        raise ClipbioError(f"give {' or '.join(f'{name}=' for name in names)}, and nothing else")
    return question
