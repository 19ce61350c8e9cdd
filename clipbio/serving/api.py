"""Routes of the HTTP interface: search, facets, records and facts, as JSON."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from clipbio.errors import ClipbioError
from clipbio.serving.about import about
from clipbio.serving.answers import plain, search_answer, specimen_answer
from clipbio.serving.errors import RefusalError
from clipbio.serving.parameters import FILTERS, SEARCH, body
from clipbio.serving.question import Question, read
from clipbio.serving.schemas import About, Error, Facets, Found, Health, Specimen, TraitFacets, Vector
from clipbio.serving.service import Service, service_of
from clipbio.serving.uploads import posted, posted_question

__all__ = ["asked", "router"]

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Error, "description": "One sentence tells what is wrong."},
    400: {"model": Error, "description": "A parameter is missing, unknown or no valid value."},
    503: {"model": Error, "description": "Too many searches wait; try again in a moment."},
}
_UPLOAD_ERRORS = _ERRORS | {
    408: {"model": Error, "description": "The body took too long."},
    413: {"model": Error, "description": "The body or the picture is too large."},
    415: {"model": Error, "description": "The body or the picture is of a kind that is not read."},
}
_EXAMPLE = {
    "q": "leaves opposite, -hairy",
    "where": {"family": ["Rosaceae", "Fagaceae"], "year": "1900..1950"},
    "weights": {"text": 1},
    "engine": "fused",
    "show": "species",
}

router = APIRouter()
Served = Annotated[Service, Depends(service_of)]


def asked(request: Request, service: Served) -> Question:
    """Return the search that the parameters of a URL tell."""
    return read(request.query_params.multi_items(), service.limits)


Asked = Annotated[Question, Depends(asked)]


@router.get(
    "/api/search", tags=["search"], response_model=Found, responses=_ERRORS, openapi_extra={"parameters": SEARCH}
)
async def search(question: Asked, service: Served) -> JSONResponse:
    """Return a page of specimens, species or descriptions, the best first."""
    return JSONResponse(search_answer(question, await service.search(question)))


@router.post(
    "/api/search",
    tags=["search"],
    response_model=Found,
    responses=_UPLOAD_ERRORS,
    openapi_extra={
        "requestBody": body(_EXAMPLE, names=tuple(one["name"] for one in SEARCH if one["name"] != "filters"))
    },
)
async def search_by_picture(request: Request, service: Served) -> JSONResponse:
    """Search as `GET` does, with a picture in a form, or with JSON; the picture is not kept."""
    question = await posted_question(request, service)
    return JSONResponse(search_answer(question, await service.search(question)))


@router.post(
    "/api/vector",
    tags=["search"],
    response_model=Vector,
    responses=_UPLOAD_ERRORS,
    openapi_extra={"requestBody": body({"dna": "AACTTTATATTTTATTTTTGG"}, names=("dna",))},
)
async def vector(request: Request, service: Served) -> JSONResponse:
    """Return a picture, or a barcode, as the value of the parameter `vector`: links with it last."""
    async with posted(request) as found:
        given = dict(found.pairs)
        dna = given.get("dna", "").strip()
        if given.keys() - {"dna"} or bool(dna) == (found.image is not None):
            raise ClipbioError("give one of a file 'image' and a barcode 'dna', and nothing else")
        packed = await (service.barcode_vector(dna) if found.image is None else service.picture_vector(found.image))
    return JSONResponse({"vector": packed, "link": Question(vector=packed).link()})


@router.get(
    "/api/similar", tags=["search"], response_model=Found, responses=_ERRORS, openapi_extra={"parameters": SEARCH}
)
async def similar(question: Asked, service: Served) -> JSONResponse:
    """Return what is like a `specimen`; a search that must name one."""
    if not question.specimen:
        raise ClipbioError("give the id of a specimen: specimen=ID")
    return JSONResponse(search_answer(question, await service.search(question)))


@router.get(
    "/api/facets", tags=["records"], response_model=Facets, responses=_ERRORS, openapi_extra={"parameters": FILTERS}
)
async def facets(question: Asked, service: Served) -> JSONResponse:
    """Return the columns that may be filtered by, with values and counts under the filters given.

    The counts of a column leave its own filter out: they say what choosing another value would bring.
    """
    return JSONResponse({"facets": plain(await service.facets(question))})


@router.get(
    "/api/traits",
    tags=["records"],
    response_model=TraitFacets,
    responses=_ERRORS,
    openapi_extra={"parameters": FILTERS},
)
async def traits(question: Asked, service: Served) -> JSONResponse:
    """Return the characters that descriptions tell, with counts of their states under the filters given.

    Filter by them with `f.trait=leaf shape=ovate`; a character leaves its own filter out of its counts.
    """
    return JSONResponse({"traits": plain(await service.trait_facets(question))})


@router.get(
    "/api/specimens/{id:path}",
    tags=["records"],
    response_model=Specimen,
    responses=_ERRORS | {404: {"model": Error, "description": "There is no such specimen."}},
)
async def specimen(id: str, service: Served) -> JSONResponse:
    """Return the record of a specimen with all descriptions; slashes of an id may stand as they are or as %2F."""
    if len(id) > service.limits.query_characters:
        raise RefusalError(404, "there is no specimen with so long an id")
    hit = await service.specimen(id)
    descriptions = await service.run(partial(service.index.descriptions_of, hit.row))
    return JSONResponse(specimen_answer(hit, descriptions))


@router.get("/api/index", tags=["about"], response_model=About)
def index(service: Served) -> JSONResponse:
    """Return which index and model answer: names, hashes, counts, limits."""
    return JSONResponse(about(service))


@router.get("/health", tags=["about"], response_model=Health)
def health() -> JSONResponse:
    """Tell that the server answers."""
    return JSONResponse({"status": "ok"})
