"""Masks in the view of a model, and maps back in the picture: both as the pixels themselves are."""

import io

import numpy as np
import pytest
from data.test_transforms import Spec
from PIL import Image

from clipbio.data.transforms import ImageTransform
from clipbio.data.views import frame_of, into_view, onto_picture

SIZES = [(64, 64), (160, 96), (96, 161), (400, 64), (40, 50)]
MODES = ["shortest", "squash", "longest"]


def spot(width: int, height: int) -> np.ndarray:
    """A mask of one rectangle inside of the middle square."""
    mask_HW = np.zeros((height, width), np.uint8)
    side = min(width, height)
    top, left = (height - side) // 2 + side // 8, (width - side) // 2 + side // 4
    mask_HW[top : top + side // 3, left : left + side // 2] = 1
    return mask_HW


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("crop", [1.0, 0.875])
def test_a_mask_goes_where_its_picture_goes(size: tuple[int, int], mode: str, crop: float) -> None:
    mask_HW, spec = spot(*size), Spec(size=(32, 32), resize_mode=mode, crop_fraction=crop)
    buffer = io.BytesIO()
    Image.fromarray(mask_HW * 255).convert("RGB").save(buffer, "PNG")
    seen_hw = ImageTransform(spec, decoder="pillow")(buffer.getvalue())[0].numpy()
    ours_hw = into_view(mask_HW, spec)
    assert ours_hw.dtype == np.uint8
    clear_hw = (seen_hw < 60) | (seen_hw > 195)  # at the rim the picture is grey
    assert clear_hw.mean() > 0.8
    assert np.array_equal(ours_hw[clear_hw] > 0, seen_hw[clear_hw] > 128)


@pytest.mark.parametrize("size", [size for size in SIZES if size != (400, 64)])  # so few pixels high in the view
@pytest.mark.parametrize("mode", MODES)
def test_a_map_comes_back_to_where_its_mask_was(size: tuple[int, int], mode: str) -> None:
    mask_HW, spec = spot(*size), Spec(size=(64, 64), resize_mode=mode)
    map_hw = into_view(mask_HW, spec).astype(np.float32)
    back_HW = onto_picture(map_hw, size, spec)
    assert back_HW.shape == mask_HW.shape
    overlap = ((back_HW > 0.5) & (mask_HW > 0)).sum() / ((back_HW > 0.5) | (mask_HW > 0)).sum()
    assert overlap > 0.8


def test_what_was_not_seen_is_filled() -> None:
    whole_HW = onto_picture(np.ones((7, 7)), (200, 100), Spec(), fill=-1)
    assert (whole_HW[:, :50] == -1).all()
    assert (whole_HW[:, 50:150] == 1).all()


def test_between_cells_a_map_is_linear() -> None:
    whole_HW = onto_picture(np.array([[0.0, 1.0], [0.0, 1.0]]), (8, 8), Spec())
    assert np.allclose(whole_HW[3], [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])


def test_a_frame_reaches_beyond_a_padded_picture() -> None:
    assert frame_of((200, 100), Spec(resize_mode="longest")) == (0, -50, 200, 150)
    assert frame_of((200, 100), Spec()) == (50, 0, 150, 100)


def test_padding_of_a_view_is_background() -> None:
    seen_hw = into_view(np.ones((100, 200), np.uint8), Spec(resize_mode="longest"))
    assert seen_hw[8:24].all()
    assert not seen_hw[:8].any()
    assert not seen_hw[24:].any()
