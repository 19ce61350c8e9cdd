"""Pictures of the index: thumbnails, and originals in a size and format that browsers show."""

from __future__ import annotations

import logging
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from PIL import Image

from clipbio.data.images import BadImageError, decode, eight_bits, encode, inspect
from clipbio.search.index import Index
from clipbio.serving.errors import RefusalError
from clipbio.serving.schemas import Error
from clipbio.serving.service import Service, service_of

__all__ = ["router", "row_number", "shown", "version_of"]

log = logging.getLogger(__name__)
router = APIRouter(prefix="/pictures", tags=["pictures"])

THUMBNAIL, FULL = 320, 2048
"""Longest side in pixels: of a thumbnail where the index has none, and of a large picture."""

# Formats that browsers show, by Pillow's name; all else is made a JPEG.
_MEDIA = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
_BAD_ROW = 2**31
_ORIENTATION = 0x0112
_IMAGES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Error, "description": "There is no picture."},
    200: {"content": {"image/jpeg": {}, "image/png": {}, "image/webp": {}}, "description": "The picture."},
}


@router.get("/{row}", summary="Thumbnail of a specimen", responses=_IMAGES, response_class=Response)
async def thumbnail(row: str, request: Request, service: Annotated[Service, Depends(service_of)]) -> Response:
    """Return the small picture of a row; 404 where there is none."""
    return await _picture(request, service, row, small=True)


@router.get("/{row}/full", summary="Large picture of a specimen", responses=_IMAGES, response_class=Response)
async def full(row: str, request: Request, service: Annotated[Service, Depends(service_of)]) -> Response:
    """Return the picture that was indexed, scaled down if its longest side is above 2048 pixels.

    Where that one is gone it is the small picture; 404 without either.
    """
    return await _picture(request, service, row, small=False)


def shown(data: bytes, side: int, max_pixels: int) -> tuple[bytes, str]:
    """Return a picture for a browser and its media type: as it is, or scaled and in another format where it must be.

    Args:
        data: The encoded picture.
        side: Its longest side at most, in pixels.
        max_pixels: Larger pictures are not decoded.

    Raises:
        BadImageError: It is none, broken, or has too many pixels.
    """
    header = inspect(data, max_pixels=max_pixels)
    if header.format in _MEDIA and max(header.width, header.height) <= side:
        return data, _MEDIA[header.format]
    with decode(data, max_pixels=max_pixels, side=side) as image:
        exif = Image.Exif()
        if orientation := image.getexif().get(_ORIENTATION):
            exif[_ORIENTATION] = orientation
        pixels = eight_bits(image).convert("RGB")
    pixels.thumbnail((side, side), Image.Resampling.LANCZOS)
    return encode(pixels, "JPEG", quality=85, exif=exif), _MEDIA["JPEG"]


def row_number(row: str) -> int:
    """Return the number of a row as a path tells it; one that no index has for anything else."""
    return int(row) if row.isascii() and row.isdigit() and len(row) <= len(str(_BAD_ROW)) else _BAD_ROW


async def _picture(request: Request, service: Service, row: str, *, small: bool) -> Response:
    headers = {"cache-control": "private, no-cache", "etag": version_of(service.index)}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    found = await service.run_on_pictures(partial(_shown, service.index, row_number(row), small, service.limits.pixels))
    if found is None:
        raise RefusalError(404, f"row {row[:20]} has no picture")
    data, media = found
    return Response(data, media_type=media, headers=headers)


def version_of(index: Index) -> str:
    """Return what tells a browser whether a picture that it keeps is still that of the row: rows get new numbers."""
    manifest = index.folder.manifest
    return f'"{manifest.created}/{manifest.number}"'


def _shown(index: Index, row: int, small: bool, max_pixels: int) -> tuple[bytes, str] | None:
    """Return what is shown of a row; None where there is nothing, or nothing that can be read."""
    alive_N = index.folder.alive_N
    if row >= len(alive_N) or not alive_N[row]:
        return None
    try:
        kinds = (index.picture, index.folder.original)
        data = next((data for kind in (kinds if small else kinds[::-1]) if (data := kind(row)) is not None), None)
        return None if data is None else shown(data, THUMBNAIL if small else FULL, max_pixels)
    except BadImageError as error:
        log.warning("the picture of row %d cannot be shown: %s", row, error)
    return None
