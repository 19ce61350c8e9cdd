from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import datasets
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tables import PICA, encoded

from clipbio.cli import main
from clipbio.data.manifest import Manifest
from clipbio.data.prepare import prepare
from clipbio.data.sources import HuggingfaceSource, expected_total
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the library off the network, and its cache in the folder of the test."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def bytes_of(specimen: Specimen) -> bytes:
    image = specimen.image
    if isinstance(image, Path):
        return image.read_bytes()
    assert image is not None
    return image if isinstance(image, bytes) else image()


def parquet(root: Path, rows: list[dict[str, Any]], split: str = "train") -> Path:
    """Write a parquet file in the way of the hub, and return its folder."""
    (root / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"image": {"bytes": encoded(number), "path": f"{number}.jpg"}, "scientific_name": "Pica pica", **more}


@pytest.mark.parametrize("streaming", [False, True])
def test_a_parquet_folder_is_read_with_bytes_untouched(tmp_path: Path, streaming: bool) -> None:
    rows = [row(n, id=f"bird-{n}", **{"class": "Aves", "family": "Corvidae"}, height=n / 2) for n in range(130)]
    root = parquet(tmp_path / "birds", rows)
    parquet(root, [row(7, id="v", height=0.5)], "validation")
    parquet(root, [row(8, id="t", height=float("nan"))], "test")
    source = HuggingfaceSource(root, streaming=streaming)
    found = list(source)
    assert [specimen.id for specimen in found] == [*(f"bird-{n}" for n in range(130)), "v", "t"]
    assert [specimen.split for specimen in found[129:]] == ["train", "val", "test"]
    assert [bytes_of(specimen) for specimen in found[60:70]] == [encoded(n) for n in range(60, 70)]
    assert found[0].taxon.ranks == ("", "", "Aves", "", "Corvidae", "Pica", "pica")
    assert (found[5].metadata, found[-1].metadata) == ({"height": 2.5}, {})
    assert not source.defects
    assert streaming or expected_total(source) == 132


def saved(root: Path) -> Path:
    """Save a set with every kind of column to disk, and return its folder."""
    columns = {
        "picture": [{"bytes": encoded(n), "path": None} for n in range(4)],
        "label": [0, 1, -1, 1],
        "commonName": [["Magpie", "Elster"], [], ["unknown"], ["Jay"]],
        "caption": ["black and white", None, "", "blue"],
        "embedding": [[0.5, 1.0]] * 4,
        **{rank: [name] * 4 for rank, name in PICA.items()},
    }
    features = {
        "picture": datasets.Image(),
        "label": datasets.ClassLabel(names=["adult", "juvenile"]),
        "commonName": datasets.Sequence(datasets.Value("string")),
        "caption": datasets.Value("string"),
        "embedding": datasets.Sequence(datasets.Value("float32")),
        **dict.fromkeys(PICA, datasets.Value("string")),
    }
    datasets.Dataset.from_dict(columns, features=datasets.Features(features)).save_to_disk(root)
    return root


def test_a_set_saved_to_disk_is_read(tmp_path: Path) -> None:
    source = HuggingfaceSource(saved(tmp_path / "saved"))
    found = list(source)
    assert [specimen.id for specimen in found] == ["train-0", "train-1", "train-2", "train-3"]
    assert [bytes_of(specimen) for specimen in found] == [encoded(n) for n in range(4)]
    assert [specimen.label for specimen in found] == ["adult", "juvenile", "", "juvenile"]
    assert [specimen.common_names for specimen in found] == [("Magpie", "Elster"), (), (), ("Jay",)]
    assert [specimen.descriptions for specimen in found] == [("black and white",), (), (), ("blue",)]
    assert found[0].taxon.ranks == tuple(PICA.values())
    assert found[0].metadata == {}


def test_reading_the_records_reads_no_picture(tmp_path: Path) -> None:
    source = HuggingfaceSource(saved(tmp_path / "saved"))
    assert all(callable(specimen.image) for specimen in source)


def test_selected_and_shuffled_rows_keep_their_pictures(tmp_path: Path) -> None:
    whole = datasets.load_from_disk(str(saved(tmp_path / "whole")))
    datasets.DatasetDict({"test": whole.select([3, 1])}).save_to_disk(tmp_path / "part")
    found = list(HuggingfaceSource(tmp_path / "part"))
    assert [(bytes_of(specimen), specimen.split) for specimen in found] == [(encoded(3), "test"), (encoded(1), "test")]


