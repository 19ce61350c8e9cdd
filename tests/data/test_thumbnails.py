from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tables import encoded

from clipbio.data.images import BadImageError
from clipbio.data.thumbnails import thumbnail


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize(("size", "expected"), [((640, 400), (64, 40)), ((30, 50), (30, 50)), ((2000, 2), (64, 1))])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_no_side_is_longer_and_nothing_is_blown_up(size, expected, image_format: str) -> None:
    assert opened(thumbnail(saved(Image.new("RGB", size), image_format), 64)).size == expected


def test_colours_stay_and_exif_is_applied_and_left_out() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, :150], pixels[:, 150:] = (200, 30, 30), (30, 30, 200)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a secret place"
    small = opened(thumbnail(saved(Image.fromarray(pixels), "JPEG", exif=exif, quality=95), 90))
    assert small.size == (30, 90)
    assert not small.getexif()
    top, bottom = np.asarray(small, np.float64)[10:30].mean((0, 1)), np.asarray(small, np.float64)[60:80].mean((0, 1))
    np.testing.assert_allclose(top, (200, 30, 30), atol=6)
    np.testing.assert_allclose(bottom, (30, 30, 200), atol=6)


def test_what_is_transparent_becomes_white() -> None:
    small = opened(thumbnail(saved(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG"), 8))
    assert np.asarray(small).min() > 250


@pytest.mark.parametrize("data", [b"", b"no picture", encoded(0)[:400], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_picture_is_told(data: bytes) -> None:
    with pytest.raises(BadImageError):
        thumbnail(data, 64)


def test_too_many_pixels_are_not_decoded() -> None:
    with pytest.raises(BadImageError, match="400 x 300 pixels are more than 1000"):
        thumbnail(saved(Image.new("L", (400, 300)), "PNG"), 64, max_pixels=1000)
