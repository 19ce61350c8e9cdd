"""Small pictures for people: JPEG, upright, no longer than asked for."""

from __future__ import annotations

from PIL import Image, ImageOps

from clipbio.data.images import MAX_PIXELS, BadImageError, decode, eight_bits, encode

__all__ = ["thumbnail"]

_QUALITY = 82


def thumbnail(data: bytes, side: int, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return a picture as JPEG whose longer side has at most `side` pixels; smaller ones keep their size.

    An orientation in EXIF is applied, and nothing of EXIF (such as a place) is handed on. What is transparent becomes
    white. A JPEG is decoded at the scale that is needed.

    Args:
        data: The encoded picture.
        side: The longest side in pixels.
        max_pixels: What is larger is not decoded.

    Raises:
        BadImageError: It cannot be read.
    """
    try:
        # Twice the size leaves the filter something to choose from.
        with decode(data, max_pixels=max_pixels, side=2 * side) as picture:
            pixels = _on_white(eight_bits(ImageOps.exif_transpose(picture)))
        pixels.thumbnail((side, side), Image.Resampling.LANCZOS)
    except BadImageError:
        raise
    # Pillow raises many kinds of error on broken input, such as a damaged EXIF block.
    except Exception as error:
        raise BadImageError("broken_image", f"the image cannot be made small ({error})") from error
    return encode(pixels, "JPEG", quality=_QUALITY)


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
