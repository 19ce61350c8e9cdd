"""Crops: which organs are cut out, and what their rows say."""

import io

import numpy as np
import pytest
from data.records import record
from PIL import Image

from clipbio.data.images import BadImageError
from clipbio.data.sources.table import TableSource
from clipbio.data.species_texts import SpeciesTexts
from clipbio.data.specimen import SpeciesText
from clipbio.errors import ClipbioError
from clipbio.organs.crops import CropOptions, crops_of
from clipbio.organs.folder import OrganFolder
from clipbio.organs.instances import instances_of


def picture() -> bytes:
    pixels = np.full((60, 100, 3), 230, np.uint8)
    pixels[10:40, 20:30] = (20, 120, 30)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def masks() -> dict[str, np.ndarray]:
    leaf_HW, flower_HW = np.zeros((2, 60, 100), bool)
    leaf_HW[10:40, 20:30] = leaf_HW[50:58, 0:20] = leaf_HW[2:4, 90:92] = True
    flower_HW[0:20, 60:80] = True
    return {"leaf": leaf_HW, "flower": flower_HW}


def sheet(identity: str = "s1", **values: object):
    given = {"split": "test", "group_id": "plant-1", "dna": "ACGT", "licence": "CC0", "metadata": {"year": 1907}}
    return record(identity, "Aus bus", **{"image": picture(), **given, **values})


def test_a_crop_is_the_organ_with_room_around_it() -> None:
    first, *_ = crops_of(sheet(), instances_of(masks()), CropOptions(margin=0.1))
    assert first.row["box"] == "17,7,16,36"
    with Image.open(io.BytesIO(first.image)) as image:
        assert image.size == (16, 36)
        assert np.asarray(image)[18, 8, 1] > np.asarray(image)[18, 8, 0] + 50


def test_rows_of_crops_belong_to_their_sheet() -> None:
    rows = [crop.row for crop in crops_of(sheet(), instances_of(masks()), CropOptions())]
    assert [row["specimen_id"] for row in rows] == ["s1#leaf-1", "s1#leaf-2", "s1#flower-1"]
    for row in rows:
        shared = {
            "genus": "Aus",
            "species": "bus",
            "split": "test",
            "group_id": "plant-1",
            "view_of": "s1",
            "year": 1907,
        }
        assert shared.items() <= row.items()
        assert row["dna"] == ""
    assert [row["part"] for row in rows] == ["leaf", "leaf", "flower"]


def test_a_sheet_without_individual_is_that_of_its_crops() -> None:
    row = next(crops_of(sheet(group_id=""), instances_of(masks()), CropOptions())).row
    assert row["group_id"] == "s1"


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (CropOptions(parts=["flower"]), 1),
        (CropOptions(most=1), 2),
        (CropOptions(least_side=2), 4),
        (CropOptions(least_side=25), 1),
        (CropOptions(parts=[]), 0),
    ],
)
def test_which_organs_are_cut_out(options: CropOptions, count: int) -> None:
    assert len(list(crops_of(sheet(), instances_of(masks()), options))) == count


@pytest.mark.parametrize("wrong", [{"margin": -1}, {"least_side": 0}, {"most": 0}])
def test_impossible_options_are_told(wrong: dict) -> None:
    with pytest.raises(ClipbioError, match=rf"crop\.{next(iter(wrong))}="):
        CropOptions(**wrong)


def test_a_folder_is_two_tables_that_can_be_read_again(tmp_path) -> None:
    texts = SpeciesTexts([SpeciesText("", "Aus bus", "description", "A bus.", language="en")])
    folder = OrganFolder(tmp_path, ["leaf", "flower"], texts, crops=CropOptions())
    folder.add(sheet(descriptions=("An old one.", "A bus.")), masks())
    folder.add(sheet("S1", group_id=""), {})
    folder.finish()
    one, other = TableSource(tmp_path)
    assert (one.id, one.descriptions, one.dna, one.metadata["year"]) == ("s1", ("An old one.",), "ACGT", "1907")
    assert (other.id, other.mask) == ("S1", None)
    assert len({path.name.lower() for path in (tmp_path / "images").iterdir()}) == 2
    (text,) = TableSource(tmp_path / "crops").species_texts()
    assert (text.text, text.language) == ("A bus.", "en")
    crops = list(TableSource(tmp_path / "crops"))
    assert len(crops) == folder.num_crops == 3
    assert {crop.metadata["view_of"] for crop in crops} == {"s1"}
    assert {crop.group for crop in crops} == {"plant-1"}
    assert all(crop.image.is_file() for crop in crops)


def test_a_mask_of_another_size_is_told(tmp_path) -> None:
    folder = OrganFolder(tmp_path, ["leaf"], SpeciesTexts())
    with pytest.raises(ClipbioError, match="'s1' has 5 x 4 pixels, its picture 100 x 60"):
        folder.add(sheet(), {"leaf": np.zeros((4, 5), bool)})
    with pytest.raises(ClipbioError, match="60 x 100 pixels, its picture 100 x 60: does EXIF turn it"):
        folder.add(sheet(), {"leaf": np.zeros((100, 60), bool)})


def test_labels_and_ids_that_are_no_file_names_are_written_all_the_same(tmp_path) -> None:
    folder = OrganFolder(tmp_path, ["leaf/blade", "leaf blade"], SpeciesTexts(), crops=CropOptions())
    leaf_HW = masks()["leaf"]
    for identity in ("a/1", "a 1"):
        folder.add(sheet(identity), {"leaf/blade": leaf_HW, "leaf blade": ~leaf_HW})
    folder.finish()
    crops = list(TableSource(tmp_path / "crops"))
    assert len(crops) == folder.num_crops == 6
    assert len({crop.image for crop in crops}) == 6
    assert crops[0].id == "a/1#leaf/blade-1"


def test_a_broken_picture_leaves_nothing_behind(tmp_path) -> None:
    folder = OrganFolder(tmp_path, ["leaf", "flower"], SpeciesTexts(), crops=CropOptions())
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture())).save(buffer, "JPEG")
    cut = buffer.getvalue()[: buffer.getvalue().index(b"\xff\xda") + 40]
    with pytest.raises(BadImageError, match="cannot be decoded"):
        folder.add(sheet(image=cut), masks())
    assert not list((tmp_path / "images").iterdir())


def test_more_labels_than_a_mask_holds_are_refused(tmp_path) -> None:
    with pytest.raises(ClipbioError, match="255 labels: a mask tells at most 254 apart"):
        OrganFolder(tmp_path, [f"organ {number}" for number in range(255)], SpeciesTexts())
