"""Masks: numbers and their names, through prepare, tables and shards, whatever the picture's size becomes."""

import io
import json

import numpy as np
import pytest
from data.records import ListSource, record
from PIL import Image

from clipbio.data.masks import WHOLE, encode_numbers, mask_labels, masks_of, numbers_of, read_numbers
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder
from clipbio.data.sources.table import TableSource
from clipbio.data.sources.virtual import VirtualSource
from clipbio.errors import ClipbioError
from clipbio.virtual import PARTS

LABELS = {"1": "leaf", "2": "flower", "5": "tape"}


def numbers(height: int = 6, width: int = 8) -> np.ndarray:
    numbers_HW = np.zeros((height, width), np.uint8)
    numbers_HW[:3, :4], numbers_HW[:3, 4:], numbers_HW[3:, :4] = 1, 2, 5
    return numbers_HW


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def picture(width: int = 8, height: int = 6) -> bytes:
    return png(Image.new("RGB", (width, height), (200, 10, 10)))


def test_numbers_come_back_as_they_were_written() -> None:
    data = encode_numbers(numbers())
    assert Image.open(io.BytesIO(data)).mode == "P"
    assert np.array_equal(read_numbers(data), numbers())


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "RGBA", "LA"])
def test_a_mask_without_labels_shows_the_specimen_where_it_is_not_black(mode: str) -> None:
    seen_HW = numbers() > 1
    deep = mode == "I;16"
    image = Image.fromarray(seen_HW.astype(np.uint16) * 300 if deep else seen_HW.astype(np.uint8) * 255).convert(mode)
    masks = masks_of(record("a", mask=png(image)))
    assert list(masks) == [WHOLE]
    assert np.array_equal(masks[WHOLE], seen_HW)


@pytest.mark.parametrize("given", [LABELS, json.dumps(LABELS)])
@pytest.mark.parametrize("mode", ["P", "L"])
def test_labels_name_the_numbers(given: object, mode: str) -> None:
    data = encode_numbers(numbers()) if mode == "P" else png(Image.fromarray(numbers()))
    masks = masks_of(record("a", mask=data, metadata={"mask_labels": given}))
    assert list(masks) == ["leaf", "flower", "tape"]
    assert np.array_equal(masks["tape"], numbers() == 5)


def test_one_name_may_have_several_numbers_and_a_name_no_pixel() -> None:
    labels = {"1": "plant", "2": "plant", "9": "root"}
    masks = masks_of(record("a", mask=encode_numbers(numbers()), metadata={"mask_labels": labels}))
    assert np.array_equal(masks["plant"], numbers() % 5 > 0)
    assert not masks["root"].any()


def test_a_specimen_without_mask_has_none() -> None:
    assert masks_of(record("a", image=picture())) == {}


def test_masks_become_numbers_again_the_last_name_on_top() -> None:
    one_HW, other_HW = numbers() > 0, numbers() == 2
    together_HW = numbers_of({"flower": other_HW, "leaf": one_HW, "dust": ~one_HW}, ["leaf", "flower"])
    assert np.array_equal(together_HW, one_HW.astype(np.uint8) + other_HW)


@pytest.mark.parametrize("given", ["leaf", "[1]", {"a": "leaf"}, {"0": "paper"}, {"256": "leaf"}, {"1": " "}])
def test_labels_that_name_nothing_are_told(given: object) -> None:
    with pytest.raises(ClipbioError, match="mask_labels="):
        mask_labels({"mask_labels": given})


def test_a_broken_mask_is_told_with_its_specimen() -> None:
    with pytest.raises(ClipbioError, match="the mask of specimen 'a'"):
        masks_of(record("a", mask=b"no picture"))


@pytest.mark.parametrize("mode", ["P", "L"])
@pytest.mark.parametrize("max_side", [None, 4])
def test_masks_survive_prepare(tmp_path, mode: str, max_side: int | None) -> None:
    mask = encode_numbers(numbers()) if mode == "P" else png(Image.fromarray(numbers()))
    specimen = record("a", image=picture(), mask=mask, metadata={"mask_labels": LABELS})
    prepare(ListSource([specimen]), tmp_path / "out", progress=False, max_side=max_side)
    again = ShardFolder.open(tmp_path / "out").index("train").read(0)
    assert Image.open(io.BytesIO(again.mask)).mode == mode
    masks = masks_of(again)
    assert list(masks) == ["leaf", "flower", "tape"]
    small = numbers() if max_side is None else numbers()[1::2, 1::2]
    assert all(np.array_equal(masks[name], small == number) for name, number in (("leaf", 1), ("tape", 5)))


def test_masks_of_a_table_are_named_by_json(tmp_path, caplog) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "m.png").write_bytes(encode_numbers(numbers()))
    cell = json.dumps(LABELS).replace('"', '""')
    (tmp_path / "specimens.csv").write_text(f'specimen_id,image,mask,mask_labels\na,a.png,m.png,"{cell}"\n')
    masks = masks_of(next(iter(TableSource(tmp_path))))
    assert np.array_equal(masks["flower"], numbers() == 2)
    assert not caplog.text


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_that_is_stored_as_colours_has_numbers_and_colours_have_none(mode: str) -> None:
    grey = png(Image.fromarray(numbers()).convert(mode))
    masks = masks_of(record("a", mask=grey, metadata={"mask_labels": LABELS}))
    assert np.array_equal(masks["flower"], numbers() == 2)
    coloured = png(Image.fromarray(np.stack([numbers(), numbers() * 0, numbers()], axis=2)))
    with pytest.raises(ClipbioError, match=r"specimen 'a': it is coloured, .* a palette or grey PNG"):
        masks_of(record("a", mask=coloured, metadata={"mask_labels": LABELS}))
    assert np.array_equal(masks_of(record("a", mask=coloured))[WHOLE], numbers() > 0)


def test_virtual_sheets_come_with_masks_through_prepare(tmp_path) -> None:
    source = VirtualSource(3, 1, specimens_per_species=4, image_size=64, masks=True)
    prepare(source, tmp_path / "out", progress=False)
    first = next(iter(source))
    index = ShardFolder.open(tmp_path / "out").index(first.split)
    again = index.read(list(index.ids).index(first.id))
    assert again.mask == first.mask
    masks = masks_of(again)
    assert tuple(masks) == PARTS
    assert all(mask.shape == (64, 64) for mask in masks.values())
