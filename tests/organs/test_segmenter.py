"""The segmenter: its views, its loss, its files, and what it makes of pictures."""

import io

import numpy as np
import pytest
import torch
from data.records import ListSource, record
from PIL import Image

from clipbio.data.masks import encode_numbers
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder
from clipbio.data.splits import SplitRows, whole_split
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.errors import ClipbioError
from clipbio.models.trunks import ImageSpec
from clipbio.organs import SegmenterOptions, load_segmenter
from clipbio.organs.seeing import on_picture, prior_numbers, sight
from clipbio.organs.segmenter import save_segmenter
from clipbio.organs.training import fitting_prior, segmentation_loss
from clipbio.organs.views import UNKNOWN, OrganViews, check_labels, check_masks, masked

LABELS = {"1": "leaf", "2": "flower"}
SMALL = SegmenterOptions(encoder="test_efficientnet", image_size=32, decoder_channels=(8, 8, 8, 8, 8))
SPEC = ImageSpec(size=(32, 32), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear", resize_mode="longest")


def numbers(place: int) -> np.ndarray:
    numbers_HW = np.zeros((40, 60), np.uint8)
    numbers_HW[5 : 15 + place, 10:30], numbers_HW[20:35, 35:55] = 1, 2
    return numbers_HW


def sheet(place: int, *, masked: bool = True) -> object:
    colours = np.array([[230, 230, 220], [20, 120, 30], [220, 20, 30]], np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colours[numbers(place)]).save(buffer, "PNG")
    mask = encode_numbers(numbers(place)) if masked else None
    return record(f"s{place}", image=buffer.getvalue(), mask=mask, metadata={"mask_labels": LABELS} if masked else {})


@pytest.fixture
def split(tmp_path) -> SplitRows:
    prepare(ListSource([sheet(place) for place in range(5)]), tmp_path / "shards", progress=False)
    return whole_split(ShardFolder.open(tmp_path / "shards"), "train")


def views(split: SplitRows, augmentation: Augmentation | None, *, seed: int = 0, length: int = 10) -> OrganViews:
    return OrganViews(split, ["leaf", "flower"], ImageTransform(SPEC, augmentation), length=length, seed=seed)


@pytest.mark.parametrize("augmentation", [None, Augmentation(scale=(0.3, 1), flip=0.5, vertical_flip=0.5)])
def test_a_mask_follows_its_picture(split: SplitRows, augmentation: Augmentation | None) -> None:
    for pixels_3hw, numbers_hw in (views(split, augmentation)[place] for place in range(10)):
        red_hw, green_hw = pixels_3hw[0].int(), pixels_3hw[1].int()
        seen_hw = (red_hw > 190) & (green_hw < 60), (red_hw < 60) & (green_hw > 90)
        for number, one_hw in zip((2, 1), seen_hw, strict=True):
            assert (numbers_hw[one_hw] == number).float().mean() > 0.97
            assert one_hw[numbers_hw == number].float().mean() > 0.7


def test_views_are_a_function_of_the_seed_and_each_epoch_shows_all(split: SplitRows) -> None:
    augmentation = Augmentation(scale=(0.3, 1), flip=0.5)
    one, same, other = (views(split, augmentation, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[place][0], same[place][0]) for place in (9, 0, 4))
    assert not torch.equal(one[0][0], other[0][0])
    assert {one._row(place) for place in range(5)} == {one._row(place) for place in range(5, 10)} == set(range(5))


def test_a_specimen_without_mask_teaches_nothing(tmp_path) -> None:
    prepare(ListSource([sheet(0, masked=False)]), tmp_path / "shards", progress=False)
    split = whole_split(ShardFolder.open(tmp_path / "shards"), "train")
    assert (views(split, None)[0][1] == UNKNOWN).all()
    with pytest.raises(ClipbioError, match="no specimen of 'train' has a mask"):
        check_masks(split)


def test_a_broken_picture_teaches_nothing_and_is_named(tmp_path, caplog) -> None:
    whole, buffer = Image.effect_noise((60, 40), 60), io.BytesIO()
    whole.save(buffer, "JPEG")
    cut = buffer.getvalue()[: buffer.getvalue().index(b"\xff\xda") + 40]
    broken = record("broken", image=cut, mask=encode_numbers(numbers(0)), metadata={"mask_labels": LABELS})
    prepare(ListSource([sheet(0), broken]), tmp_path / "shards", progress=False)
    split = whole_split(ShardFolder.open(tmp_path / "shards"), "train")
    assert sorted(bool((views(split, None)[place][1] == UNKNOWN).all()) for place in range(2)) == [False, True]
    assert "specimen 'broken' teaches nothing" in caplog.text
    segmenter = SMALL.build(["leaf", "flower"])
    seen = sight(segmenter, split, ImageTransform(SPEC), batch_size=2, device=torch.device("cpu"), progress=False)
    assert [one.specimen.id for one in seen] == ["s0"]
    assert "specimen 'broken' is left out" in caplog.text


def test_the_few_that_have_a_mask_are_found(tmp_path) -> None:
    source = ListSource([sheet(place, masked=place == 3) for place in range(5)])
    prepare(source, tmp_path / "shards", progress=False)
    found = masked(whole_split(ShardFolder.open(tmp_path / "shards"), "train"), progress=False)
    assert [found.index.ids[int(row)] for row in found.rows] == ["s3"]
    assert check_masks(found) == ("leaf", "flower")


def test_turning_is_refused(split: SplitRows) -> None:
    with pytest.raises(ClipbioError, match=r"augmentation\.rotation"):
        views(split, Augmentation(rotation=5))


def test_labels_are_those_of_the_masks(split: SplitRows) -> None:
    found = check_masks(split)
    assert found == ("leaf", "flower")
    assert check_labels(None, found) == found
    assert check_labels(["flower"], found) == ("flower",)
    with pytest.raises(ClipbioError, match="no 'root'; they have leaf, flower"):
        check_labels(["root"], found)


def test_the_loss_is_least_where_the_answer_is_right() -> None:
    truth_Bhw = torch.randint(0, 3, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    right_BKhw = 20 * torch.nn.functional.one_hot(truth_Bhw, 3).movedim(-1, 1).float()
    assert segmentation_loss(right_BKhw, truth_Bhw) < 1e-3
    assert segmentation_loss(torch.zeros(2, 3, 8, 8), truth_Bhw) > 1
    half_Bhw = truth_Bhw.clone()
    half_Bhw[:, :, 4:] = UNKNOWN
    wrong_BKhw = right_BKhw.clone()
    wrong_BKhw[..., 4:] = wrong_BKhw[..., 4:].roll(1, 1)
    assert segmentation_loss(wrong_BKhw, half_Bhw) < 1e-3
    nothing = segmentation_loss(wrong_BKhw.requires_grad_(), torch.full_like(truth_Bhw, UNKNOWN))
    nothing.backward()
    assert nothing == 0


def test_the_prior_is_the_best_single_mask() -> None:
    masks_NLhw = torch.rand(20, 2, 3, 3, generator=torch.Generator().manual_seed(0)) < torch.rand(3, 3)
    prior_Lhw = fitting_prior(masks_NLhw.sum(0), 20)

    def iou(answer_hw: torch.Tensor, label: int) -> float:
        own_Nhw = masks_NLhw[:, label]
        return float((own_Nhw & answer_hw).sum() / (own_Nhw | answer_hw).sum())

    every = [torch.tensor([int(bit) for bit in f"{code:09b}"]).view(3, 3).bool() for code in range(512)]
    for label in range(2):
        assert iou(prior_Lhw[label], label) == pytest.approx(max(iou(answer_hw, label) for answer_hw in every))


def test_a_segmenter_survives_its_file(tmp_path) -> None:
    segmenter = SMALL.build(["leaf", "flower"]).eval()
    segmenter.prior_Lhw[1, 3:9] = True
    pixels_B3hw = torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8)
    save_segmenter(segmenter, tmp_path / "run" / "checkpoints" / "last.ckpt", config={})
    again = load_segmenter(tmp_path / "run")
    assert (again.labels, again.spec) == (segmenter.labels, segmenter.spec)
    assert torch.equal(again.probabilities(pixels_B3hw), segmenter.probabilities(pixels_B3hw))
    assert torch.equal(again.prior_Lhw, segmenter.prior_Lhw)
    assert again.probabilities(pixels_B3hw).sum(dim=1).allclose(torch.ones(2, 32, 32))


def test_encoders_start_from_weights_of_timm(tmp_path) -> None:
    import timm
    from safetensors.torch import save_file

    whole = timm.create_model("test_efficientnet")
    save_file(whole.state_dict(), tmp_path / "weights.safetensors")
    options = SegmenterOptions(encoder="test_efficientnet", weights=str(tmp_path / "weights.safetensors"))
    segmenter = options.build(["leaf"])
    assert torch.equal(segmenter.network.encoder.model.conv_stem.weight, whole.conv_stem.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 100}, "multiple of 32"),
        ({"decoder_channels": (8, 8)}, "must hold 5 widths"),
        ({"encoder": "tf_efficientnet_lite"}, "did you mean"),
        ({"encoder": "test_vit"}, "makes no U-Net"),
    ],
)
def test_impossible_segmenters_are_told(settings: dict, message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        SegmenterOptions(**settings).build(["leaf"])


def test_checkpoints_of_other_things_are_told(tmp_path) -> None:
    torch.save({"clipbio": {"format": 2}, "state_dict": {}}, tmp_path / "a.ckpt")
    with pytest.raises(ClipbioError, match="is no segmenter of organs"):
        load_segmenter(tmp_path / "a.ckpt")


def test_the_most_probable_class_is_seen_in_the_pixels_of_the_picture() -> None:
    segmenter = SMALL.build(["leaf", "flower"])
    probability_Khw = np.full((3, 32, 32), 0.2, np.float32)
    probability_Khw[0, :, :16], probability_Khw[2, :, 16:] = 0.6, 0.6
    numbers_HW = on_picture(probability_Khw, (100, 50), segmenter)
    assert numbers_HW.shape == (50, 100)
    assert (numbers_HW[:, :45] == 0).all()
    assert (numbers_HW[:, 55:] == 2).all()
    segmenter.prior_Lhw[0, :, :8] = True
    leaf_HW, flower_HW = prior_numbers(segmenter, (100, 50))
    assert leaf_HW[:, :23].all()
    assert not leaf_HW[:, 27:].any()
    assert not flower_HW.any()


def test_all_specimens_of_a_split_are_seen(split: SplitRows) -> None:
    segmenter = SMALL.build(["leaf", "flower"])
    transform = ImageTransform(segmenter.spec)
    device = torch.device("cpu")
    seen = list(sight(segmenter, split, transform, batch_size=2, device=device, progress=False))
    assert [one.specimen.id for one in seen] == [f"s{place}" for place in range(5)]
    assert all(one.size == (60, 40) and one.numbers_HW.shape == (40, 60) for one in seen)
