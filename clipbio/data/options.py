"""How shards are made."""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType
from typing import TypedDict

from clipbio.data.images import MAX_PIXELS
from clipbio.errors import ClipbioError, nearest

__all__ = ["FORMATS", "PrepareOptions", "PrepareSettings"]

FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
"""Formats that images can be converted to, with Pillow's names."""


class PrepareSettings(TypedDict, total=False):
    """The keywords of `prepare`; see `PrepareOptions`."""

    samples_per_shard: int
    bytes_per_shard: int
    max_defect_share: float
    reencode: str | None
    quality: int
    max_side: int | None
    max_pixels: int


_KINDS: tuple[tuple[str, type | UnionType, str], ...] = (
    *((name, int, "a whole number") for name in ("samples_per_shard", "bytes_per_shard", "quality", "max_pixels")),
    ("max_defect_share", int | float, "a number"),
    ("max_side", int | None, "a whole number, or null"),
    ("reencode", str | None, f"one of {', '.join(FORMATS)}, or null"),
)


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """How shards are made.

    Args:
        samples_per_shard: Largest number of samples of a shard.
        bytes_per_shard: Largest size of a shard, if a single sample is not larger.
        max_defect_share: Share of unusable records beyond which nothing is written.
        reencode: `jpeg`, `png` or `webp`: images of another format are converted to it; None copies all bytes.
        quality: Quality of images that are re-encoded.
        max_side: Images with a longer side are made smaller; None copies all bytes.
        max_pixels: Images with more pixels are defects.
    """

    samples_per_shard: int = 2_000
    bytes_per_shard: int = 256 * 2**20
    max_defect_share: float = 0.1
    reencode: str | None = None
    quality: int = 95
    max_side: int | None = None
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        for name, kind, wanted in _KINDS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ClipbioError(f"{name}={value} must be {wanted}")
        for name in ("samples_per_shard", "bytes_per_shard", "max_pixels"):
            if getattr(self, name) < 1:
                raise ClipbioError(f"{name}={getattr(self, name)} must be at least 1")
        if self.max_pixels > MAX_PIXELS:
            raise ClipbioError(f"max_pixels={self.max_pixels} is more than {MAX_PIXELS}, what is ever decoded")
        if not 0 <= self.max_defect_share <= 1:
            raise ClipbioError(f"max_defect_share={self.max_defect_share} must be between 0 and 1")
        if self.reencode is not None and self.reencode not in FORMATS:
            raise ClipbioError(f"reencode={self.reencode} is not a format of shards{nearest(self.reencode, FORMATS)}")
        if not 1 <= self.quality <= 100:
            raise ClipbioError(f"quality={self.quality} must be between 1 and 100")
        if self.max_side is not None and self.max_side < 1:
            raise ClipbioError(f"max_side={self.max_side} must be at least 1, or null")
