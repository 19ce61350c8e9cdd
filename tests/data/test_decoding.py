"""The fast decoder against Pillow: the same crops, nearly the same pixels, the same refusals."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_transforms import Spec

from clipbio.data.batch import UNUSABLE
from clipbio.data.decoding import FastPicture, Size, reduction
from clipbio.data.sources import VirtualSource
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.errors import ClipbioError

CROPS = Augmentation(scale=(0.3, 1.0), flip=0.5)
Picture = Callable[..., bytes]


def photo(width: int, height: int, *, seed: int = 0, mode: str = "RGB", image_format: str = "JPEG") -> bytes:
    """Return a picture with shapes of all sizes, edges and some noise, such as a camera gives."""
    draw = np.random.default_rng(seed)
    pixels_HWC = np.zeros((height, width, 3))
    for side in (4, 16, 64, 256):
        coarse = Image.fromarray(draw.integers(0, 255, (side, side, 3), dtype=np.uint8))
        pixels_HWC += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) * (4 / side) ** 0.8
    pixels_HWC += draw.normal(0, 3, pixels_HWC.shape)
    pixels_HWC[: height // 3, width // 2] = 255
    low, high = pixels_HWC.min(), pixels_HWC.max()
    picture = Image.fromarray(((pixels_HWC - low) / (high - low) * 255).astype(np.uint8)).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, image_format, quality=90)
    return buffer.getvalue()


def both(image: bytes, spec: Spec, augmentation: Augmentation | None = None, seed: int = 0) -> list[torch.Tensor]:
    """Return what the fast decoder and Pillow make of a picture."""
    return [
        ImageTransform(spec, augmentation, decoder=decoder)(
            image, None if augmentation is None else np.random.default_rng(seed)
        ).float()
        for decoder in ("fast", "pillow")
    ]


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [(70, 50), (50, 75), (33, 100), (20, 24), (32, 32)])
def test_small_photos_differ_by_rounding_alone(size: tuple[int, int], mode: str, interpolation: str) -> None:
    fast, reference = both(photo(*size), Spec(resize_mode=mode, fill=128, interpolation=interpolation))
    assert fast.shape == reference.shape == (3, 32, 32)
    assert (fast - reference).abs().max() <= 2
    assert (fast - reference).abs().mean() < 0.4


@pytest.mark.parametrize("crop_fraction", [1.0, 0.875])
@pytest.mark.parametrize("size", [(400, 300), (256, 1024), (1000, 900)])
def test_large_photos_are_decoded_reduced_and_look_the_same(size: tuple[int, int], crop_fraction: float) -> None:
    fast, reference = both(photo(*size), Spec(size=(64, 64), crop_fraction=crop_fraction))
    assert FastPicture(photo(*size)).pixels(Size(*size), Size(64, 64)).shape[0] <= size[1] // 2
    assert (fast - reference).abs().mean() < 1.0


@pytest.mark.parametrize("size", [(40, 36), (300, 400), (1200, 800)])
def test_both_decoders_draw_the_same_crops(size: tuple[int, int]) -> None:
    for seed in range(8):
        fast, reference = both(photo(*size, seed=seed), Spec(), CROPS, seed)
        assert (fast - reference).abs().mean() < 3.0
    # Another crop is far away: the bound above says something.
    other = ImageTransform(Spec(), CROPS)(photo(*size, seed=7), np.random.default_rng(99)).float()
    assert (other - reference).abs().mean() > 6.0


def test_a_crop_keeps_a_margin_above_its_target() -> None:
    target = Size(224, 224)
    found = {side: reduction(Size(side, side + 100), target) for side in (224, 895, 896, 1791, 1792, 3583, 3584, 30000)}
    assert found == {224: 1, 895: 1, 896: 2, 1791: 2, 1792: 4, 3583: 4, 3584: 8, 30000: 8}
    # The crop counts, not the picture around it.
    assert FastPicture(photo(1000, 1000)).pixels(Size(60, 60), Size(32, 32)).shape == (1000, 1000, 3)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
@pytest.mark.parametrize("size", [(40, 40), (320, 300)])
def test_other_colours(mode: str, size: tuple[int, int]) -> None:
    fast, reference = both(photo(*size, mode=mode), Spec())
    assert (fast - reference).abs().mean() < 1.0


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "BMP"])
def test_other_formats_are_decoded_by_pillow(image_format: str) -> None:
    fast, reference = both(photo(90, 80, image_format=image_format), Spec())
    assert (fast - reference).abs().max() <= 2


def test_an_orientation_in_exif_is_applied_by_neither() -> None:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.open(io.BytesIO(photo(70, 50))).save(buffer, "JPEG", exif=exif)
    assert FastPicture(buffer.getvalue()).size == (70, 50)
    fast, reference = both(buffer.getvalue(), Spec())
    assert (fast - reference).abs().max() <= 2


@pytest.mark.parametrize("decoder", ["fast", "pillow"])
@pytest.mark.parametrize(
    "broken",
    [
        photo(64, 64)[:600],
        photo(64, 64)[:100],
        photo(1200, 1200)[:60000],
        b"\xff\xd8\xff" + bytes(50),
        b"",
        b"%PDF-1.7",
    ],
    ids=["cut", "header", "large", "zeros", "empty", "other"],
)
def test_broken_pictures_are_unusable_for_both(broken: bytes, decoder: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - Pillow words it in many ways
        ImageTransform(Spec(), decoder=decoder)(broken)


def test_what_pillow_can_read_is_used() -> None:
    # libjpeg warns of a marker that announces more than follows; Pillow reads on.
    noisy = photo(64, 64)
    noisy = noisy[:-2] + bytes(8) + noisy[-2:]
    assert ImageTransform(Spec())(noisy).shape == (3, 32, 32)


def bomb(side: int) -> bytes:
    """Return a JPEG of a few bytes that claims a size."""
    small = bytearray(photo(16, 16))
    at = small.index(b"\xff\xc0") + 5
    small[at : at + 4] = side.to_bytes(2, "big") * 2
    return bytes(small)


@pytest.mark.parametrize("decoder", ["fast", "pillow"])
def test_a_bomb_is_refused_by_its_header(decoder: str) -> None:
    with pytest.raises(UNUSABLE, match=r"20000 x 20000 pixels|could be decompression bomb"):
        ImageTransform(Spec(), decoder=decoder)(bomb(20_000))


def test_an_unknown_decoder_is_refused() -> None:
    with pytest.raises(ClipbioError, match=r"data.decoder='fats'.*did you mean 'fast'"):
        ImageTransform(Spec(), decoder="fats")


@pytest.fixture(scope="module")
def embed(shared: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """Give unit vectors of pixels by the image trunk of the model lite."""
    from clipbio.models import TimmImage

    weights = shared / "models" / "tf_efficientnet_lite0.safetensors"
    trunk = TimmImage(name="tf_efficientnet_lite0", weights=str(weights)).build(dim=8).eval().trunk

    def encode(pixels_BCHW: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return torch.nn.functional.normalize(trunk(pixels_BCHW), dim=-1)

    encode.spec = trunk.spec
    return encode


def cosines(images: list[bytes], embed: Callable[[torch.Tensor], torch.Tensor], crops: bool) -> torch.Tensor:
    """Return the cosine of the embeddings that the two decoders lead to, for each picture."""
    sides = []
    for decoder in ("fast", "pillow"):
        transform = ImageTransform(embed.spec, Augmentation(scale=(0.5, 1.0)) if crops else None, decoder=decoder)
        draws = [np.random.default_rng(number) if crops else None for number in range(len(images))]
        sides.append(embed(torch.stack([transform(*pair) for pair in zip(images, draws, strict=True)])))
    return (sides[0] * sides[1]).sum(-1)


@pytest.mark.parametrize("crops", [False, True], ids=["evaluation", "crops"])
@pytest.mark.parametrize("name", ["birds", "leeds-butterflies"])
def test_embeddings_of_real_photos_agree(name: str, crops: bool, shared: Path, embed) -> None:
    files = sorted((shared / "data" / name / "images").rglob("*.*"))
    images = [path.read_bytes() for path in files[:: len(files) // 32][:32]]
    found = cosines(images, embed, crops)
    assert found.min() >= 0.999


@pytest.mark.parametrize("crops", [False, True], ids=["evaluation", "crops"])
def test_embeddings_of_large_photos_agree(crops: bool, shared: Path, embed) -> None:
    images = []
    for path in sorted((shared / "data" / "leeds-butterflies" / "images").rglob("*.*"))[::104][:8]:
        picture, buffer = Image.open(path).convert("RGB"), io.BytesIO()
        picture.resize((picture.width * 5, picture.height * 5), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        images.append(buffer.getvalue())
    found = cosines(images, embed, crops)
    assert found.min() >= 0.999


@pytest.mark.parametrize("crops", [False, True], ids=["evaluation", "crops"])
def test_embeddings_of_a_sheet_agree(crops: bool, embed) -> None:
    sheet = next(iter(VirtualSource(8, 1, specimens_per_species=4, descriptions_per_species=1, image_size=1024))).image
    assert isinstance(sheet, bytes)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(sheet)).resize((4000, 5600), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    found = cosines([buffer.getvalue()] * 4, embed, crops)
    assert found.min() >= 0.999
