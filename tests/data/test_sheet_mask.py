"""What is painted over on herbarium sheets, and what is left: on the virtual herbarium and on drawn sheets."""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import islice

import numpy as np
import pytest
from PIL import Image, ImageDraw
from test_decoding import photo
from test_transforms import Spec

from clipbio.data.decoding import Pixels
from clipbio.data.sheet_mask import mask_sheet
from clipbio.data.sources import VirtualSource
from clipbio.data.transforms import ImageTransform
from clipbio.virtual import sheet

CARDS = ("_draw_label", "_draw_ruler", "_draw_colour_card")
PLANT = ("_draw_plant", "_draw_flower_card", "_draw_fruits", "_draw_wear", "_draw_tape")
PAPER = (226, 216, 196)


def virtual_sheets(count: int, without: Iterable[str] = ()) -> list[Pixels]:
    """Return sheets of the virtual herbarium, drawn without some of their parts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in without:
            patch.setattr(sheet, name, lambda *args, **kwargs: None)
        source = VirtualSource(8, 1, specimens_per_species=4, descriptions_per_species=1, image_size=600)
        return [np.array(Image.open(io.BytesIO(one.image)).convert("RGB")) for one in islice(source, count)]


def differs(one: Pixels, other: Pixels, by: int) -> np.ndarray:
    return (np.abs(one.astype(int) - other) > by).any(axis=2)


def test_cards_of_virtual_sheets_are_covered_and_plants_are_not() -> None:
    covered, kept = [], []
    drawn = zip(virtual_sheets(8), virtual_sheets(8, CARDS), virtual_sheets(8, (*CARDS, *PLANT)), strict=True)
    for whole, without_cards, blank in drawn:
        cards = differs(whole, without_cards, 25)
        plant = differs(without_cards, blank, 40) & ~cards
        assert min(cards.mean(), plant.mean()) > 0.03
        changed = differs(mask_sheet(whole.copy()), whole, 0)
        covered.append(changed[cards].mean())
        kept.append(1 - changed[plant].mean())
    assert np.mean(covered) > 0.95
    assert np.mean(kept) > 0.99


def drawn_sheet(*, size: tuple[int, int] = (900, 1260), tilt: float = 0.0, plant: bool = True) -> tuple[Pixels, Pixels]:
    """Return a sheet with a plant, a label that may lie askew, a ruler and a grid of swatches, and one without cards."""
    noise = np.random.default_rng(0).normal(0, 3, (size[1], size[0], 1))
    picture = Image.new("RGB", size, PAPER)
    if plant:
        pen = ImageDraw.Draw(picture)
        pen.line([(400, 1000), (420, 300)], fill=(90, 110, 60), width=10)
        for height in range(350, 900, 90):
            pen.ellipse((240, height, 410, height + 60), fill=(70, 100, 50))
            pen.ellipse((415, height + 20, 600, height + 90), fill=(100, 120, 60))
    bare = picture.copy()
    label = Image.new("RGB", (260, 150), (250, 249, 244))
    pen = ImageDraw.Draw(label)
    for row in range(5):
        pen.text((12, 10 + 26 * row), "Quercus robur L. leg. 1887", fill=(30, 30, 30), font_size=18)
    turned = label.rotate(tilt, expand=True)
    picture.paste(turned, (610, 1050), Image.new("L", label.size, 255).rotate(tilt, expand=True))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((40, 1190, 440, 1225), fill=(245, 245, 245))
    for tick in range(0, 400, 80):
        pen.rectangle((40 + tick, 1190, 80 + tick, 1206), fill=(20, 20, 20))
    for number in range(8):
        colour = tuple(int(value) for value in np.random.default_rng(number).integers(0, 255, 3))
        left, top = 640 + 50 * (number % 4), 40 + 50 * (number // 4)
        pen.rectangle((left, top, left + 49, top + 49), fill=colour)
    with_noise = [np.clip(np.asarray(one) + noise, 0, 255).astype(np.uint8) for one in (picture, bare)]
    return with_noise[0], with_noise[1]


@pytest.mark.parametrize("tilt", [0.0, 4.0, -7.0])
def test_a_label_may_lie_askew(tilt: float) -> None:
    whole, bare = drawn_sheet(tilt=tilt)
    changed, cards = differs(mask_sheet(whole.copy()), whole, 0), differs(whole, bare, 20)
    assert changed[cards].mean() > 0.97
    assert changed[~cards & differs(bare, np.full_like(bare, PAPER), 30)].mean() < 0.01


def test_what_is_covered_looks_like_paper() -> None:
    whole, bare = drawn_sheet()
    masked = mask_sheet(whole.copy())
    assert np.abs(masked.astype(int) - bare).mean() < 3
    assert np.abs(masked.astype(int) - np.asarray(PAPER))[1060:1190, 620:860].mean() < 4


def test_a_sheet_without_cards_stays_as_it_is() -> None:
    _, bare = drawn_sheet()
    assert np.array_equal(mask_sheet(bare.copy()), bare)


@pytest.mark.parametrize("seed", range(4))
def test_pictures_that_are_no_sheets_stay_as_they_are(seed: int) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(photo(400, 300, seed=seed))).convert("RGB"))
    assert np.array_equal(mask_sheet(pixels), pixels)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (40, 2)])
@pytest.mark.parametrize("grey", [0, 200, 255])
def test_odd_pictures_pass(size: tuple[int, int], grey: int) -> None:
    pixels = np.full((*size, 3), grey, np.uint8)
    assert np.array_equal(mask_sheet(pixels), pixels)


@pytest.mark.parametrize("decoder", ["fast", "pillow"])
def test_the_transform_masks_before_it_crops(decoder: str) -> None:
    whole, bare = drawn_sheet()
    encoded = []
    for pixels in (whole, bare):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
        encoded.append(buffer.getvalue())
    masked = ImageTransform(Spec(resize_mode="squash"), decoder=decoder, sheet_mask=True)
    plain = ImageTransform(Spec(resize_mode="squash"), decoder=decoder)
    assert (masked(encoded[0]).float() - plain(encoded[1]).float()).abs().mean() < 0.5
    assert (plain(encoded[0]).float() - plain(encoded[1]).float()).abs().mean() > 2
    assert masked.identity != plain.identity
