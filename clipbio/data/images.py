"""Encoded images: recognised by content, checked, and re-encoded where that was asked for."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from clipbio.errors import ClipbioError

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "BadImageError",
    "ImageHeader",
    "decode",
    "eight_bits",
    "encode",
    "fit_mask",
    "inspect",
    "opened",
    "reencode",
    "rgb",
]

MAX_PIXELS = 178_956_970
"""Largest image that is opened, in pixels: the bound against decompression bombs at which Pillow refuses too."""

EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp"}
"""Formats that shards hold, by Pillow's name; MPO is what phones write: a JPEG with further pictures behind it."""

# No others, such as EPS, for which Pillow would run a program.
_OPENED = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
# What Pillow's plug-ins raise on broken files.
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, OverflowError, MemoryError)
_ORIENTATION = 0x0112


class BadImageError(ClipbioError):
    """An image that cannot be used; `kind` names the defect."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header of an image says: format by Pillow's name, and size in pixels."""

    format: str
    width: int
    height: int

    @property
    def extension(self) -> str | None:
        """Name the member of a shard that holds such an image; None for formats that shards do not hold."""
        return EXTENSIONS.get(self.format)


def opened(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open an image whose pixels are not decoded yet; all images are opened here.

    Raises:
        OSError: It is none, or of a format that is not read; Pillow's plug-ins raise SyntaxError and ValueError too.
        PIL.Image.DecompressionBombError: It has more than `max_pixels`.
    """
    with warnings.catch_warnings():
        # The bound below is ours; Pillow's own warns first and raises later.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(data), formats=_OPENED)
    if image.width * image.height > max_pixels:
        pixels = f"{image.width} x {image.height}"
        image.close()
        raise Image.DecompressionBombError(f"{pixels} pixels are more than {max_pixels}")
    return image


def rgb(data: bytes) -> Image.Image:
    """Return an image as RGB; errors are those of `opened`."""
    with opened(data) as image:
        return eight_bits(image).convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """Return grey of 16 or more bits as grey of 8, and all else as it is: `convert` makes what is above 255 white."""
    if image.mode == "I":
        values = np.asarray(image)
        # 32 bits a pixel, of which most files use 8 or 16.
        bits = (int(values.max()).bit_length() + 7) // 8 * 8
        return Image.fromarray((values.clip(0) >> max(0, bits - 8)).astype(np.uint8))
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def inspect(data: bytes, *, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Recognise an image by its content and verify its header, without decoding the pixels."""
    if (header := _jpeg_header(data)) is not None and header.width * header.height <= max_pixels:
        return header
    with _checked(data, max_pixels) as image:
        header = ImageHeader(image.format or "", image.width, image.height)
        try:
            image.verify()
        except _BROKEN as error:
            raise BadImageError("broken_image", f"the image is broken ({_reason(error)})") from error
    return header


def _jpeg_header(data: bytes) -> ImageHeader | None:
    """Return what libjpeg says of a JPEG, much sooner than Pillow; None where Pillow should look at it."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return ImageHeader("JPEG", width, height) if width and height else None


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, side: int | None = None) -> Image.Image:
    """Decode an image completely, to find damage that its header does not show.

    Args:
        data: The encoded image.
        max_pixels: Larger images are refused.
        side: A JPEG is decoded at the smallest scale whose sides are at least so long: all is read, little computed.
    """
    image = _checked(data, max_pixels)
    try:
        if side is not None:
            image.draft(None, (side, side))
        image.load()
    except _BROKEN as error:
        raise BadImageError("broken_image", f"the image cannot be decoded ({_reason(error)})") from error
    return image


def reencode(data: bytes, image_format: str, *, quality: int, max_side: int | None, max_pixels: int) -> bytes:
    """Return the image in another format, its longer side at most `max_side`.

    The pixels stay as they are stored: an orientation given by EXIF is handed on, so that a mask keeps fitting.
    """
    with decode(data, max_pixels=max_pixels) as image:
        orientation = image.getexif().get(_ORIENTATION)
        pixels = eight_bits(image)
        pixels = pixels if pixels.mode in ("L", "RGB") else pixels.convert("RGB")
        if max_side and max(pixels.size) > max_side:
            pixels = pixels.resize(_fitted(pixels.size, max_side), Image.Resampling.LANCZOS)
        options: dict[str, Any] = {"quality": quality} if image_format != "PNG" else {}
        if orientation:
            exif = Image.Exif()
            exif[_ORIENTATION] = orientation
            options["exif"] = exif
        if profile := image.info.get("icc_profile"):
            options["icc_profile"] = profile
        return encode(pixels, image_format, **options)


def fit_mask(data: bytes, size: tuple[int, int], *, max_pixels: int) -> bytes:
    """Return a mask as PNG of the given size; bytes that already fit stay untouched."""
    header = inspect(data, max_pixels=max_pixels)
    if header.format == "PNG" and (header.width, header.height) == size:
        return data
    with decode(data, max_pixels=max_pixels) as mask:
        return encode(mask.resize(size, Image.Resampling.NEAREST), "PNG")


def _checked(data: bytes, max_pixels: int) -> Image.Image:
    try:
        return opened(data, max_pixels)
    except Image.DecompressionBombError as error:
        raise BadImageError("too_many_pixels", str(error).rstrip(".")) from error
    except _BROKEN as error:
        raise BadImageError("not_an_image", "not a JPEG, PNG or WebP image") from error


def _fitted(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    scale = max_side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return an image in a format by Pillow's name; `BadImageError` if it is none for it, such as too long a side."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, image_format, **options)
    except (*_BROKEN, struct.error) as error:
        size = f"{image.width} x {image.height} pixels"
        message = (
            f"{size} cannot be written as {image_format} ({_reason(error)}); make it smaller or choose another format"
        )
        raise BadImageError("not_encodable", message) from error
    return buffer.getvalue()


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