def test_a_folder_of_images_is_read(tmp_path: Path) -> None:
    for split, name in (("train", "Pica pica"), ("train", "Corvus corax"), ("test", "Pica pica")):
        (tmp_path / "images" / split / name).mkdir(parents=True)
        (tmp_path / "images" / split / name / "1.jpg").write_bytes(encoded(len(name)))
    source = HuggingfaceSource(tmp_path / "images", columns={"species": "label"})
    found = sorted(source, key=lambda specimen: specimen.id)
    assert [(specimen.split, specimen.taxon.scientific_name) for specimen in found] == [
        *(("test", "Pica pica"), ("train", "Corvus corax"), ("train", "Pica pica"))
    ]
    assert found[0].image == tmp_path / "images/test/Pica pica/1.jpg"
    assert [specimen.label for specimen in HuggingfaceSource(tmp_path / "images")] == [
        *("Corvus corax", "Pica pica", "Pica pica")
    ]


@pytest.mark.parametrize("streaming", [False, True])
def test_images_in_a_zip_are_read(tmp_path: Path, streaming: bool) -> None:
    root = tmp_path / "zipped"
    root.mkdir()
    with ZipFile(root / "train.zip", "w") as archive:
        for number in range(2):
            archive.writestr(f"{number}.jpg", encoded(number))
    found = list(HuggingfaceSource(root, streaming=streaming))
    assert [bytes_of(specimen) for specimen in found] == [encoded(0), encoded(1)]


def test_missing_values_of_other_programs_are_none_but_in_metadata(tmp_path: Path) -> None:
    missing = dict.fromkeys(("dna", "bin", "group_id", "label", "licence", "country"), "NA")
    (specimen,) = HuggingfaceSource(parquet(tmp_path / "birds", [row(1, **missing)]))
    assert (specimen.dna, specimen.bin, specimen.group_id, specimen.label, specimen.licence) == ("",) * 5
    assert specimen.metadata == {"country": "NA"}


def test_what_is_no_sequence_is_emptied_or_left_out(tmp_path: Path) -> None:
    rows = [row(1, dna="K000123456"), {"image": None, "scientific_name": "Pica pica", "dna": "see notes"}]
    source = HuggingfaceSource(parquet(tmp_path / "birds", [*rows, row(2, dna="ACGT-N")]))
    assert [specimen.dna for specimen in source] == ["", "ACGT-N"]
    assert (source.defects.counts, source.defects.skipped) == ({"bad_barcode": 2}, 1)


@pytest.mark.parametrize("streaming", [False, True])
def test_unusable_records_are_counted_with_their_row(tmp_path: Path, streaming: bool) -> None:
    (tmp_path / "secret.jpg").write_bytes(encoded(1))
    rows = [
        row(0, id="a"),
        row(1, id="a"),
        row(2, id="b") | {"image": None},
        row(3, id="c") | {"image": {"bytes": None, "path": None}},
        row(4, id="d") | {"image": {"bytes": None, "path": "../secret.jpg"}},
        row(5, id="e") | {"image": {"bytes": None, "path": str(tmp_path / "secret.jpg")}},
        row(6, id="f") | {"image": {"bytes": None, "path": "data/gone.jpg"}},
        row(7, id=None),
    ]
    source = HuggingfaceSource(parquet(tmp_path / "birds", rows), streaming=streaming)
    assert [specimen.id for specimen in source] == ["a", "train-7"]
    assert source.defects.counts == {"missing_image": 3, "no_image_no_dna": 2, "duplicate_id": 1}
    assert str(source.defects.of("duplicate_id")[0]).endswith(
        f"train row 1: 'a' is already the id of {source.path} train row 0"
    )
    assert str(source.defects.of("missing_image")[0]).endswith("row 4: the image ../secret.jpg is not in the data set")
    assert len(list(source)) == 2


def test_barcodes_alone_and_paths_inside_the_folder(tmp_path: Path) -> None:
    (found,) = HuggingfaceSource(parquet(tmp_path / "dna", [{"dna_barcode": "ACGT", "species": "Pica pica"}]))
    assert (found.dna, found.image) == ("ACGT", None)
    root = parquet(tmp_path / "paths", [{"image": "pictures/1.jpg", "species": "Pica pica"}])
    (root / "pictures").mkdir()
    (root / "pictures/1.jpg").write_bytes(encoded(1))
    (found,) = HuggingfaceSource(root)
    assert found.image == root / "pictures/1.jpg"


@pytest.fixture
def pretended_hub() -> Iterator[MemoryFileSystem]:
    """Give a file system that stands for the hub."""
    real = fsspec.get_filesystem_class("hf")
    fsspec.register_implementation("hf", MemoryFileSystem, clobber=True)
    memory = MemoryFileSystem()
    yield memory
    memory.store.clear()
    fsspec.register_implementation("hf", real, clobber=True)


def test_images_that_the_hub_keeps_are_fetched_and_no_others(tmp_path: Path, pretended_hub: MemoryFileSystem) -> None:
    pretended_hub.pipe("hf://datasets/some/birds/1.jpg", encoded(1))
    paths = ["hf://datasets/some/birds/1.jpg", "https://example.org/1.jpg", "zip://1.jpg::https://example.org/1.zip"]
    root = parquet(tmp_path / "birds", [row(0) | {"image": {"bytes": None, "path": path}} for path in paths])
    source = HuggingfaceSource(root)
    (found,) = source
    assert bytes_of(found) == encoded(1)
    assert source.defects.counts == {"missing_image": 2}


