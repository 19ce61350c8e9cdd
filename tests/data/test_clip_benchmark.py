"""CLIP_benchmark's layout: read as its writer leaves it, and written as its reader expects it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign import write_tar
from PIL import Image
from tables import MakeTable, encoded, rows_of
from webdataset import WebDataset

from clipbio.cli import main
from clipbio.data.foreign.clip_benchmark import ClipBenchmarkLayout, multi_hot
from clipbio.data.foreign.clip_benchmark_writer import ClipBenchmarkExport
from clipbio.data.manifest import ShardError
from clipbio.data.shards import ShardFolder, resolve
from clipbio.data.sources import WebdatasetSource
from clipbio.errors import ClipbioError
from clipbio.text import render

BINOMIALS = ("Pica hudsonia", "Pica pica", "Corvus corax")


def saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def benchmark(root: Path, members: list[dict[str, bytes | str]], names: tuple[str, ...] = (), kind: str = "") -> Path:
    """Write a data set of two test shards and an empty train folder, each sample with a WebP image."""
    samples = [(f"s{i:07d}", {"webp": encoded(i, "WEBP"), **extra}) for i, extra in enumerate(members)]
    write_tar(root / "test/0.tar", samples[:2])
    write_tar(root / "test/1.tar", samples[2:])
    (root / "test/nshards.txt").write_text("2\n")
    if names:
        (root / "classnames.txt").write_text("\n".join(names) + "\n")
    if kind:
        (root / "dataset_type.txt").write_text(kind)
    return root


def opened(root: Path, tmp_path: Path) -> ShardFolder:
    return resolve(root, tmp_path / "cache", progress=False)


def test_binomials_are_taxa(tmp_path: Path) -> None:
    root = benchmark(tmp_path / "bench", [{"cls": str(i)} for i in (2, 0, 1)], BINOMIALS)
    folder = opened(root, tmp_path)
    assert folder.manifest.layout == "clip_benchmark"
    index = folder.index("test")
    assert list(index.ids) == ["test/s0000000", "test/s0000001", "test/s0000002"]
    assert [index.read(row).species for row in range(3)] == ["Corvus corax", "Pica hudsonia", "Pica pica"]
    assert index.read(2).image == encoded(2, "WEBP")
    assert index.read(2).split == "test"
    assert "classnames.txt" in folder.manifest.files
    (folder.root / "classnames.txt").write_text("other\n")
    assert opened(root, tmp_path).index("test").read(0).label == "Corvus corax"
    assert [one.taxon for one in WebdatasetSource(str(root))] == [index.read(row).taxon for row in range(3)]


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (("Tree sparrow", "magpie", "great black-backed gull"), "magpie"),
        (("Tomato___Late_blight", "Tomato___healthy", "Apple"), ""),
    ],
)
def test_other_class_names_are_labels_and_common_names(names: tuple[str, ...], common: str, tmp_path: Path) -> None:
    members: list[dict[str, bytes | str]] = [{"cls": b"1"}, {"cls": "0"}, {"cls": "1"}]
    index = opened(benchmark(tmp_path / "bench", members, names), tmp_path).index("test")
    specimen = index.read(0)
    assert specimen.taxon.is_empty
    assert specimen.label == names[1]
    assert specimen.common_names == ((common,) if common else ())
    assert render(specimen, "label").text == f"a photo of {names[1]}."


def test_flags_and_captions(tmp_path: Path) -> None:
    flags: list[dict[str, bytes | str]] = [{"npy": saved(np.array(row))} for row in ([1, 0, 1], [0, 1, 0], [0, 0, 0])]
    index = opened(benchmark(tmp_path / "multi", flags, BINOMIALS, "multilabel"), tmp_path).index("test")
    assert [index.read(row).label for row in range(3)] == ["Pica hudsonia, Corvus corax", "Pica pica", ""]
    assert index.read(0).metadata == {"labels": ["Pica hudsonia", "Corvus corax"]}
    assert [index.read(row).taxon.scientific_name for row in range(3)] == ["", "Pica pica", ""]
    captions: list[dict[str, bytes | str]] = [{"txt": "a bird\na magpie\n"}, {"txt": "two"}, {"txt": "three"}]
    index = opened(benchmark(tmp_path / "retrieval", captions, kind="retrieval"), tmp_path).index("test")
    assert [index.read(row).descriptions for row in range(3)] == [("a bird", "a magpie"), ("two",), ("three",)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (saved(np.array([{"a": 1}], dtype=object)), "pickled objects, which can run anything: it is never read"),
        (saved(np.zeros((2, 2))), r"float64 of shape \(2, 2\), not one flag per class"),
        (saved(np.array(["x"])), "not one flag per class"),
        (saved(np.zeros(9))[:-8], "claims 9 flags, but holds 64 bytes"),
        (saved(np.zeros(9)).replace(b"(9,)", b"(9000000000000,)").replace(b" " * 12 + b"\n", b"\n"), "claims 9000000"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "no array in NumPy's format"),
        (b"not an array", "no array in NumPy's format"),
        (b"", "no array in NumPy's format"),
    ],
)
def test_hostile_flags_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        multi_hot(data)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"cls": b"3"}, r"class 3 is none of the 3 lines of classnames\.txt"),
        ({"cls": b"-1"}, r"'\.cls' holds '-1', not the number of a class"),
        ({"cls": b"1_0"}, "not the number of a class"),
        ({"cls": b"\xff"}, r"'\.cls' is not UTF-8"),
    ],
)
def test_bad_class_numbers_are_told(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    (tmp_path / "classnames.txt").write_text("\n".join(BINOMIALS))
    with pytest.raises(ShardError, match=message):
        ClipBenchmarkLayout(tmp_path).specimen("key", members)


def test_class_numbers_without_names_are_labels(tmp_path: Path) -> None:
    assert ClipBenchmarkLayout(tmp_path).specimen("key", {"cls": b"12"}).label == "12"


@pytest.mark.parametrize(
    ("told", "message"),
    [("3", r"has no 2\.tar, but nshards\.txt tells 3"), ("two", "number of shards"), ("0", "tells 0")],
)
def test_the_number_of_shards_must_fit(told: str, message: str, tmp_path: Path) -> None:
    root = benchmark(tmp_path / "bench", [{"cls": "0"}] * 3, BINOMIALS)
    (root / "test/nshards.txt").write_text(told)
    with pytest.raises(ClipbioError, match=message):
        opened(root, tmp_path)


@pytest.fixture
def birds(make_table: MakeTable, tmp_path: Path) -> ShardFolder:
    """Seven specimens of three species in train and test; one has no species, one is a PNG."""
    rows = rows_of(8, split="test", common_name="magpie", description="A magpie.")
    for row, species in zip(rows, ("hudsonia", "pica", "nuttalli", "pica", "hudsonia", "pica", "", ""), strict=True):
        row["species"] = species
    rows[6]["genus"], rows[6]["common_name"], rows[7]["split"] = "", "", "train"
    table = make_table(rows)
    (table / "images/3.jpg").write_bytes(encoded(3, "PNG"))
    return resolve(table, tmp_path / "cache", progress=False)


def their_reader(root: Path, split: str, label: str) -> list[tuple[Any, ...]]:
    """Read as CLIP_benchmark does: tars by number, images of four extensions, then labels or captions."""
    shards = int((root / split / "nshards.txt").read_text())
    pattern = f"{root}/{split}/{{0..{shards - 1}}}.tar"
    return list(WebDataset(pattern, shardshuffle=False).decode("pil").to_tuple("webp;png;jpg;jpeg", label, "__key__"))


def test_written_as_their_reader_expects(birds: ShardFolder, tmp_path: Path) -> None:
    export = ClipBenchmarkExport(samples_per_shard=3, templates=["a photo of {}.", "a sheet of {}."])
    assert export.write(birds, tmp_path / "out", progress=False) == {"train": 1, "test": 7}
    out, names = tmp_path / "out", (tmp_path / "out/classnames.txt").read_text().splitlines()
    lineage = "Animalia Chordata Aves Passeriformes Corvidae"
    assert names == [lineage, f"{lineage} Pica", "Pica hudsonia", "Pica nuttalli", "Pica pica"]
    templates = (out / "zeroshot_classification_templates.txt").read_text()
    assert templates == "a photo of {c}.\na sheet of {c}.\n"
    assert not (out / "dataset_type.txt").exists()
    assert sorted(path.name for path in (out / "test").iterdir()) == ["0.tar", "1.tar", "2.tar", "nshards.txt"]
    samples = their_reader(out, "test", "cls")
    assert [key for *_, key in samples] == [f"s{i:07d}" for i in range(7)]
    assert [names[label] for _, label, _ in samples] == [
        "Pica hudsonia", "Pica pica", "Pica nuttalli", "Pica pica", "Pica hudsonia", "Pica pica", lineage,
    ]  # fmt: skip
    with tarfile.open(out / "test/1.tar") as tar:
        assert tar.getnames() == ["s0000003.cls", "s0000003.png", "s0000004.cls", "s0000004.jpg", "s0000005.cls",
                                  "s0000005.jpg"]  # fmt: skip
    original = birds.index("test")
    again = opened(out, tmp_path).index("test")
    for row in range(7):
        assert again.read(row).image == original.read(row).image
        assert again.read(row).label == names[samples[row][1]]


def test_common_names_make_fewer_classes(birds: ShardFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    export = ClipBenchmarkExport(class_names="common", splits=["test"])
    assert export.write(birds, tmp_path / "out", progress=False) == {"test": 7}
    names = (tmp_path / "out/classnames.txt").read_text().splitlines()
    assert names == ["Animalia Chordata Aves Passeriformes Corvidae", "magpie"]
    assert "1 class names stand for several taxa, 'magpie' for 3: one class each" in caplog.text


def test_retrieval_and_webp(birds: ShardFolder, tmp_path: Path) -> None:
    export = ClipBenchmarkExport(task="retrieval", image_format="webp", splits=["test"])
    assert export.write(birds, tmp_path / "out", progress=False) == {"test": 7}
    samples = their_reader(tmp_path / "out", "test", "txt")
    assert samples[0][1] == "A magpie."
    assert (tmp_path / "out/dataset_type.txt").read_text().strip() == "retrieval"
    again = opened(tmp_path / "out", tmp_path).index("test")
    for row in (0, 3):
        ours, theirs = again.read(row).image, birds.index("test").read(row).image
        assert isinstance(ours, bytes)
        assert isinstance(theirs, bytes)
        assert ours[8:12] == b"WEBP"
        pictures = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in (ours, theirs)]
        assert np.array_equal(*pictures)
    assert again.read(0).descriptions == ("A magpie.",)


def test_what_cannot_be_written_is_told(birds: ShardFolder, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(ClipbioError, match="full is there already; give another out="):
        ClipBenchmarkExport().write(birds, tmp_path / "full", progress=False)
    for settings, message in (
        ({"task": "retrival"}, "task=retrival is unknown; did you mean 'retrieval'"),
        ({"image_format": "png"}, "only webp is written"),
        ({"samples_per_shard": 0}, "samples_per_shard=0 must be at least 1"),
    ):
        with pytest.raises(ClipbioError, match=message):
            ClipBenchmarkExport(**settings)
    with pytest.raises(ClipbioError, match="no split 'tset'; did you mean 'test'"):
        ClipBenchmarkExport(splits=["tset"]).write(birds, tmp_path / "out", progress=False)


def test_nothing_is_left_when_nothing_can_be_written(make_table: MakeTable, tmp_path: Path) -> None:
    folder = resolve(make_table(rows_of(2)), tmp_path / "cache", progress=False)
    with pytest.raises(ClipbioError, match="no sample can be written: 2 no_description"):
        ClipBenchmarkExport(task="retrieval").write(folder, tmp_path / "out", progress=False)
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_an_image_too_long_for_webp_is_a_defect(make_table: MakeTable, tmp_path: Path) -> None:
    root = make_table(rows_of(2))
    (root / "images/0.jpg").write_bytes(encoded(0, "PNG", size=(17_000, 2)))
    export = ClipBenchmarkExport(image_format="webp")
    folder = resolve(root, tmp_path / "cache", progress=False)
    assert export.write(folder, tmp_path / "out", progress=False) == {"train": 1}
    assert export.defects.counts == {"not_encodable": 1}


def test_the_current_folder_is_named_when_it_is_full(birds: ShardFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(birds.root)
    with pytest.raises(ClipbioError, match="is there already; give another out="):
        ClipBenchmarkExport().write(birds, Path(), progress=False)


def test_the_current_folder_may_be_written_when_it_is_empty(
    birds: ShardFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    ClipBenchmarkExport(splits=["test"]).write(birds, Path(), progress=False)
    assert (tmp_path / "empty/test/nshards.txt").is_file()


def test_the_command(birds: ShardFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [f"root={birds.root}", f"out={tmp_path / 'out'}", "to.splits=[test]", "to.class_names=common"]
    assert main(["convert", *given]) == 0
    assert "test" in capsys.readouterr().out
    assert (tmp_path / "out/test/nshards.txt").read_text() == "1\n"
    assert main(["convert", *given]) != 0
    assert "is there already; give another out=" in capsys.readouterr().err
