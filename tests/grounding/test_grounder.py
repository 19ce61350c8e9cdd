"""Words are found where a planted model must see them, whatever the shape of the picture."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from planted_colours import colour_model, sheet

from clipbio.data.transforms import ImageTransform
from clipbio.errors import ClipbioError
from clipbio.grounding import Grounder, ground_description, overlay
from clipbio.grounding.heat import Heat, stretched
from clipbio.grounding.windows import map_size, painted, pyramid, seen, tiled
from clipbio.models import ImageSpec
from clipbio.traits import alternatives

SPEC = ImageSpec(size=(32, 32), mean=(0.5, 0.5, 0.5), std=(1, 1, 1), interpolation="bicubic")


def spec_of(**changes):
    import dataclasses

    return dataclasses.replace(SPEC, **changes)


def inside(peak, left, top):
    return left <= peak.x <= left + 16 and top <= peak.y <= top + 16


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (128, 64), (64, 96)])
@pytest.mark.parametrize("scoring", ["softmax", "margin", "contribution", "contrast"])
def test_a_colour_is_found_where_it_is(mode, width, height, scoring):
    picture = sheet(width, height, red=(width - 24, 8), green=(8, height - 24))
    grounder = Grounder(colour_model(resize_mode=mode, fill=255), scoring=scoring, image_size=128)
    heat = grounder.heat(picture, ["red", "green"], distractors=["white"])
    assert heat.method == "conv"
    assert heat.size == (width, height)
    assert heat.maps_TYX.shape == (2, *map_size((width, height), 128))
    assert heat.maps_TYX.min() >= 0
    assert heat.maps_TYX.max() <= 1
    assert inside(heat.peak(0), width - 24, 8)
    assert inside(heat.peak(1), 8, height - 24)
    left, top, right, bottom = heat.box(0)
    assert left < width - 16 < right
    assert top < 16 < bottom


@pytest.mark.parametrize("tiles", [1, 2, 3])
def test_tiles_and_crops_find_it_too(tiles):
    picture = sheet(96, 64, red=(72, 40), blue=(8, 8))
    for method in ("conv", "crop"):
        heat = Grounder(colour_model(), method=method, tiles=tiles, levels=4, image_size=64).heat(
            picture, ["red", "blue"]
        )
        assert inside(heat.peak(0), 72, 40)
        assert inside(heat.peak(1), 8, 8)


def test_another_word_gives_another_map_but_saliency_does_not_read():
    picture = sheet(red=(0, 0), green=(40, 40))
    heat = Grounder(colour_model()).heat(picture, ["red", "green"])
    assert np.abs(heat.maps_TYX[0] - heat.maps_TYX[1]).max() > 0.5
    blind = Grounder(colour_model(), method="saliency").heat(picture, ["red", "green"])
    assert np.array_equal(blind.maps_TYX[0], blind.maps_TYX[1])


def test_a_contrast_is_the_share_of_a_place_above_the_mean_of_other_states():
    picture, text = sheet(red=(8, 8), green=(40, 40)), "flowers red"
    grounder = Grounder(colour_model(), scoring="contrast", image_size=32)
    heat = grounder.heat(picture, [text, "leaves", text], distractors=["white"])
    assert np.array_equal(heat.maps_TYX[0], heat.maps_TYX[2])
    own, others = (grounder.scores(picture, grounder.encode(one)) for one in ([text], alternatives(text, most=12)))
    above_YX = own[0] - others.mean(dim=0)
    expected = stretched((above_YX - above_YX.quantile(0.75)).clamp(min=0).numpy())
    assert np.allclose(heat.maps_TYX[0], expected, atol=1e-5)
    # What tells no state is compared with the other texts, as without contrast.
    plain = Grounder(colour_model(), scoring="contribution", image_size=32)
    beside = plain.heat(picture, [text, "leaves", text], distractors=["white"])
    assert np.array_equal(heat.maps_TYX[1], beside.maps_TYX[1])
    assert not np.allclose(heat.maps_TYX[0], beside.maps_TYX[0], atol=0.01)
    assert Grounder(colour_model()).scoring == "contrast"


def test_a_network_without_positions_looks_at_twice_the_pixels():
    model = colour_model()
    assert Grounder(model).sides == Grounder(model, method="saliency").sides == (64, 64)
    assert Grounder(model, method="crop").sides == (32, 32)
    assert Grounder(model, image_size=32).sides == (32, 32)


def test_softmax_shares_of_texts_and_distractors_sum_to_at_most_one():
    heat = Grounder(colour_model(), scoring="softmax").heat(sheet(red=(8, 8)), ["red", "green"], distractors=["blue"])
    total = heat.maps_TYX.sum(axis=0)
    assert total.max() < 1
    assert total.min() > 0


def test_encoded_pictures_are_read_and_threads_agree():
    picture, buffer = sheet(red=(40, 8)), io.BytesIO()
    picture.save(buffer, "PNG")
    grounder = Grounder(colour_model())
    alone = grounder.heat(buffer.getvalue(), ["red"]).maps_TYX
    with ThreadPoolExecutor(4) as pool:
        for heat in pool.map(lambda _: grounder.heat(picture, ["red"]), range(8)):
            assert np.array_equal(heat.maps_TYX, alone)


def test_phrases_of_a_description_are_linked_to_places():
    text = "Leaves green, opposite. Flowers red, solitary; fruit a blue berry. Without spots."
    linked = ground_description(
        Grounder(colour_model(), image_size=128), sheet(red=(8, 8), green=(40, 8), blue=(8, 40)), text
    )
    where = {text[span.start : span.end]: linked.heat.peak(number) for number, span in enumerate(linked.spans)}
    assert inside(where["red"], 8, 8)
    assert inside(where["green"], 40, 8)
    assert inside(where["blue"], 8, 40)
    assert ground_description(Grounder(colour_model()), sheet(), "It sings at dawn.").heat is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "sclip"}, "method=sclip does not go with a Cells: take conv, crop"),
        ({"method": "crops"}, "did you mean 'crop'"),
        ({"scoring": "cosin"}, "did you mean 'cosine'"),
        ({"temperature": 0.0}, "temperature=0.0 must be above 0"),
        ({"tiles": 9}, "tiles=9 must lie between 1 and 8"),
        ({"image_size": 4096}, "image_size=4096 must lie between 16 and 1024"),
    ],
)
def test_what_cannot_be_done_is_told(settings, message):
    with pytest.raises(ClipbioError, match=message):
        Grounder(colour_model(), **settings)


def test_bad_questions_and_pictures_are_told():
    grounder = Grounder(colour_model())
    with pytest.raises(ClipbioError, match="give 1 to 252 texts"):
        grounder.heat(sheet(), [])
    with pytest.raises(ClipbioError, match="the picture cannot be read"):
        grounder.heat(b"no picture", ["red"])
    with pytest.raises(ClipbioError, match=r"needs \d+ windows with tiles=1, more than 256"):
        grounder.heat(Image.new("RGB", (4000, 4)), ["red"])


def test_softmax_needs_something_beside_a_text_that_is_not_the_text():
    grounder = Grounder(colour_model(), scoring="softmax")
    with pytest.raises(ClipbioError, match="there is one alone: give distractors, or take scoring=cosine"):
        grounder.heat(sheet(red=(8, 8)), ["red"], distractors=["red"])
    heat, same = (
        grounder.heat(sheet(red=(8, 8)), ["red"], distractors=beside) for beside in (["green"], ["red", "green"])
    )
    assert np.array_equal(heat.maps_TYX, same.maps_TYX)


@pytest.mark.parametrize("size", [(20_000, 2), (1, 20_000), (1, 1)])
def test_a_strip_is_padded_when_it_is_small(size):
    """A square of its longer side would take a gigabyte."""
    spec = spec_of(resize_mode="longest", fill=7)
    picture, buffer = Image.new("RGB", size, (200, 10, 10)), io.BytesIO()
    picture.save(buffer, "PNG")
    (pixels,) = seen(picture, tiled(size, spec), spec, spec.size)
    assert torch.equal(pixels, ImageTransform(spec, decoder="pillow")(buffer.getvalue()))


def test_a_window_of_a_square_shows_what_the_transform_shows():
    picture, buffer = Image.effect_noise((70, 70), 60).convert("RGB"), io.BytesIO()
    picture.save(buffer, "PNG")
    for mode in ("shortest", "squash", "longest"):
        spec = spec_of(resize_mode=mode)
        (window,) = tiled(picture.size, spec)
        expected = ImageTransform(spec, decoder="pillow")(buffer.getvalue())
        assert torch.equal(seen(picture, [window], spec, spec.size)[0], expected)


def test_windows_cover_a_picture_and_padding_is_filled():
    for size in ((100, 40), (40, 100), (64, 64)):
        for windows in (tiled(size, SPEC, 2), *pyramid(size, 3)):
            assert min(one.left for one in windows) == pytest.approx(0)
            assert max(one.right for one in windows) == pytest.approx(size[0])
            assert max(one.bottom for one in windows) == pytest.approx(size[1])
    spec = spec_of(resize_mode="longest", fill=7)
    (window,) = tiled((32, 16), spec)
    pixels = seen(Image.new("RGB", (32, 16), (200, 200, 200)), [window], spec, (32, 32))[0]
    assert (pixels[:, :8] == 7).all()
    assert (pixels[:, 8:24] == 200).all()


def test_painting_puts_cells_where_their_window_lies():
    scores = torch.zeros(2, 1, 2, 2)
    scores[0, 0, 0, 0], scores[1, 0, 1, 1] = 1.0, 3.0
    windows = [*tiled((64, 32), spec_of(size=(32, 32)))][::2]
    map_ = painted(scores, windows, (64, 32), (32, 64))[0]
    assert map_.shape == (32, 64)
    assert map_[8, 8] == pytest.approx(1, abs=0.1)
    assert map_[24, 56] == pytest.approx(3, abs=0.2)
    assert map_[24, 8] == pytest.approx(0, abs=0.1)


def test_overlay_is_a_png_of_bounded_size_that_marks_the_peak():
    picture = sheet(red=(40, 8))
    heat = Grounder(colour_model()).heat(picture, ["red"])
    drawn = Image.open(io.BytesIO(overlay(picture, heat, side=100_000, box=True, peak=True)))
    assert drawn.format == "PNG"
    assert drawn.size == (2048, 2048)
    small = np.asarray(Image.open(io.BytesIO(overlay(picture, heat, side=64))), float)
    hot, cold = small[14:18, 46:50].sum(axis=2).std(), np.ptp(small[50:, :10], axis=2).max()
    assert cold < 60 < np.ptp(small[14:18, 46:50], axis=2).max()
    assert hot >= 0


def test_a_flat_map_is_no_peak_of_its_own():
    heat = Heat(("x",), np.full((1, 4, 4), 0.25, np.float32), (8, 8), "conv", "softmax")
    assert heat.box(0) == (0, 0, 8, 8)
    assert heat.peak(0).heat == 0.25
    assert (stretched(heat.maps_TYX[0]) == 1).all()
