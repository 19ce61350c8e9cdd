"""The verb `organs`: trained, measured, written, read again; and crops as a stream of training."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipbio.cli import main
from clipbio.data.masks import encode_numbers, masks_of
from clipbio.data.sources.table import TableSource
from clipbio.organs import load_segmenter

DATA = [
    *("data.source.num_species=5", "data.source.num_unseen=2", "data.source.specimens_per_species=5"),
    *("data.source.image_size=96", "data.num_workers=0", "progress=false"),
]
SMALL = ["segmenter.encoder=test_efficientnet", "segmenter.image_size=32", "segmenter.decoder_channels=[8,8,8,8,8]"]
ORGANS = ("leaf", "flower", "fruit", "stem", "root")


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> str:
    return f"cache_dir={tmp_path_factory.mktemp('cache')}"


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache: str) -> Path:
    folder = tmp_path_factory.mktemp("organs") / "run"
    assert main(["organs", "action=train", *DATA, *SMALL, cache, f"run_dir={folder}", "steps=3", "bootstrap=20"]) == 0
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory, cache: str) -> Path:
    folder = tmp_path_factory.mktemp("organs") / "coco"
    assert main(["organs", "action=export", *DATA, cache, f"out={folder}", "crops=true"]) == 0
    return folder


def test_a_run_holds_its_figures_and_its_segmenter(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    for split in ("test", "unseen"):
        for organ in (*ORGANS, "mean"):
            figures = [metrics[f"organs/{split}/{organ}/iou{end}"] for end in ("", "/low", "/high", "/chance")]
            assert all(0 <= one <= 1 for one in figures)
            assert 0 <= metrics[f"organs/{split}/{organ}/prior_iou"] <= 1
    assert metrics["organs/unseen/leaf/iou/n"] == 10
    assert load_segmenter(run).labels == ORGANS
    assert (run / "panel.png").is_file()
    assert json.loads((run / "status.json").read_text())["state"] == "finished"


def test_a_run_is_not_overwritten(run: Path, cache: str, capsys) -> None:
    assert main(["organs", "action=train", *DATA, *SMALL, cache, f"run_dir={run}", "steps=3"]) == 2
    assert "is not empty: give another one" in capsys.readouterr().err


def test_figures_are_the_same_again(run: Path, cache: str, tmp_path: Path) -> None:
    arguments = [*DATA, cache, f"checkpoint={run}", "bootstrap=20", f"out={tmp_path}"]
    assert main(["organs", "action=evaluate", *arguments]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text()) == json.loads((run / "metrics.json").read_text())


def test_what_is_found_is_written(run: Path, cache: str, tmp_path: Path) -> None:
    arguments = [*DATA, cache, f"checkpoint={run}", "splits=[unseen]", f"out={tmp_path / 'found'}", "crops=true"]
    assert main(["organs", "action=predict", *arguments]) == 0
    coco = json.loads((tmp_path / "found" / "annotations.json").read_text())
    assert [one["name"] for one in coco["categories"]] == list(ORGANS)
    assert len(coco["images"]) == 10
    assert all((tmp_path / "found" / "images" / one["file_name"]).is_file() for one in coco["images"])
    specimens = list(TableSource(tmp_path / "found"))
    assert {one.split for one in specimens} == {"unseen"}
    assert all(tuple(masks_of(one)) == ORGANS for one in specimens)


def test_what_is_exported_comes_back_exactly(exported: Path, cache: str, tmp_path: Path) -> None:
    annotations = f"annotations={exported / 'annotations.json'}"
    assert main(["organs", "action=import", annotations, f"table={exported}", f"out={tmp_path / 'table'}"]) == 0
    assert main(["organs", "action=import", annotations, f"out={tmp_path / 'rows'}"]) == 0
    first = {one.id: one for one in TableSource(exported)}
    assert len(first) == 35
    for folder in ("table", "rows"):
        again = {one.id: one for one in TableSource(tmp_path / folder)}
        assert set(again) == set(first)
        for identity, specimen in first.items():
            one, other = masks_of(specimen), masks_of(again[identity])
            assert all(np.array_equal(one[label], other[label]) for label in ORGANS)
            assert again[identity].image.read_bytes() == specimen.image.read_bytes()
    assert {one.taxon for one in TableSource(tmp_path / "table")} == {one.taxon for one in first.values()}


def test_pictures_that_share_a_name_are_told(exported: Path, cache: str, tmp_path: Path, capsys) -> None:
    table = tmp_path / "table"
    (table / "other").mkdir(parents=True)
    (table / "images").symlink_to(exported / "images")
    first = next((exported / "images").iterdir())
    (table / "other" / first.name).write_bytes(first.read_bytes())
    rows = ("specimen_id,image", f"a,images/{first.name}", f"b,other/{first.name}")
    (table / "specimens.csv").write_text("\n".join(rows) + "\n")
    annotations = f"annotations={exported / 'annotations.json'}"
    assert main(["organs", "action=import", cache, annotations, f"table={table}", f"out={tmp_path / 'out'}"]) == 2
    assert "have one name, by which the COCO file tells pictures" in capsys.readouterr().err


def test_labels_of_all_masks_are_exported_and_broken_pictures_left_out(cache: str, tmp_path: Path, capsys) -> None:
    table, buffer = tmp_path / "table", io.BytesIO()
    table.mkdir()
    Image.effect_noise((40, 30), 50).save(buffer, "JPEG")
    whole = buffer.getvalue()
    for name, image in (("a", whole), ("b", whole), ("c", whole[: whole.index(b"\xff\xda") + 40])):
        (table / f"{name}.jpg").write_bytes(image)
    mask_HW = np.zeros((30, 40), np.uint8)
    mask_HW[5:25, 5:15], mask_HW[5:25, 20:35] = 1, 2
    (table / "mask.png").write_bytes(encode_numbers(mask_HW))
    labels = {"a": {"1": "leaf"}, "b": {"1": "leaf", "2": "flower"}, "c": {"1": "leaf"}}
    with (table / "specimens.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["specimen_id", "genus", "species", "image", "mask", "mask_labels", "split"])
        for name, own in labels.items():
            writer.writerow([name, "Aus", "bus", f"{name}.jpg", "mask.png", json.dumps(own), "train"])
    arguments = ["data=table", f"data.root={table}", "labels=null", "crops=true", f"out={tmp_path / 'out'}"]
    assert main(["organs", "action=export", cache, "progress=false", *arguments]) == 0
    found = {one.id: masks_of(one) for one in TableSource(tmp_path / "out")}
    assert {name: [label for label in own if own[label].any()] for name, own in found.items()} == {
        "a": ["leaf"],
        "b": ["leaf", "flower"],
    }
    assert "specimen 'c' is left out" in capsys.readouterr().err


def test_crops_are_views_of_sheets_with_their_split_and_individual(exported: Path) -> None:
    sheets = {one.id: one for one in TableSource(exported)}
    crops = list(TableSource(exported / "crops"))
    assert {crop.metadata["part"] for crop in crops} >= {"leaf", "flower"}
    for crop in crops:
        sheet = sheets[crop.metadata["view_of"]]
        assert crop.id.startswith(f"{sheet.id}#{crop.metadata['part']}-")
        assert (crop.split, crop.group, crop.taxon) == (sheet.split, sheet.group, sheet.taxon)
    with (exported / "crops" / "descriptions.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4 * 7


def test_a_split_that_is_carved_out_of_train_holds_for_crops_too(exported: Path, cache: str, tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.mkdir()
    for name in ("images", "masks"):
        (table / name).symlink_to(exported / name)
    (table / "specimens.csv").write_text((exported / "specimens.csv").read_text().replace(",val,", ",train,"))
    arguments = ["data=table", f"data.root={table}", "data.num_workers=0", "crops=true", f"out={tmp_path / 'out'}"]
    assert main(["organs", "action=export", cache, "data.val_share=0.3", *arguments]) == 0
    sheets = {one.id: one.split for one in TableSource(tmp_path / "out")}
    crops = list(TableSource(tmp_path / "out" / "crops"))
    assert {"val", "train"} <= {crop.split for crop in crops}
    assert all(crop.split == sheets[crop.metadata["view_of"]] for crop in crops)


def test_crops_train_beside_their_sheets(exported: Path, cache: str, tmp_path: Path, caplog) -> None:
    arguments = [
        *DATA, cache, f"run_dir={tmp_path / 'run'}", "experiment=organ_crops",
        f"data.streams.crops.root={exported / 'crops'}", "duration=2 steps", "optim.warmup=0 steps",
        "data.batch_size=10", "leakage=refuse", "benchmark=[]", "validation.benchmarks=[]", "logger=none",
    ]  # fmt: skip
    assert main(["train", *arguments]) == 0
    leaks = json.loads((tmp_path / "run" / "leakage.json").read_text())
    assert leaks["leaks"] == 0


def test_crops_of_another_split_of_the_sheets_are_leaks(exported: Path, cache: str, tmp_path: Path, capsys) -> None:
    """A table whose crops of test sheets were put into train is refused."""
    moved = tmp_path / "crops"
    moved.mkdir()
    (moved / "images").symlink_to(exported / "crops" / "images")
    table = (exported / "crops" / "specimens.csv").read_text()
    (moved / "specimens.csv").write_text(table.replace(",test,", ",train,"))
    arguments = [
        *DATA, cache, f"run_dir={tmp_path / 'run'}", "experiment=organ_crops", f"data.streams.crops.root={moved}",
        "duration=2 steps", "optim.warmup=0 steps", "data.batch_size=10", "leakage=refuse", "benchmark=[]",
        "validation.benchmarks=[]", "logger=none",
    ]  # fmt: skip
    assert main(["train", *arguments]) == 2
    assert "leakage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["action=trian"], "did you mean 'train'"),
        (["action=predict", "out=x"], "action=predict needs checkpoint="),
        (["action=train", "checkpoint=x"], "checkpoint= goes with action=evaluate or predict, not with train"),
        (["action=train", "labels=[petal]", "run_dir=unused"], "no 'petal'; they have leaf, flower"),
        (["action=train", "steps=0", "run_dir=unused"], "steps=0 must be at least 1"),
        (["action=import", "annotations=nowhere.json", "out=x"], "nowhere.json"),
    ],
)
def test_what_cannot_be_done_is_told(arguments: list[str], message: str, cache: str, capsys) -> None:
    assert main(["organs", *DATA, cache, *arguments]) == 2
    assert message in capsys.readouterr().err
