"""The benchmark on sheets whose truth is known: a model that sees colours finds what is coloured."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from planted_colours import COLOURS, colour_model, sheet

from clipbio.data.images import encode
from clipbio.data.masks import encode_numbers
from clipbio.data.shards import resolve
from clipbio.data.splits import whole_split
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import Looking, run_benchmarks
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.grounding_panel import grounding_panels
from clipbio.evaluation.pictures import Album
from clipbio.grounding.benchmark import Grounding
from clipbio.grounding.queries import phrases_of, states_of

LABELS = {"1": "flower", "2": "leaf", "3": "label"}


def write_table(folder, rows):
    with (folder / "specimens.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def placed(number):
    random = np.random.default_rng(number)
    flower, leaf = random.permutation([(0, 0), (48, 0), (0, 48), (48, 48), (16, 32)])[:2].tolist()
    return flower, leaf


def write_sheets(folder, *, labels=True):
    rows = []
    for number in range(8):
        flower, leaf = placed(number)
        colour = ("red", "blue")[number % 2]
        picture = sheet(**{colour: flower, "green": leaf})
        numbers = np.zeros((64, 64), np.uint8)
        for value, (left, top) in ((1, flower), (2, leaf)):
            numbers[top : top + 16, left : left + 16] = value
        numbers[60:, :30][numbers[60:, :30] == 0] = 3
        (folder / f"{number}.png").write_bytes(encode(picture, "PNG"))
        (folder / f"{number}_mask.png").write_bytes(encode_numbers(numbers if labels else np.minimum(numbers % 3, 1)))
        rows.append(
            {
                "specimen_id": f"s{number}",
                "image": f"{number}.png",
                "mask": f"{number}_mask.png",
                "genus": "Planta",
                "species": ("rubra", "caerulea")[number % 2],
                "description": f"Flowers {colour}, solitary. Leaves green, ovate.",
                "split": "test",
                **({"mask_labels": json.dumps(LABELS)} if labels else {}),
            }
        )
    return rows


@pytest.fixture
def split(tmp_path, request):
    labels = getattr(request, "param", True)
    folder = tmp_path / "table"
    folder.mkdir()
    write_table(folder, write_sheets(folder, labels=labels))
    return whole_split(resolve(str(folder), tmp_path / "cache"), "test")


def test_planted_parts_are_found_above_every_baseline(split):
    benchmark = Grounding(["conv", "crop", "saliency"], phrases=1, distractors=["white"], bootstrap=50, shown=2)
    result = benchmark.run_on_pictures(split, colour_model(size=64))
    for part in ("flower", "leaf"):
        key = f"grounding/test/conv/{part}"
        assert result.metrics[f"{key}/pointing"] == 1
        assert result.metrics[f"{key}/plain/pointing"] >= (part == "leaf")
        assert result.metrics[f"{key}/wrong_part/pointing"] == 0
        assert result.metrics[f"{key}/soft_iou"] > result.metrics[f"{key}/wrong_part/soft_iou"]
        assert result.metrics[f"{key}/pointing/chance"] == pytest.approx(1 / 16)
        assert result.metrics[f"{key}/pointing/n"] == 8
        for baseline in ("centre", "layout", "saliency"):
            assert result.metrics[f"grounding/test/{baseline}/{part}/precision"] < result.metrics[f"{key}/precision"]
    assert result.metrics["grounding/test/conv/flower/told_from_wrong_value"] == 1
    assert result.metrics["grounding/test/conv/flower/told_from_wrong_value/chance"] == 0.5
    assert "grounding/test/conv/leaf/told_from_wrong_value" not in result.metrics  # all leaves are green
    assert not any("label" in key for key in result.metrics)


def test_the_report_shows_sheets_with_masks_and_maps(split):
    result = Grounding(["conv"], phrases=1, bootstrap=0, shown=2).run_on_pictures(split, colour_model())
    album = Album()
    (panel,) = grounding_panels(result.details, album)
    assert len(panel.plots) == 2
    for _, picture in panel.plots:
        assert Image.open(io.BytesIO(picture.content)).format == "PNG"
    assert grounding_panels([], album) == []


@pytest.mark.parametrize("split", [False], indirect=True)
def test_a_mask_without_labels_shows_the_specimen(split):
    result = Grounding(["conv"], distractors=["white"], bootstrap=0).run_on_pictures(split, colour_model(size=64))
    parts = {key.split("/")[3] for key in result.metrics}
    assert parts == {"specimen"}
    assert result.metrics["grounding/test/conv/specimen/pointing"] >= 0.5


def test_the_same_seed_gives_the_same_figures_and_fewer_specimens_are_drawn(split):
    runs = [
        Grounding(["conv"], specimens=3, seed=seed, bootstrap=20).run_on_pictures(split, colour_model())
        for seed in (1, 1)
    ]
    assert runs[0].metrics == runs[1].metrics
    assert runs[0].metrics["grounding/test/conv/leaf/pointing/n"] == 3


def test_a_broken_picture_is_left_out(tmp_path, caplog):
    folder, buffer = tmp_path / "table", io.BytesIO()
    folder.mkdir()
    write_table(folder, write_sheets(folder))
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    (folder / "5.png").write_bytes(buffer.getvalue()[: buffer.getvalue().index(b"\xff\xda") + 40])
    split = whole_split(resolve(str(folder), tmp_path / "cache"), "test")
    result = Grounding(["conv"], bootstrap=0).run_on_pictures(split, colour_model())
    assert result.metrics["grounding/test/conv/leaf/pointing/n"] == 7
    assert "specimen 's5' is left out: the picture cannot be read" in caplog.text


def test_it_is_handed_pictures_and_refused_where_there_are_embeddings_alone(split):
    names = [split.index.read(row) for row in range(len(split.rows))]
    data = SplitData.build("test", split.index.ids, vectors_ND=torch.eye(8), named=names)
    benchmarks = {"grounding": Grounding(["conv"], bootstrap=0)}
    looking = Looking(colour_model(), {"test": split})
    found = run_benchmarks(benchmarks, [data], lambda texts: torch.zeros(len(texts), 3), looking=looking)
    assert "grounding/test/conv/flower/pointing" in found.metrics
    with pytest.raises(ClipbioError, match="it looks at the pictures with the model"):
        run_benchmarks(benchmarks, [data], lambda texts: torch.zeros(len(texts), 3))


def test_tables_without_masks_and_models_that_cannot_look_are_told(tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    rows = [{key: value for key, value in row.items() if "mask" not in key} for row in write_sheets(folder)]
    write_table(folder, rows)
    split = whole_split(resolve(str(folder), tmp_path / "cache"), "test")
    with pytest.raises(ClipbioError, match="no specimen of split 'test' has a picture, a mask and texts"):
        Grounding(["conv"]).run_on_pictures(split, colour_model())
    with pytest.raises(ClipbioError, match="the model can do none of sclip"):
        Grounding(["sclip"]).run_on_pictures(split, colour_model())
    with pytest.raises(ClipbioError, match="did you mean 'sclip'"):
        Grounding(["sclipp"])
    with pytest.raises(ClipbioError, match="phrases=0"):
        Grounding(phrases=0)


def test_phrases_put_the_colour_first_and_name_each_character_once(split):
    specimen = split.index.read(0)
    found = phrases_of(specimen, "leaf", most=5)
    assert [one.character for one in found] == ["leaf colour", "leaf shape"]
    assert found[0].state == "green"
    assert phrases_of(specimen, "root", most=5) == ()
    assert set(COLOURS) >= {"green"}


def test_no_other_state_that_is_true_of_a_specimen_is_a_wrong_value(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    rows = write_sheets(folder)
    for row in rows:
        first, other = ("red", "blue") if "red" in row["description"] else ("blue", "red")
        row["description"] = row["description"].replace(first, f"{first} or {other}")
    write_table(folder, rows)
    split = whole_split(resolve(str(folder), tmp_path / "cache"), "test")
    assert {("flower colour", "red"), ("flower colour", "blue")} <= states_of(split.index.read(0))
    result = Grounding(["conv"], bootstrap=0).run_on_pictures(split, colour_model())
    assert "grounding/test/conv/flower/pointing" in result.metrics
    assert "grounding/test/conv/flower/told_from_wrong_value" not in result.metrics
