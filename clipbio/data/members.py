"""The members of a sample: the files that a specimen becomes in a shard."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbio.data.defects import Defects
from clipbio.data.images import BadImageError, ImageHeader, fit_mask, inspect, reencode
from clipbio.data.options import FORMATS, PrepareOptions
from clipbio.data.specimen import Picture, Specimen
from clipbio.data.tar import MASK_MEMBER, RECORD_MEMBER
from clipbio.errors import ClipbioError

__all__ = ["image_of", "members_of"]

_MAX_BYTES = 512 * 2**20


def members_of(
    specimen: Specimen, options: PrepareOptions, defects: Defects, *, record: Mapping[str, Any] | None = None
) -> dict[str, bytes]:
    """Return the record, and image and mask where there are; `BadImageError` if the image cannot be used.

    A mask that does not fit is counted as a defect and left out.

    Args:
        specimen: What is written.
        options: How.
        defects: What is wrong without making the specimen unusable.
        record: Its record, if it has been asked for before.
    """
    members = {RECORD_MEMBER: json_of(specimen.id, record or specimen.record())}
    if specimen.image is None:
        return members
    data = _bytes(specimen.image)
    header = inspect(data, max_pixels=options.max_pixels)
    stored, data = _stored(header, data, options)
    assert stored.extension is not None
    members[stored.extension] = data
    if specimen.mask is not None:
        try:
            members[MASK_MEMBER] = _mask(_bytes(specimen.mask), header, stored, options)
        except (BadImageError, OSError) as error:
            defects.add(
                "bad_mask", f"specimen '{specimen.id}'", f"mask {described(specimen.mask, error)}", skipped=False
            )
    return members


def image_of(members: dict[str, bytes]) -> bytes | None:
    """Return the image among the members of a sample."""
    return next((data for name, data in members.items() if name not in (RECORD_MEMBER, MASK_MEMBER)), None)


def described(image: Picture | None, error: Exception) -> str:
    """Return an error with the name of the file it is about."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"{image}: {reason}" if isinstance(image, Path) else str(reason)


def _stored(header: ImageHeader, data: bytes, options: PrepareOptions) -> tuple[ImageHeader, bytes]:
    too_large = options.max_side is not None and max(header.width, header.height) > options.max_side
    wanted = header.extension
    if options.reencode is not None:
        wanted = "jpg" if options.reencode == "jpeg" else options.reencode
    if wanted is None:
        raise BadImageError(
            "unsupported_format", f"is a {header.format}; shards hold JPEG, PNG and WebP: set reencode=jpeg"
        )
    if wanted == header.extension and not too_large:
        return header, data
    target = FORMATS["jpeg" if wanted == "jpg" else wanted]
    data = reencode(data, target, quality=options.quality, max_side=options.max_side, max_pixels=options.max_pixels)
    return inspect(data, max_pixels=options.max_pixels), data


def _mask(data: bytes, header: ImageHeader, stored: ImageHeader, options: PrepareOptions) -> bytes:
    mask = inspect(data, max_pixels=options.max_pixels)
    if (mask.width, mask.height) != (header.width, header.height):
        sizes = f"{mask.width} x {mask.height} pixels, its image {header.width} x {header.height}"
        raise BadImageError("bad_mask", f"has {sizes}")
    if mask.format != "PNG" and options.reencode is None:
        raise BadImageError("bad_mask", f"is a {mask.format}; masks are PNG: set reencode to convert it")
    return fit_mask(data, (stored.width, stored.height), max_pixels=options.max_pixels)


def _bytes(image: Picture) -> bytes:
    if not isinstance(image, Path):
        return image if isinstance(image, bytes) else image()
    with open(image, "rb", buffering=0) as file:  # noqa: PTH123 - a record's cost counts here
        # Asked for one byte more than is allowed, so that a file that grows meanwhile is no way around.
        data = file.read(_MAX_BYTES + 1) if os.fstat(file.fileno()).st_size > _MAX_BYTES else file.readall()
        if len(data) > _MAX_BYTES:
            raise BadImageError("too_large", f"it has more than {_MAX_BYTES} bytes")
        return data


def json_of(name: str, record: Mapping[str, Any]) -> bytes:
    """Return a record as JSON, the same bytes for the same values.

    JSON knows no NaN and no infinity: as metadata they are left out, inside of other values they are null.
    """
    try:
        return _encoded(record).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ClipbioError(f"specimen '{name}' cannot be written as JSON: {error}") from error


def _encoded(record: Mapping[str, Any]) -> str:
    try:
        return _ENCODER.encode(record)
    except ValueError:  # so rare that values are looked at only now
        metadata = {name: _finite(value) for name, value in record.get("metadata", {}).items()}
        return _ENCODER.encode({**record, "metadata": {name: one for name, one in metadata.items() if one is not None}})


def _finite(value: Any) -> Any:
    """Return a value in which None stands for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    # NumPy values give those of Python; dates and the like are told as text.
    return value.tolist() if hasattr(value, "tolist") else str(value)


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_plain, check_circular=False
)
