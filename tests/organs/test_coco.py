"""COCO files: what is written is what is read, and what others wrote in any form."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coder
from pycocotools.coco import COCO
from scipy import ndimage

from clipbio.errors import ClipbioError
from clipbio.organs.coco import ANNOTATIONS, CocoWriter, read_coco
from clipbio.organs.instances import Box, instances_of, outlines

LABELS = ("leaf", "flower")


def blobs(seed: int = 0, shape: tuple[int, int] = (24, 31)) -> dict[str, np.ndarray]:
    noise_LHW = np.random.default_rng(seed).normal(size=(2, *shape))
    smooth_LHW = np.stack([ndimage.gaussian_filter(one, 1.5) for one in noise_LHW])
    leaf_HW = smooth_LHW[0] > 0.1
    return {"leaf": leaf_HW, "flower": (smooth_LHW[1] > 0.1) & ~leaf_HW}


def annotated(marks: list[dict], size: tuple[int, int] = (6, 4)) -> dict:
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "width": size[0], "height": size[1]}],
        "annotations": [{"id": 1 + n, "image_id": 7, "category_id": 3, **mark} for n, mark in enumerate(marks)],
        "categories": [{"id": 3, "name": "leaf"}],
    }


def read_marks(folder: Path, *marks: dict) -> np.ndarray:
    (folder / ANNOTATIONS).write_text(json.dumps(annotated(list(marks))))
    labels, pictures = read_coco(folder / ANNOTATIONS)
    assert labels == ("leaf",)
    return pictures[0].masks()["leaf"]


@pytest.mark.parametrize("seed", range(5))
def test_instances_are_the_pieces_of_a_mask(seed: int) -> None:
    masks = blobs(seed)
    found = instances_of(masks)
    for label, mask_HW in masks.items():
        own = [one for one in found if one.label == label]
        assert np.array_equal(np.sum([one.whole(mask_HW.shape) for one in own], axis=0), mask_HW)
        assert [one.area for one in own] == sorted((one.area for one in own), reverse=True)
        assert len(own) == ndimage.label(mask_HW, np.ones((3, 3)))[1]


def test_specks_are_no_instances() -> None:
    mask_HW = np.zeros((10, 10), bool)
    mask_HW[2:6, 3:9] = mask_HW[9, 0] = True
    (only,) = instances_of({"leaf": mask_HW}, least_share=0.02)
    assert only.box == Box(3, 2, 6, 4)


@pytest.mark.parametrize("seed", range(5))
def test_outlines_are_exact_but_for_holes(seed: int) -> None:
    for one in instances_of(blobs(seed)):
        rings = coder.merge(coder.frPyObjects(outlines(one), 24, 31))
        assert np.array_equal(coder.decode(rings), ndimage.binary_fill_holes(one.whole((24, 31))))


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_come_back_as_they_were(tmp_path: Path, seed: int) -> None:
    writer, masks = CocoWriter(LABELS), blobs(seed)
    writer.add("a.jpg", (31, 24), instances_of(masks))
    writer.write(tmp_path)
    labels, (picture,) = read_coco(tmp_path / ANNOTATIONS)
    assert (labels, picture.file_name, picture.size) == (LABELS, "a.jpg", (31, 24))
    back = picture.masks()
    assert all(np.array_equal(back[label], masks[label]) for label in LABELS)


def test_others_read_what_is_written(tmp_path: Path, capsys) -> None:
    for form in ("rle", "polygon"):
        writer, masks = CocoWriter(LABELS, form), blobs()
        writer.add("a.jpg", (31, 24), instances_of(masks))
        writer.write(tmp_path)
        coco = COCO(tmp_path / ANNOTATIONS)
        marks = coco.loadAnns(coco.getAnnIds(imgIds=[1], catIds=coco.getCatIds(["flower"])))
        flower_HW = np.sum([coco.annToMask(one) for one in marks], axis=0) > 0
        filled = [ndimage.binary_fill_holes(one.whole((24, 31))) for one in instances_of({"flower": masks["flower"]})]
        expected_HW = masks["flower"] if form == "rle" else np.any(filled, axis=0)
        assert np.array_equal(flower_HW, expected_HW)
        assert all(coder.toBbox(coco.annToRLE(one)).tolist() == one["bbox"] for one in marks if form == "rle")


def test_every_form_of_others_is_read(tmp_path: Path) -> None:
    expected_HW = np.zeros((4, 6), bool)
    expected_HW[1:3, 2:5] = True
    packed = coder.encode(np.asfortranarray(expected_HW, np.uint8))["counts"].decode()
    polygon = {"segmentation": [[2, 1, 5, 1, 5, 3, 2, 3]]}
    plain = {"segmentation": {"size": [4, 6], "counts": [9, 2, 2, 2, 2, 2, 5]}}
    compressed = {"segmentation": {"size": [4, 6], "counts": packed}}
    for mark in (polygon, plain, compressed, {"bbox": [2, 1, 3, 2]}, {"bbox": [1.6, 0.8, 3, 2], "segmentation": []}):
        assert np.array_equal(read_marks(tmp_path, mark), expected_HW)


def test_several_marks_of_one_label_are_one_mask(tmp_path: Path) -> None:
    mask_HW = read_marks(tmp_path, {"bbox": [0, 0, 2, 1]}, {"bbox": [4, 3, 2, 1]})
    assert mask_HW.sum() == 4
    assert mask_HW[0, :2].all()
    assert mask_HW[3, 4:].all()


@pytest.mark.parametrize("seed", range(4))
def test_compressed_run_lengths_of_any_mask_are_read(tmp_path: Path, seed: int) -> None:
    rows_HW = np.random.default_rng(seed).random((4, 6)) < [0.1, 0.5, 0.9, 0][seed]
    packed = coder.encode(np.asfortranarray(rows_HW, np.uint8))["counts"].decode()
    assert np.array_equal(read_marks(tmp_path, {"segmentation": {"size": [4, 6], "counts": packed}}), rows_HW)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ({"segmentation": {"size": [4, 6], "counts": ""}}, "annotation 1 cannot be read"),
        ({"segmentation": {"size": [4, 6], "counts": [3, 2]}}, "run lengths of 5 pixels, the picture has 24"),
        ({"segmentation": {"size": [4, 6], "counts": [25, -1]}}, "run lengths of 24"),
        ({"segmentation": {"size": [6, 4], "counts": [24]}}, r"run lengths of \[6, 4\]"),
        ({"segmentation": [[1, 1, 2, 2]]}, "at least three points"),
        ({"segmentation": [[1, 1, 2, 2, 1e9, 3]]}, "leaves the picture"),
        ({"segmentation": "junk"}, "annotation 1 cannot be read"),
        ({"bbox": [1, 2, 3]}, "annotation 1 cannot be read"),
        ({}, "annotation 1 cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, mark: dict, message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        read_marks(tmp_path, mark)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no COCO file"),
        ({"images": []}, "'categories' is missing"),
        (annotated([], size=(10**6, 10**6)), "claims 1000000 x 1000000 pixels"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / ANNOTATIONS).write_text(json.dumps(content))
    with pytest.raises(ClipbioError, match=message):
        read_coco(tmp_path / ANNOTATIONS)


def test_a_form_that_is_none_is_told() -> None:
    with pytest.raises(ClipbioError, match="form='rel' is unknown; did you mean 'rle'"):
        CocoWriter(LABELS, "rel")
