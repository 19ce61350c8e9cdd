"""A vector as a part of a URL, so that a link to a search by picture lasts while the picture is kept nowhere."""

from __future__ import annotations

import base64
import binascii

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.search.query import Array

__all__ = ["packed", "unpacked"]

_STORED = np.dtype("<f2")


def packed(vector_D: Array) -> str:
    """Return a unit vector (D,) as base64url of its float16 values: 4 characters for each 1.5 of them."""
    return base64.urlsafe_b64encode(np.asarray(vector_D, _STORED).tobytes()).rstrip(b"=").decode("ascii")


def unpacked(text: str, dim: int) -> Array:
    """Return the unit vector (D,), float32, that `packed` wrote.

    Args:
        text: What stands in the URL.
        dim: Dimensions of the index.

    Raises:
        ClipbioError: It is no such text, of other dimensions, or no direction (zeros, infinite values).
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ClipbioError("vector is no base64url text: take it as /api/vector returns it") from error
    if len(data) != dim * _STORED.itemsize:
        raise ClipbioError(
            f"vector has {len(data)} bytes, this index needs {dim} x {_STORED.itemsize}: "
            "it was made for another index, or cut off"
        )
    vector_D = np.frombuffer(data, _STORED).astype(np.float32)
    norm = float(np.linalg.norm(vector_D))
    if not np.isfinite(norm) or norm == 0:
        raise ClipbioError("vector has no direction: its values are all zero, or one is not finite")
    return vector_D / norm
