"""What the report says of small data with planted cases."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from photos import photo, resized, saved
from PIL import Image
from rich.console import Console
from tables import PICA, MakeTable, Row, rows_of, write_csv

from clipbio.checking.check import CheckReport, check
from clipbio.checking.console import render
from clipbio.checking.page import write_page
from clipbio.checking.texts import TextLengths, clip_tokens
from clipbio.data.prepare import prepare
from clipbio.data.sources import TableSource, VirtualSource
from clipbio.errors import ClipbioError

ACER = {"kingdom": "Plantae", "genus": "Acer", "species": "rubrum"}


def row(name: str, **more: str) -> Row:
    """Return a row with all columns that the planted cases need."""
    columns = (
        "specimen_id",
        "image",
        *PICA,
        "common_name",
        "description",
        "dna",
        "label",
        "split",
        "group_id",
        "licence",
    )
    return dict.fromkeys(columns, "") | {"specimen_id": name, "split": "train"} | more


def write_table(root: Path, rows: list[Row], files: dict[str, bytes]) -> Path:
    root.mkdir()
    write_csv(root / "specimens.csv", rows)
    for name, data in files.items():
        (root / name).write_bytes(data)
    return root


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Two copies of one photo across splits, one under two names, one blank image, and three photos of their own."""
    first, second = photo(1), photo(2)
    files = {
        "a.jpg": saved(first),
        "b.jpg": saved(resized(first, 0.5), quality=50),
        "c.png": saved(second, "PNG"),
        "d.png": saved(second, "PNG"),
        "e.jpg": saved(photo(3, (300, 40))),
        "f.png": saved(resized(photo(4), 0.125), "PNG"),
        "g.jpg": saved(photo(0).point(lambda _: 99)),
    }
    rows = [
        row("a", image="a.jpg", **PICA, licence="CC0", description="A black and white bird.", group_id="one"),
        row("b", image="b.jpg", **PICA, licence="CC0", split="test", common_name="magpie"),
        row("c", image="c.png", **PICA),
        row("d", image="d.png", **ACER),
        row("e", image="e.jpg", **ACER, dna="ACGTN", group_id="one"),
        row("f", image="f.png", genus="Acer", kingdom="Plantae"),
        row("g", image="g.jpg", label="<b>thing & co</b>"),
        row("h", dna="acgti", **ACER, common_name="red maple"),
    ]
    return write_table(tmp_path / "planted", rows, files)


def test_the_findings_of_planted_cases(planted: Path) -> None:
    report = check(planted)
    assert report.findings.counts == {
        "near_identical_images": 1,
        "duplicate_across_splits": 1,
        "identical_images": 1,
        "same_photo_two_taxa": 1,
        "blank_image": 1,
    }
    places = {kind: report.findings.of(kind)[0].where for kind in report.findings.counts}
    assert places["duplicate_across_splits"] == places["near_identical_images"] == "'a' (train), 'b' (test)"
    assert places["same_photo_two_taxa"] == "'c' (train), 'd' (train)"
    assert "Pica hudsonia and Acer rubrum" in report.findings.of("same_photo_two_taxa")[0].message
    assert report.failure(strict=False) == ""
    assert report.failure(strict=True) == "0 errors, 5 warnings"