def test_what_the_hub_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    local = datasets.load_dataset(str(parquet(tmp_path / "birds", [row(1)])))

    def load_dataset(path: str, **settings: Any) -> Any:
        asked.append((path, settings))
        return local

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = HuggingfaceSource("some/birds", name="small", revision="abc123", streaming=True)
    assert asked == [("some/birds", {"name": "small", "revision": "abc123", "streaming": True})]
    assert [specimen.id for specimen in source] == ["train-0"]
    assert source.fingerprint() != HuggingfaceSource("some/birds", revision="def456").fingerprint()


def test_splits_are_chosen_and_named(tmp_path: Path) -> None:
    root = parquet(parquet(tmp_path / "birds", [row(1)]), [row(2)], "rare")
    with pytest.raises(ClipbioError, match=r"has the split 'rare', which is none of ours; choose with splits=\{rare:"):
        HuggingfaceSource(root)
    assert [specimen.split for specimen in HuggingfaceSource(root, splits={"rare": "unseen"})] == ["unseen"]
    with pytest.raises(ClipbioError, match=r"has no split 'rar'; did you mean 'rare'"):
        HuggingfaceSource(root, splits={"rar": "unseen"})
    with pytest.raises(ClipbioError, match=r"splits.rare: unknown split 'unsen'; did you mean 'unseen'"):
        HuggingfaceSource(root, splits={"rare": "unsen"})


def test_columns_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    root = parquet(tmp_path / "birds", [{"number": 3, "vector": [1.0], "nested": {"a": 1}}])
    with pytest.raises(
        ClipbioError, match=r"neither image nor dna; tell source.columns; the columns are: number, vector"
    ):
        HuggingfaceSource(root)
    with pytest.raises(ClipbioError, match=r"the column 'number' holds Value\('int64'\), no images"):
        HuggingfaceSource(root, columns={"image": "number"})
    with pytest.raises(ClipbioError, match="dna cannot be read from 'nested'"):
        HuggingfaceSource(root, columns={"dna": "nested"})


def test_a_set_that_cannot_be_loaded_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClipbioError, match=r"'nobody/nothing' as a name of the hub \(no folder is there\) cannot be"):
        HuggingfaceSource("nobody/nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipbioError, match="as a folder cannot be loaded"):
        HuggingfaceSource(tmp_path / "empty")
    damaged = saved(tmp_path / "saved")
    next(damaged.glob("*.arrow")).write_bytes(b"damaged")
    with pytest.raises(ClipbioError, match="as a folder cannot be loaded"):
        HuggingfaceSource(damaged)
    (damaged / "state.json").write_text("{}")
    with pytest.raises(ClipbioError, match="as a folder cannot be loaded"):
        HuggingfaceSource(damaged)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ClipbioError, match=r"pip install 'clipbio\[huggingface\]'"):
        HuggingfaceSource(damaged)


def test_a_parquet_file_that_breaks_off_is_told(tmp_path: Path) -> None:
    root = parquet(tmp_path / "birds", [row(n) for n in range(5)])
    source = HuggingfaceSource(root, streaming=True)
    file = next((root / "data").glob("*.parquet"))
    file.write_bytes(b"\0" * 300 + file.read_bytes()[300:])
    with pytest.raises(ClipbioError, match="birds train cannot be read"):
        list(source)


def test_code_beside_the_data_does_not_run(tmp_path: Path) -> None:
    root = parquet(tmp_path / "birds", [row(1)])
    (root / "birds.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(ClipbioError, match="scripts are no longer supported"):
        HuggingfaceSource(root)
    assert not (tmp_path / "ran").exists()


def test_the_fingerprint_follows_files_and_settings(tmp_path: Path) -> None:
    root = parquet(tmp_path / "birds", [row(1)])
    first = HuggingfaceSource(root).fingerprint()
    assert HuggingfaceSource(root).fingerprint() == first
    assert HuggingfaceSource(root, columns={"label": "scientific_name"}).fingerprint() != first
    parquet(root, [row(1), row(2)])
    assert HuggingfaceSource(root).fingerprint() != first


def test_shards_are_made_of_it(tmp_path: Path) -> None:
    source = HuggingfaceSource(saved(tmp_path / "saved"))
    manifest = prepare(source, tmp_path / "shards", progress=False)
    assert (manifest.samples, manifest.images) == (4, 4)
    images = tmp_path / "images"
    for name in ("Pica pica", "Corvus corax"):
        (images / name).mkdir(parents=True)
        (images / name / "1.jpg").write_bytes(encoded(1))
    out = tmp_path / "others"
    arguments = [f"source.path={images}", "source.columns={species: label}", f"out={out}"]
    assert main(["prepare", "source=huggingface", *arguments]) == 0
    assert Manifest.load(out).taxa == 2
