"""From encoded image bytes to uint8 pixels; the tower normalises on its device."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clipbio.errors import ClipbioError

__all__ = ["Augmentation", "ImageTransform", "PixelSpec"]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class PixelSpec(Protocol):
    """What an image trunk asks of its pixels."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""

    @property
    def interpolation(self) -> str:
        """Either `bicubic` or `bilinear`."""

    @property
    def crop_fraction(self) -> float:
        """Share of the resized short side that the centre crop keeps."""

    @property
    def resize_mode(self) -> str:
        """Either `shortest`, `squash` or `longest` (padded)."""

    @property
    def fill(self) -> int:
        """Grey value of padding."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random crop of a share of the area, and optional mirroring.

    Args:
        scale: Smallest and largest share of the image's area; `(1, 1)` switches cropping off. BioCLIP uses (0.9, 1).
        ratio: Smallest and largest aspect ratio of the crop.
        flip: Probability of mirroring left and right.
    """

    scale: tuple[float, float] = (0.9, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise ClipbioError(
                f"augmentation.scale={list(self.scale)} must hold two shares, 0 < smallest <= largest <= 1"
            )
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ClipbioError(
                f"augmentation.ratio={list(self.ratio)} must hold two aspect ratios, 0 < smallest <= largest"
            )
        if not 0 <= self.flip <= 1:
            raise ClipbioError(f"augmentation.flip={self.flip} is a probability")

    @property
    def random(self) -> bool:
        """Whether anything is left to chance."""
        return tuple(self.scale) != (1.0, 1.0) or self.flip > 0

    def box(self, width: int, height: int, draw: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw a crop as (left, top, right, bottom), in the manner of torchvision's RandomResizedCrop."""
        for _ in range(10):
            area = width * height * draw.uniform(*self.scale)
            ratio = math.exp(draw.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < crop_width <= width and 0 < crop_height <= height:
                left = int(draw.integers(0, width - crop_width + 1))
                top = int(draw.integers(0, height - crop_height + 1))
                return left, top, left + crop_width, top + crop_height
        # A panorama or a strip: the largest centred crop whose ratio is allowed.
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        crop_width, crop_height = min(width, round(height * ratio)), min(height, round(width / ratio))
        left, top = (width - crop_width) // 2, (height - crop_height) // 2
        return left, top, left + crop_width, top + crop_height


class ImageTransform:
    """Decode, crop and resize one image.

    Without a generator this is the evaluation transform of the trunk; with one it is the augmented view that belongs to
    that generator's seed.
    """

    def __init__(self, spec: PixelSpec, augmentation: Augmentation | None = None) -> None:
        self.spec = spec
        self.augmentation = augmentation or Augmentation(scale=(1.0, 1.0))

    def __call__(self, image: bytes, draw: np.random.Generator | None = None) -> Tensor:
        """Return uint8 pixels of shape (3, height, width).

        Raises:
            OSError: The bytes are no readable image.
        """
        with Image.open(io.BytesIO(image)) as opened:
            picture = opened.convert("RGB")
        if draw is None or not self.augmentation.random:
            picture = _centre(picture, self.spec)
        else:
            box = self.augmentation.box(*picture.size, draw)
            height, width = self.spec.size
            picture = picture.resize((width, height), _FILTERS[self.spec.interpolation], box=box)
            if draw.random() < self.augmentation.flip:
                picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def _centre(picture: Image.Image, spec: PixelSpec) -> Image.Image:
    """Resize and crop as torchvision, open_clip and timm do for evaluation, to the pixel."""
    height, width = spec.size
    filter_ = _FILTERS[spec.interpolation]
    if spec.resize_mode == "squash":
        return picture.resize((width, height), filter_)
    target_height, target_width = (math.floor(side / spec.crop_fraction) for side in (height, width))
    if spec.resize_mode == "shortest" and target_height == target_width:
        resized = _shortest(picture, target_width, filter_)
    else:
        fit = min if spec.resize_mode == "longest" else max
        factor = fit(target_width / picture.width, target_height / picture.height)
        resized = picture.resize((round(picture.width * factor), round(picture.height * factor)), filter_)
    return _centre_crop(resized, width, height, spec.fill)


def _shortest(picture: Image.Image, side: int, filter_: Image.Resampling) -> Image.Image:
    """Bring the short side to `side`; the long one is rounded down, as in torchvision."""
    width, height = picture.size
    size = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    return picture if size == picture.size else picture.resize(size, filter_)


def _centre_crop(picture: Image.Image, width: int, height: int, fill: int) -> Image.Image:
    """Crop around the centre; what is too small is padded first."""
    if picture.width < width or picture.height < height:
        canvas = Image.new("RGB", (max(width, picture.width), max(height, picture.height)), (fill,) * 3)
        canvas.paste(picture, ((canvas.width - picture.width) // 2, (canvas.height - picture.height) // 2))
        picture = canvas
    left, top = round((picture.width - width) / 2.0), round((picture.height - height) / 2.0)
    return picture.crop((left, top, left + width, top + height))
