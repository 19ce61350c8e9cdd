"""Pictures with shapes in them, and copies of them as they occur in the wild."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw


def photo(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Return a picture of blobs before a gradient, another one for each seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    low, high = rng.integers(0, 256, (2, 3))
    for column in range(size[0]):
        share = column / size[0]
        draw.line([(column, 0), (column, size[1])], tuple(map(int, low * (1 - share) + high * share)))
    for _ in range(12):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        width, height = rng.integers(10, 60, 2)
        draw.ellipse([x - width, y - height, x + width, y + height], tuple(map(int, rng.integers(0, 256, 3))))
    return image


def saved(image: Image.Image, image_format: str = "JPEG", **options: int) -> bytes:
    """Return a picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def resized(image: Image.Image, share: float) -> Image.Image:
    """Return a picture of other size."""
    return image.resize((round(image.width * share), round(image.height * share)))
