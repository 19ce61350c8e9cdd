from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image
from tables import encoded

from clipbio.data.images import BadImageError, decode, eight_bits, inspect, reencode, rgb
from clipbio.evaluation.pictures import shrink

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"


def deep(top: int = 65535, *, dtype: type[np.generic] = np.uint16) -> bytes:
    """Return a TIFF of grey levels from 0 to a top."""
    buffer = io.BytesIO()
    Image.fromarray(np.linspace(0, top, 64 * 64).reshape(64, 64).astype(dtype)).save(buffer, "TIFF")
    return buffer.getvalue()


def test_a_format_for_which_pillow_runs_a_program_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was called"))
    Image.init()
    with pytest.raises(OSError, match="identify"):
        rgb(EPS)
    with pytest.raises(BadImageError, match="not a JPEG"):
        inspect(EPS)
    assert shrink(EPS, "a") is None


@pytest.mark.parametrize(
    "data", [deep(), deep(dtype=np.int32), deep(255, dtype=np.int32), deep(2**24 - 1, dtype=np.int32)]
)
def test_grey_of_many_bits_is_scaled_to_eight(data: bytes) -> None:
    kept = reencode(data, "PNG", quality=95, max_side=None, max_pixels=10_000)
    for image in (rgb(data), Image.open(io.BytesIO(kept)), Image.open(io.BytesIO(shrink(data, "a") or b""))):
        levels = np.asarray(image)
        assert 120 < levels.mean() < 130
        assert (levels == 255).mean() < 0.02


def test_a_side_that_a_format_does_not_take_is_a_defect() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (66_000, 3)).save(buffer, "PNG")
    for image_format in ("WEBP", "JPEG"):
        with pytest.raises(BadImageError, match=f"66000 x 3 pixels cannot be written as {image_format}"):
            reencode(buffer.getvalue(), image_format, quality=95, max_side=None, max_pixels=10**6)


def test_other_images_stay_as_they_are() -> None:
    image = decode(encoded(0))
    assert eight_bits(image) is image
