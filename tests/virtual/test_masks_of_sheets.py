"""What each pixel of a sheet shows: the pictures stay what they are, and what lies on top hides what lies below."""

import io

import numpy as np
import pytest
from PIL import Image

from clipbio.virtual import PARTS, VirtualHerbarium

SMALL = {"num_species": 12, "num_unseen": 4, "specimens_per_species": 4, "image_size": 96, "seed": 1}
NUMBER = {part: number for number, part in enumerate(PARTS, 1)}


@pytest.fixture(scope="module")
def masked():
    return VirtualHerbarium(**SMALL, masks=True)


def test_pictures_are_the_same_with_and_without_masks(masked):
    plain = VirtualHerbarium(**SMALL)
    assert plain.sheets == masked.sheets
    for sheet in plain.sheets[:20]:
        one, other = plain.draw(sheet), masked.draw(sheet)
        assert one.image == other.image
        assert one.truth == other.truth
        assert one.numbers_HW is None
        assert other.numbers_HW.shape == (96, 96)


def test_every_part_is_on_every_sheet(masked):
    for sheet in masked.sheets[:20]:
        found = set(np.unique(masked.draw(sheet).numbers_HW))
        assert found == set(range(len(PARTS) + 1))


def test_a_sheet_without_label_has_none():
    herbarium = VirtualHerbarium(**SMALL, masks=True, label="none")
    assert NUMBER["label"] not in herbarium.draw(herbarium.sheets[0]).numbers_HW


def test_what_is_on_top_hides_what_is_below(masked):
    """The label covers all of its rectangle, whatever plant reaches under it; tape lies on the stem."""
    for sheet in masked.sheets[:20]:
        numbers_HW = masked.draw(sheet).numbers_HW
        rows, columns = np.nonzero(numbers_HW == NUMBER["label"])
        part = numbers_HW[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (part == NUMBER["label"]).all()
        assert len(rows) == pytest.approx(0.345 * 0.18 * 96 * 96, rel=0.1)


def test_masks_lie_where_the_colours_are(masked):
    """Leaves differ from paper in the picture where the mask has them, and paper does not where it has none."""
    for sheet in masked.sheets[:20]:
        drawn = masked.draw(sheet)
        pixels = np.asarray(Image.open(io.BytesIO(drawn.image))).astype(int)
        paper = np.median(pixels[drawn.numbers_HW == 0], axis=0)
        distance_HW = np.abs(pixels - paper).max(axis=2)
        leaf_n, paper_n = (distance_HW[drawn.numbers_HW == number] for number in (NUMBER["leaf"], 0))
        assert np.median(leaf_n) > 25  # cream spots and margins are near to paper
        assert np.percentile(paper_n, 90) < 25
