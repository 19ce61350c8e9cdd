"""The tables people bring, through `python -m clipbio prepare source=NAME`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from exports import gbif_files, gbif_media, gbif_row, tabbed, write_pictures, write_zip

from clipbio.cli import main
from clipbio.config import compose, plain
from clipbio.data.manifest import INDEX, Manifest
from clipbio.data.sources import bold, darwin_core, dwca, inaturalist


def a_folder(root: Path) -> list[str]:
    return [f"source.root={write_pictures(root, ['train/Pica pica/a.jpg', 'val/Pica pica/b.jpg'])}"]


def an_archive(root: Path) -> list[str]:
    files = gbif_files(
        [gbif_row("1"), gbif_row("2")], [gbif_media("1", "http://x/a.jpg"), gbif_media("2", "http://x/b.jpg")]
    )
    images = write_pictures(root / "images", ["a.jpg", "b.jpg"])
    return [f"source.root={write_zip(root / 'gbif.zip', files)}", f"source.images={images}"]


def a_simple_export(root: Path) -> list[str]:
    images = write_pictures(root / "images", ["7_1.jpg", "7_2.jpg"])
    (root / "7.csv").write_text(tabbed(["gbifID", "scientificName"], [["7", "Pica pica"]]))
    return [f"source.root={root / '7.csv'}", f"source.images={images}"]


def an_observation(root: Path) -> list[str]:
    images = write_pictures(root / "images", ["7.jpg"])
    (root / "o.csv").write_text("id,scientific_name,image_url\n8,Pica pica,http://x/photos/7/large.jpg\n")
    return [f"source.root={root / 'o.csv'}", f"source.images={images}"]


def a_barcode(root: Path) -> list[str]:
    root.mkdir()
    (root / "b.tsv").write_text(tabbed(["processid", "nuc", "species"], [["A", "ACGT", "Pica pica"]]))
    return [f"source.root={root}"]


@pytest.mark.parametrize(
    ("name", "write", "samples"),
    [
        ("folder", a_folder, {"train": 1, "val": 1}),
        ("dwca", an_archive, {"train": 2}),
        ("gbif", a_simple_export, {"train": 2}),
        ("inaturalist", an_observation, {"train": 1}),
        ("bold", a_barcode, {"train": 1}),
    ],
)
def test_the_command_makes_shards(
    tmp_path: Path, name: str, write: Callable[[Path], list[str]], samples: dict[str, int]
) -> None:
    out = tmp_path / "shards"
    assert main(["prepare", f"source={name}", *write(tmp_path / "data"), f"out={out}"]) == 0
    splits = Manifest.load(out).splits
    assert {split: counts["samples"] for split, counts in splits.items()} == samples
    assert (out / INDEX).is_file()


def test_pictures_that_were_not_downloaded_stop_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = an_archive(tmp_path / "data")[0]
    assert main(["prepare", "source=dwca", root, f"out={tmp_path / 'shards'}"]) == 2
    assert "image_not_downloaded" in capsys.readouterr().err
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("dwca", darwin_core.KEPT_TERMS),
        ("gbif", darwin_core.KEPT_TERMS),
        ("inaturalist", inaturalist.KEPT_COLUMNS),
        ("bold", bold.KEPT_COLUMNS),
    ],
)
def test_configs_tell_the_defaults(name: str, kept: tuple[str, ...]) -> None:
    config = plain(compose("prepare", [f"source={name}", "source.root=x", "out=y"]))["source"]
    assert tuple(config["metadata"]) == kept
    if name == "dwca":
        assert tuple(config["description_types"]) == dwca.DESCRIPTION_TYPES
