"""`python -m clipbio describe`: from pictures to characters, on a small virtual herbarium."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from clipbio.characters.folder import load_describer
from clipbio.config import check_signatures, compose, plain
from clipbio.errors import ClipbioError
from clipbio.tasks.describe import describe
from clipbio.virtual import VirtualHerbarium

WORLD = {"num_species": 24, "num_unseen": 2, "specimens_per_species": 4, "image_size": 64}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("describe")
    herbarium = VirtualHerbarium(**WORLD, seed=0)
    for number, sheet in enumerate([one for one in herbarium.sheets if one.split == "unseen"][:2]):
        (folder / f"{number}.png").write_bytes(herbarium.draw(sheet).image)
    return folder


def asked(place: Path, *settings: str) -> dict[str, Any]:
    given = ["model=tiny", "data=virtual", *(f"data.source.{key}={value}" for key, value in WORLD.items())]
    given += ["columns=virtual", "min_species=2", "num_workers=0", "data.num_workers=0", f"cache_dir={place / 'cache'}"]
    config = plain(compose("describe", [*given, *settings]))
    check_signatures(config)
    return config


def test_pictures_become_a_table_and_records_of_sentences(place: Path) -> None:
    out = place / "characters.csv"
    describe(asked(place, f"image=[{place / '0.png'},{place / '1.png'}]", f"out={out}"))
    rows = list(csv.DictReader(out.open()))
    assert {row["picture"] for row in rows} == {str(place / "0.png"), str(place / "1.png")}
    assert "leaf shape" in {row["character"] for row in rows}
    assert all(0 < float(row["confidence"]) <= 1 and row["visible"] in ("yes", "no") for row in rows)
    out = place / "characters.jsonl"
    describe(asked(place, f"image={place / '0.png'}", f"out={out}", "nearest=2"))
    (record,) = map(json.loads, out.read_text().splitlines())
    assert len({one["species"] for one in record["nearest"]}) == 2
    assert len(record["characters"]) == len(rows) / 2
    measured = place / "told.mof.csv"
    describe(asked(place, f"image={place / '0.png'}", f"out={measured}", "accuracy=0.01"))
    for row in csv.DictReader(measured.open()):
        assert row["occurrenceID"] == str(place / "0.png")
        assert row["measurementAccuracy"].startswith("confidence 0.")
        assert "image tower" in row["measurementMethod"]
    with pytest.raises(ClipbioError, match="exists"):
        describe(asked(place, f"image={place / '0.png'}", f"out={out}"))


def test_the_console_shows_each_character(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    describe(asked(place, f"image={place / '0.png'}", "nearest=1"))
    shown = capsys.readouterr().out
    assert "0.png" in shown
    assert "leaf shape" in shown
    assert "nearest description" in shown


def test_a_saved_describer_is_used_and_that_of_other_weights_refused(place: Path) -> None:
    describe(asked(place, f"save={place / 'saved'}"))
    assert len(load_describer(place / "saved").written) == 24 * 4
    out = place / "again.csv"
    given = (f"characters={place / 'saved'}", f"image={place / '0.png'}")
    describe(asked(place, *given, f"out={out}"))
    assert out.is_file()
    with pytest.raises(ClipbioError, match="describer was made with the image tower"):
        describe(asked(place, *given, "model.seed=1"))


def test_what_was_made_is_kept_until_the_data_are_parted_otherwise(place: Path) -> None:
    carved = ("data.source.num_unseen=0", f"image={place / '0.png'}", f"cache_dir={place / 'other'}")
    for settings in ((), (), ("data.decoder=pillow",), ("accuracy=0.7",)):
        describe(asked(place, *carved, *settings))
    assert len(list((place / "other" / "describers").iterdir())) == 3


def test_without_pictures_or_splits_it_says_what_to_give(place: Path) -> None:
    with pytest.raises(ClipbioError, match="give image=FILE, or save=FOLDER"):
        describe(asked(place))
    with pytest.raises(ClipbioError, match="characters are written as"):
        describe(asked(place, f"image={place / '0.png'}", "out=x.txt"))


def test_a_coca_writes_captions_beside(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, image = ("model=coca_tiny", "generate=true", "beams=1", "max_words=3"), f"image={place / '0.png'}"
    out = place / "captions.jsonl"
    describe(asked(place, *model, image, f"out={out}"))
    (record,) = map(json.loads, out.read_text().splitlines())
    assert record["caption"]
    describe(asked(place, *model, image))
    assert f"written and not checked: {record['caption']}" in capsys.readouterr().out.replace("\n", " ")
    with pytest.raises(ClipbioError, match="captions stand in"):
        describe(asked(place, *model, image, f"out={place / 'captions.csv'}"))
    with pytest.raises(ClipbioError, match="no caption decoder"):
        describe(asked(place, "generate=true", image))
