"""Settings of a check."""

from __future__ import annotations

from dataclasses import dataclass

from clipbio.errors import ClipbioError

__all__ = ["CheckOptions"]


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """How closely data is looked at.

    Args:
        decode: Decode images: finds damage behind the header, and gives the hashes of `near_duplicates`.
        near_duplicates: Look for images that show the same photo without being the same file.
        max_images: Number of images that are opened at most, chosen by a hash of their ids; None opens all.
        context_length: Tokens that a text model reads; longer texts count as truncated.
        max_texts: Number of distinct texts of each kind whose tokens are counted at most.
    """

    decode: bool = True
    near_duplicates: bool = True
    max_images: int | None = None
    context_length: int = 77
    max_texts: int = 100_000

    def __post_init__(self) -> None:
        for name in ("decode", "near_duplicates"):
            if not isinstance(getattr(self, name), bool):
                raise ClipbioError(f"{name}={getattr(self, name)} must be true or false")
        for name, least in (("max_images", 1), ("context_length", 3), ("max_texts", 0)):
            value = getattr(self, name)
            if value is None and name == "max_images":
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise ClipbioError(f"{name}={'null' if value is None else value} must be a whole number")
            if value < least:
                raise ClipbioError(f"{name}={value} is too small; give at least {least}")
