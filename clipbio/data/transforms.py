"""From encoded image bytes to uint8 pixels; the tower normalises on its device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from clipbio.data.decoding import DECODERS, FastPicture, Pixels, Size
from clipbio.data.images import rgb
from clipbio.data.sheet_mask import mask_sheet
from clipbio.errors import ClipbioError, nearest

__all__ = ["Augmentation", "ImageTransform", "PixelSpec", "evaluation_size"]

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""

Part = tuple[float, float, float, float]
"""A box whose sides may fall between pixels."""

# Resized pixels for each one that the centre crop keeps, beyond which no more than the crop is made.
_STRIP = 64

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
        vertical_flip: Probability of mirroring top and bottom; specimens on a plate have no upside.
        rotation: Largest angle in degrees, either way, by which the crop is turned; corners get the trunk's fill.
    """

    scale: tuple[float, float] = (0.9, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.0
    vertical_flip: float = 0.0
    rotation: float = 0.0

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
        for key in ("flip", "vertical_flip"):
            if not 0 <= getattr(self, key) <= 1:
                raise ClipbioError(f"augmentation.{key}={getattr(self, key)} is a probability")
        if not 0 <= self.rotation <= 180:
            raise ClipbioError(f"augmentation.rotation={self.rotation} must lie between 0 and 180 degrees")

    @property
    def random(self) -> bool:
        """Whether anything is left to chance."""
        return tuple(self.scale) != (1.0, 1.0) or max(self.flip, self.vertical_flip, self.rotation) > 0

    def turned(self, pixels_CHW: Tensor, draw: np.random.Generator, fill: int) -> Tensor:
        """Draw whether a crop is mirrored and by how much it is turned, and return it."""
        if draw.random() < self.flip:
            pixels_CHW = pixels_CHW.flip(2)
        # Nothing is drawn for what is switched off.
        if self.vertical_flip and draw.random() < self.vertical_flip:
            pixels_CHW = pixels_CHW.flip(1)
        if self.rotation:
            angle = float(draw.uniform(-self.rotation, self.rotation))
            picture = Image.fromarray(pixels_CHW.permute(1, 2, 0).numpy())
            picture = picture.rotate(angle, Image.Resampling.BILINEAR, fillcolor=(fill,) * 3)
            pixels_CHW = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        return pixels_CHW.contiguous()

    def box(self, width: int, height: int, draw: np.random.Generator) -> Box:
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

    Args:
        spec: What the trunk asks for.
        augmentation: How training images are drawn; None is not at all.
        decoder: `fast`, or `pillow`, whose pixels equal those of open_clip and timm. A seed gives both the same crop.
        sheet_mask: Whether labels, rulers and colour cards of herbarium sheets are painted over before cropping.
    """

    def __init__(
        self,
        spec: PixelSpec,
        augmentation: Augmentation | None = None,
        *,
        decoder: str = "fast",
        sheet_mask: bool = False,
    ) -> None:
        if decoder not in DECODERS:
            raise ClipbioError(f"data.decoder='{decoder}' is unknown{nearest(str(decoder), DECODERS)}")
        self.spec = spec
        self.augmentation = augmentation or Augmentation(scale=(1.0, 1.0))
        self.decoder = decoder
        self.sheet_mask = sheet_mask

    @property
    def identity(self) -> str:
        """Name what decides pixels beside the trunk's spec and the augmentation; cached features carry it."""
        return f"{self.decoder}-masked" if self.sheet_mask else self.decoder

    def __call__(self, image: bytes, draw: np.random.Generator | None = None) -> Tensor:
        """Return uint8 pixels of shape (3, height, width).

        Raises:
            OSError: The bytes are no readable image.
            PIL.Image.DecompressionBombError: It has too many pixels; it is not decoded.
        """
        if draw is not None and not self.augmentation.random:
            draw = None
        return self._by_pillow(image, draw) if self.decoder == "pillow" else self._fast(image, draw)

    def _by_pillow(self, image: bytes, draw: np.random.Generator | None) -> Tensor:
        picture = rgb(image)
        if self.sheet_mask:
            picture = Image.fromarray(mask_sheet(np.array(picture)))
        size, box = self._geometry(Size(*picture.size), draw)
        if box is not None or size != picture.size:
            picture = picture.resize(size, _FILTERS[self.spec.interpolation], box=box)
        if draw is None:
            picture = _centre_crop(picture, self.spec)
        pixels_CHW = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
        return pixels_CHW if draw is None else self.augmentation.turned(pixels_CHW, draw, self.spec.fill)

    def _fast(self, image: bytes, draw: np.random.Generator | None) -> Tensor:
        picture = FastPicture(image)
        size, box = self._geometry(picture.size, draw)
        left, top, right, bottom = box or (0, 0, *picture.size)
        pixels_HWC = picture.pixels(Size(math.ceil(right - left), math.ceil(bottom - top)), size)
        if self.sheet_mask:
            pixels_HWC = mask_sheet(pixels_HWC)
        if box is None:
            resized_CHW = _resize(pixels_HWC, size, self.spec.interpolation)
        elif draw is not None and pixels_HWC.shape[:2] == (picture.size.height, picture.size.width):
            part_HWC = pixels_HWC[int(top) : int(bottom), int(left) : int(right)]
            resized_CHW = _resize(part_HWC, size, self.spec.interpolation)
        else:
            resized_CHW = _resize_box(pixels_HWC, box, picture.size, size, self.spec.interpolation)
        if draw is None:
            return _centre_cut(resized_CHW, self.spec)
        return self.augmentation.turned(resized_CHW, draw, self.spec.fill)

    def _geometry(self, size: Size, draw: np.random.Generator | None) -> tuple[Size, Part | None]:
        """Return the size after resizing, and the part of the picture that is resized to it if not the whole."""
        if draw is None:
            resized = evaluation_size(size, self.spec)
            strip = resized.width * resized.height > _STRIP * self.spec.size[0] * self.spec.size[1]
            return _middle(size, resized, self.spec) if strip else (resized, None)
        height, width = self.spec.size
        return Size(width, height), self.augmentation.box(*size, draw)


def evaluation_size(size: Size, spec: PixelSpec) -> Size:
    """Return the size before the centre crop, to the pixel that of torchvision, open_clip and timm."""
    height, width = spec.size
    if spec.resize_mode == "squash":
        return Size(width, height)
    target_height, target_width = (math.floor(side / spec.crop_fraction) for side in (height, width))
    if spec.resize_mode == "shortest" and target_height == target_width:
        # The long side is rounded down, as in torchvision.
        if size.width <= size.height:
            return Size(target_width, int(target_width * size.height / size.width))
        return Size(int(target_width * size.width / size.height), target_width)
    fit = min if spec.resize_mode == "longest" else max
    factor = fit(target_width / size.width, target_height / size.height)
    return Size(max(1, round(size.width * factor)), max(1, round(size.height * factor)))


def _middle(size: Size, resized: Size, spec: PixelSpec) -> tuple[Size, Part]:
    """Return the centre crop as the part of the picture that it shows: a strip of few pixels is vast when resized."""
    height, width = spec.size
    left, top = round((resized.width - width) / 2.0), round((resized.height - height) / 2.0)
    wide, high = size.width / resized.width, size.height / resized.height
    right, bottom = min((left + width) * wide, size.width), min((top + height) * high, size.height)
    return Size(width, height), (left * wide, top * high, right, bottom)


def _centre_crop(picture: Image.Image, spec: PixelSpec) -> Image.Image:
    """Crop around the centre; what is too small is padded first."""
    height, width = spec.size
    if picture.width < width or picture.height < height:
        canvas = Image.new("RGB", (max(width, picture.width), max(height, picture.height)), (spec.fill,) * 3)
        canvas.paste(picture, ((canvas.width - picture.width) // 2, (canvas.height - picture.height) // 2))
        picture = canvas
    left, top = round((picture.width - width) / 2.0), round((picture.height - height) / 2.0)
    return picture.crop((left, top, left + width, top + height))


def _resize(pixels_HWC: Pixels, size: Size, interpolation: str) -> Tensor:
    """Return uint8 pixels (3, height, width): within a step or two of Pillow's filters, in a third of the time."""
    pixels_1CHW = torch.from_numpy(pixels_HWC).permute(2, 0, 1)[None]
    if pixels_HWC.shape[:2] != (size.height, size.width):
        shape = (size.height, size.width)
        pixels_1CHW = functional.interpolate(pixels_1CHW, size=shape, mode=interpolation, antialias=True)
    return pixels_1CHW[0].contiguous()


def _resize_box(pixels_HWC: Pixels, box: Part, whole: Size, size: Size, interpolation: str) -> Tensor:
    """Resize a part of a reduced picture; the box is told in pixels of the whole one and falls between pixels here.

    Pillow alone takes such a box; moving it onto the next pixels would cost more likeness than the reduction itself.
    """
    height, width, _ = pixels_HWC.shape
    left, right = (side * width / whole.width for side in box[0::2])
    top, bottom = (side * height / whole.height for side in box[1::2])
    picture = Image.fromarray(pixels_HWC).resize(size, _FILTERS[interpolation], box=(left, top, right, bottom))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def _centre_cut(pixels_CHW: Tensor, spec: PixelSpec) -> Tensor:
    """Crop pixels around the centre as `_centre_crop` does."""
    (height, width), (high, wide) = spec.size, pixels_CHW.shape[1:]
    if high < height or wide < width:
        missing, lacking = max(0, width - wide), max(0, height - high)
        sides = (missing // 2, missing - missing // 2, lacking // 2, lacking - lacking // 2)
        pixels_CHW = functional.pad(pixels_CHW, sides, value=spec.fill)
        high, wide = pixels_CHW.shape[1:]
    top, left = round((high - height) / 2.0), round((wide - width) / 2.0)
    return pixels_CHW[:, top : top + height, left : left + width].contiguous()
