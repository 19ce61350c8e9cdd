"""Where words are in the pictures of the index: overlays for the page and for programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from clipbio.errors import ClipbioError
from clipbio.serving.parameters import parameter
from clipbio.serving.pictures import row_number, version_of
from clipbio.serving.schemas import Error
from clipbio.serving.service import Service, service_of

__all__ = ["router"]

router = APIRouter(prefix="/pictures", tags=["pictures"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "The overlay."},
    "4XX": {"model": Error, "description": "No words are given, there is no picture, or no model that joins both."},
    503: {"model": Error, "description": "Too many searches wait, or the model is still being loaded."},
}
_WORDS = parameter("q", {"type": "string"}, "What is looked for, such as `ovate leaves`.", example="ovate leaves")


@router.get(
    "/{row}/heat",
    summary="Where words are in a picture",
    responses=_ANSWERS,
    response_class=Response,
    openapi_extra={"parameters": [_WORDS]},
)
async def heat(row: str, request: Request, service: Annotated[Service, Depends(service_of)]) -> Response:
    """Return a PNG to be laid over the picture of a row: the stronger the colour, the better the words fit there.

    It has the shape of the picture, upright, whatever its size; stretch it to that.
    """
    words = " ".join(request.query_params.get("q", "").split())
    if not words:
        raise ClipbioError("q is empty: give the words that are looked for")
    if len(words) > service.limits.query_characters:
        raise ClipbioError(f"q has {len(words):,} characters, {service.limits.query_characters:,} are allowed")
    headers = {"cache-control": "private, no-cache", "etag": version_of(service.index)}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(await service.heat(row_number(row), words), media_type="image/png", headers=headers)