def test_the_numbers_of_planted_cases(planted: Path) -> None:
    numbers = json.loads(json.dumps(check(planted, context_length=4).to_dict(), allow_nan=False))
    assert numbers["totals"] == {
        "specimens": 8,
        "with_image": 7,
        "with_dna": 2,
        "with_description": 1,
        "with_common_name": 2,
        "with_mask": 0,
        "images_opened": 7,
    }
    assert numbers["splits"] == [
        {"split": "train", "specimens": 7, "images_opened": 6, "species": 3, "groups": 6},
        {"split": "test", "specimens": 1, "images_opened": 1, "species": 1, "groups": 1},
    ]
    combinations = [
        (r["split"], r["image"], r["dna"], r["description"], r["common_name"], r["specimens"])
        for r in numbers["modalities"]
    ]
    assert combinations[0] == ("train", True, False, False, False, 4)
    assert set(combinations[1:]) == {
        ("train", True, False, True, False, 1),
        ("train", True, True, False, False, 1),
        ("train", False, True, False, True, 1),
        ("test", True, False, False, True, 1),
    }
    ranks = {entry["rank"]: (entry["names"], entry["specimens"]) for entry in numbers["ranks"]}
    assert (ranks["kingdom"], ranks["phylum"], ranks["genus"], ranks["species"]) == ((2, 7), (1, 3), (2, 7), (2, 6))
    tail = numbers["long_tail"]
    assert (tail["species"], tail["undetermined"], tail["singletons"], tail["below_five"]) == (3, 1, 1, 3)
    assert tail["most_frequent"] == {"Acer rubrum": 3, "Pica hudsonia": 3, "<b>thing & co</b>": 1}
    images = numbers["images"]
    assert (images["formats"], images["tiny"], images["extreme_aspect"], images["blank"]) == (
        {"JPEG": 4, "PNG": 3},
        3,
        1,
        1,
    )
    assert images["smallest"][0] == {"id": "f", "width": 20, "height": 15}
    assert images["longest_aspect"][0]["id"] == "e"
    assert images["width"]["max"] == 300
    assert numbers["barcodes"]["letters"]["A"] == 2
    assert numbers["barcodes"]["length"]["min"] == 4
    assert numbers["barcodes"]["defects"] == {"short_barcode": 2}
    assert (numbers["barcodes"]["barcodes"], numbers["barcodes"]["sound"]) == (2, 0)
    assert numbers["barcodes"]["ambiguous_share"] == pytest.approx(0.2)
    assert numbers["licences"] == {"counts": {"CC0": 2}, "missing": 6, "without_rights_holder": 8}
    description = numbers["texts"]["description"]
    assert (description["texts"], description["words"]["max"], description["tokens"]["max"]) == (1, 5, 7)
    assert (description["truncated"], description["truncated_share"], description["longest"]) == (
        1,
        1.0,
        "A black and white bird.",
    )
    assert numbers["texts"]["common_name"]["truncated"] == 0
    copies = numbers["duplicates"]
    assert (copies["groups"], copies["surplus_images"], copies["surplus_identical"]) == (2, 2, 1)
    assert [group["kind"] for group in copies["listed"]] == ["identical", "near_identical"], "the worst first"
    assert [one["id"] for one in copies["listed"][1]["members"]] == ["a", "b"]


def test_less_determined_copies_are_no_contradiction(tmp_path: Path) -> None:
    data = saved(photo(1))
    rows = [row("a", image="a.jpg", **PICA), row("b", image="b.jpg", genus="Pica"), row("c", image="c.jpg", label="x")]
    report = check(write_table(tmp_path / "t", rows, {"a.jpg": data, "b.jpg": data, "c.jpg": data}))
    assert report.findings.counts == {"identical_images": 1}
    rows[1]["genus"] = "Corvus"
    report = check(write_table(tmp_path / "u", rows, {"a.jpg": data, "b.jpg": data, "c.jpg": data}))
    assert report.findings.counts == {"identical_images": 1, "same_photo_two_taxa": 1}


def test_near_duplicates_can_be_left_out(planted: Path) -> None:
    for settings in ({"near_duplicates": False}, {"decode": False}):
        report = check(planted, **settings)
        assert "near_identical_images" not in report.findings.counts
        assert report.findings.counts["identical_images"] == 1
        assert report.to_dict()["duplicates"]["distance"] is None


def test_shards_say_the_same_as_their_table(planted: Path, tmp_path: Path) -> None:
    prepare(TableSource(planted), tmp_path / "shards", progress=False)
    table, shards = check(planted), check(tmp_path / "shards")
    assert shards.findings.counts == table.findings.counts
    for part in ("totals", "splits", "ranks", "modalities", "licences", "barcodes", "long_tail"):
        assert shards.numbers[part] == table.numbers[part], part
    assert shards.to_dict()["what"] == "shard folder"


def test_texts_of_species_count_for_their_specimens(make_table: MakeTable, tmp_path: Path) -> None:
    texts = [{"scientific_name": "Pica hudsonia", "description": f"text {number} of the bird"} for number in range(3)]
    root = make_table(rows_of(4), descriptions=texts)
    prepare(TableSource(root), tmp_path / "shards", progress=False)
    for report in (check(root), check(tmp_path / "shards")):
        assert report.numbers["totals"]["with_description"] == 4
        assert report.numbers["texts"]["description"]["texts"] == 3


