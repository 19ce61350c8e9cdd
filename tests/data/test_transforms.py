import io
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from timm.data import create_transform

from clipbio.data import transforms
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.errors import ClipbioError


@dataclass(frozen=True)
class Spec:
    size: tuple[int, int] = (32, 32)
    interpolation: str = "bicubic"
    crop_fraction: float = 1.0
    resize_mode: str = "shortest"
    fill: int = 0


def encoded(width: int, height: int, seed: int = 0, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


SIZES = [(32, 32), (50, 40), (40, 51), (33, 100), (20, 24), (31, 64)]


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", SIZES)
def test_pixels_equal_those_of_open_clip(mode: str, size: tuple[int, int]) -> None:
    image = encoded(*size)
    config = PreprocessCfg(size=32, mean=(0.0,) * 3, std=(1.0,) * 3, resize_mode=mode)
    theirs = image_transform_v2(config, is_train=False)(Image.open(io.BytesIO(image)))
    ours = ImageTransform(Spec(resize_mode=mode), decoder="pillow")(image)
    assert ours.dtype == torch.uint8
    assert torch.equal(ours, (theirs * 255).round().to(torch.uint8))


@pytest.mark.parametrize("size", SIZES)
def test_pixels_equal_those_of_timm(size: tuple[int, int]) -> None:
    image = encoded(*size)
    theirs = create_transform(input_size=(3, 28, 28), crop_pct=0.875, interpolation="bicubic", normalize=False)
    ours = ImageTransform(Spec(size=(28, 28), crop_fraction=0.875), decoder="pillow")(image)
    assert torch.equal(ours, theirs(Image.open(io.BytesIO(image))))


def test_a_view_belongs_to_its_generator() -> None:
    transform = ImageTransform(Spec(), Augmentation(scale=(0.3, 0.8), flip=0.5))
    image = encoded(60, 50)
    views = [transform(image, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    assert torch.equal(transform(image), ImageTransform(Spec())(image))


@pytest.mark.parametrize("decoder", ["fast", "pillow"])
def test_crops_are_mirrored_and_turned(decoder: str) -> None:
    image = encoded(32, 32)
    plain = ImageTransform(Spec(), decoder=decoder)(image)
    whole = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0)}

    def view(**settings: float) -> torch.Tensor:
        transform = ImageTransform(Spec(fill=7), Augmentation(**whole, **settings), decoder=decoder)
        return transform(image, np.random.default_rng(0))

    assert torch.equal(view(flip=1.0), plain.flip(2))
    assert torch.equal(view(vertical_flip=1.0), plain.flip(1))
    assert torch.equal(view(flip=1.0, vertical_flip=1.0), plain.flip(1, 2))
    turned = view(rotation=180.0)
    assert not torch.equal(turned, plain)
    corners = turned[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert bool((corners == 7).any())


@pytest.mark.parametrize(("key", "value"), [("vertical_flip", 1.5), ("flip", -0.1), ("rotation", 200.0)])
def test_impossible_augmentations_are_told(key: str, value: float) -> None:
    with pytest.raises(ClipbioError, match=rf"augmentation\.{key}={value}"):
        Augmentation(**{key: value})


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 99))
def test_a_crop_lies_inside_the_image(width: int, height: int, seed: int) -> None:
    box = Augmentation(scale=(0.2, 1.0)).box(width, height, np.random.default_rng(seed))
    left, top, right, bottom = box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    assert ImageTransform(Spec())(encoded(40, 40, mode=mode)).shape == (3, 32, 32)


def test_damaged_bytes_raise() -> None:
    with pytest.raises(OSError, match=r"truncated|identify"):
        ImageTransform(Spec())(encoded(40, 40)[:300])


@pytest.mark.parametrize("decoder", ["fast", "pillow"])
@pytest.mark.parametrize("size", [(1, 6000), (6000, 1), (3, 65000)])
def test_a_strip_is_not_resized_as_a_whole(
    size: tuple[int, int], decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    resize = Image.Image.resize

    def counted(image: Image.Image, size: tuple[int, int], *rest: object, **more: object) -> Image.Image:
        made.append(size[0] * size[1])
        return resize(image, size, *rest, **more)

    monkeypatch.setattr(Image.Image, "resize", counted)
    monkeypatch.setattr(transforms.functional, "interpolate", None)
    assert ImageTransform(Spec(), decoder=decoder)(encoded(*size)).shape == (3, 32, 32)
    assert made == [32 * 32]


@pytest.mark.parametrize("decoder", ["fast", "pillow"])
@pytest.mark.parametrize("crop_fraction", [1.0, 0.875])
@pytest.mark.parametrize("size", [(50, 40), (40, 51), (33, 300), (1900, 21), (32, 32)])
def test_the_middle_of_a_strip_is_what_the_centre_crop_shows(
    size: tuple[int, int], crop_fraction: float, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform, image = ImageTransform(Spec(crop_fraction=crop_fraction), decoder=decoder), encoded(*size)
    whole = transform(image).float()
    monkeypatch.setattr(transforms, "_STRIP", 0)
    # Of noise, in which half a pixel beside would be tens of levels away.
    assert (transform(image).float() - whole).abs().mean() < 0.6


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("decoder", ["fast", "pillow"])
def test_grey_of_16_bits_is_scaled(image_format: str, decoder: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)).save(buffer, image_format)
    pixels = ImageTransform(Spec(), decoder=decoder)(buffer.getvalue()).float()
    assert 126 < pixels.mean() < 129
    assert pixels[0].min() == 0
    assert pixels[0].max() == 255