def test_a_sample_of_the_images_is_told_and_repeats(make_table: MakeTable) -> None:
    root = make_table(rows_of(60))
    reports = [check(root, max_images=20) for _ in range(2)]
    opened = [report.records.image_M.tolist() for report in reports]
    assert opened[0] == opened[1]
    assert 8 <= len(opened[0]) <= 32
    totals = reports[0].numbers["totals"]
    assert (totals["specimens"], totals["with_image"]) == (60, 60)
    with pytest.raises(ClipbioError, match="max_images=0 is too small"):
        check(root, max_images=0)


def test_any_source_is_checked_and_shown(tmp_path: Path) -> None:
    source = VirtualSource(num_species=4, num_unseen=2, specimens_per_species=4, image_size=64)
    report = check(source)
    assert (report.walk.name, report.walk.what) == ("VirtualSource", "source")
    assert report.numbers["totals"]["specimens"] == report.numbers["totals"]["images_opened"] > 10
    write_page(report, tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert "Some of unseen" in page
    assert "Smallest" not in page, "all have one size"


def test_data_without_images_has_a_report(tmp_path: Path) -> None:
    root = write_table(tmp_path / "t", [row(name, dna="ACGT" * 4, **ACER) for name in "abc"], {})
    report = check(root)
    assert report.findings.counts == {}
    render(report, Console(file=io.StringIO()))
    page = page_of(report, tmp_path / "check.html")
    assert "Barcodes" in page
    assert "Some of train" not in page


def test_nothing_usable_is_a_failure(make_table: MakeTable) -> None:
    report = check(make_table(rows_of(2, image="gone.jpg")))
    assert report.failure(strict=False) == "there is no usable record: 2 errors, 0 warnings"
    render(report, Console(file=io.StringIO()))


def page_of(report: CheckReport, path: Path) -> str:
    write_page(report, path)
    return path.read_text(encoding="utf-8")


def test_the_page_shows_the_pictures_and_escapes_the_names(planted: Path, tmp_path: Path) -> None:
    page = page_of(check(planted), tmp_path / "check.html")
    assert "&lt;b&gt;thing &amp; co&lt;/b&gt;" in page
    assert "<b>thing" not in page
    assert page.count('<img src="data:image/jpeg;base64,') >= 10
    assert 'src="http' not in page
    assert "Near-identical, across splits" in page
    assert "Smallest" in page
    assert "Identical, several taxa" in page
    assert "A black and white bird." not in page, "no text is cut, so none is shown"


def test_the_right_picture_stands_beside_the_right_name(tmp_path: Path) -> None:
    colours = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
    noise = np.random.default_rng(0).integers(-25, 25, (60, 60, 1))
    files = {
        f"{name}.png": saved(Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)), "PNG")
        for name, colour in colours.items()
    }
    root = write_table(tmp_path / "t", [row(name, image=f"{name}.png", label=name) for name in colours], files)
    prepare(TableSource(root), tmp_path / "shards", progress=False)
    for report in (check(root), check(tmp_path / "shards")):
        pictures = dict(report.walk.pictures(set(colours)))
        assert pictures == {name: files[f"{name}.png"] for name in colours}
        page = page_of(report, tmp_path / "check.html")
        shown = _first_gallery(page)
        assert set(shown) == set(colours)
        for name, mean in shown.items():
            assert int(np.argmax(mean)) == int(np.argmax(colours[name])), name


def _first_gallery(page: str) -> dict[str, np.ndarray]:
    """Return the mean colour of each picture of the first gallery by the name below it."""
    gallery = page.split('<div class="gallery">')[1]
    found = re.findall(r'base64,([^"]+)" alt="([^"]+)">\s*<figcaption><i>([^<]+)</i>', gallery)
    return {
        name: np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).mean(axis=(0, 1)) for data, _, name in found
    }


def test_words_are_counted_once_and_tokens_are_those_of_clip() -> None:
    texts = TextLengths(max_texts=2)
    for text in ("a red maple", "a red maple", "leaves " * 100, "not kept", ""):
        texts.add("description", text)
    assert sum(1 for _ in texts.count_tokens(clip_tokens())) == 2
    found = texts.to_dict(77)["description"]
    assert (found["texts"], found["tokenised"], found["truncated"]) == (3, 2, 1)
    assert found["tokens"]["min"] == 5, "three words between start and end"
    assert found["tokens"]["max"] == 102
